"""Weights in and out of a network: complete, or an error and nothing changed."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo._version import __version__
from zoo.checkpoints.files import assign, load_weights, save_weights
from zoo.errors import ReaderError, UsageError, WeightsError, ZooError
from zoo.network import Network
from zoo.parsers.cfg import Entry, read_cfg
from zoo.parsers.safetensors import SafetensorsReader, read_metadata, write_safetensors
from zoo.parsers.weights import DarknetReader, Header, write_weights
from zoo.plugins import select

DARKNET = Path(__file__).parents[2] / ".." / "shared" / "data" / "darknet"

CFG = """
[net]
height=6
width=5
channels=4

[convolutional]
filters=6
size=3
pad=1
groups=2
batch_normalize=1
activation=leaky

[batchnorm]

[convolutional]
filters=6
size=1
activation=linear

[shortcut]
from=-3
weights_type=per_channel

[connected]
output=7
batch_normalize=1
activation=linear

[connected]
output=3
activation=linear
"""


def make(text: str = CFG, seed: int | None = 0) -> Network:
    """A network with random weights, or with none."""
    network = Network.parse(text, "a.cfg")
    if seed is not None:
        rng = np.random.default_rng(seed)
        for tensor in network.tensors.values():
            tensor[...] = rng.uniform(0.25, 1, tensor.shape)
        network.trained = True
    return network


def same(one: Network, other: Network) -> bool:
    return all(
        np.array_equal(tensor, other.tensors[name])
        for name, tensor in one.tensors.items()
    )


# -- safetensors -----------------------------------------------------------


def test_safetensors_come_back(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.safetensors"
    save_weights(
        network, path, source="https://example.org", licence="MIT", extra={"psnr": 37.5}
    )
    other = make(seed=None)
    assert not other.trained
    report = load_weights(other, path)
    assert other.trained
    assert same(network, other)
    assert [entry.tensor for entry in report] == list(network.tensors)
    assert len(report) == len(network.tensors)
    assert "0.convolutional.weights 3x3x2x6 <- 0.convolutional.weights" in str(report)
    metadata = read_metadata(path)
    assert metadata.pop("zoo.crc32")
    assert metadata == {
        "zoo.format": "1",
        "zoo.version": __version__,
        "zoo.cfg": network.fingerprint,
        "source": "https://example.org",
        "license": "MIT",
        "psnr": "37.5",
    }


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_weights(make(), tmp_path / f"{name}.safetensors", licence="MIT")
    files = [(tmp_path / f"{n}.safetensors").read_bytes() for n in "ab"]
    assert files[0] == files[1]


def test_float16(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.safetensors"
    save_weights(network, path, dtype="float16")
    other = make(seed=None)
    load_weights(other, path)
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(
            other.tensors[name], tensor.astype(np.float16).astype(np.float32)
        )
    network[0].biases[0] = 1e6
    with pytest.raises(WeightsError, match=r"0\.convolutional\.biases .*65504"):
        save_weights(network, path, dtype="float16")
    with pytest.raises(UsageError, match="not int8"):
        save_weights(network, path, dtype="int8")  # type: ignore[arg-type]
    load_weights(other, path)  # still the old file


def test_misfits_are_listed_by_layer(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.safetensors"
    tensors = dict(network.tensors)
    del tensors["2.convolutional.weights"]
    tensors["4.connected.scales"] = np.zeros(9, np.float32)
    tensors["9.convolutional.weights"] = np.zeros((1, 2), np.float32)
    write_safetensors(path, tensors, {"zoo.format": "1"})
    other = make(seed=1)
    before = {name: tensor.copy() for name, tensor in other.tensors.items()}
    with pytest.raises(WeightsError) as caught:
        load_weights(other, path)
    lines = str(caught.value).splitlines()
    assert "does not fit a.cfg; nothing was loaded, 3 tensors differ" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "2.convolutional.weights 1x1x6x6 is missing",
        "4.connected.scales must be 7, not 9",
        "9.convolutional.weights 1x2 is left over",
    ]
    for name, tensor in other.tensors.items():
        np.testing.assert_array_equal(tensor, before[name])


def test_long_lists_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {"x": np.zeros(1, np.float32)}, {"zoo.format": "1"})
    with pytest.raises(WeightsError) as caught:
        load_weights(make(), path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[-1].strip() == f"and {len(make().tensors) + 1 - 10} more"


def test_partial(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.safetensors"
    tensors = dict(network.tensors)
    del tensors["2.convolutional.weights"]
    write_safetensors(path, tensors)
    other = make(seed=None)
    report = load_weights(other, path, partial=True)
    assert report.untouched == ("2.convolutional.weights",)
    assert not other.trained  # one tensor has no values yet
    np.testing.assert_array_equal(other[0].weights, network[0].weights)
    other = make(seed=1)
    load_weights(other, path, partial=True)
    assert other.trained
    write_safetensors(path, {**tensors, "x": np.zeros(1, np.float32)})
    with pytest.raises(WeightsError, match="x 1 is left over"):
        load_weights(other, path, partial=True)


def test_weights_of_another_cfg_with_equal_shapes(tmp_path: Path) -> None:
    save_weights(make(), tmp_path / "a.safetensors")
    other = make(CFG.replace("leaky", "relu"))
    with pytest.warns(UserWarning, match="written for another cfg than a.cfg"):
        load_weights(other, tmp_path / "a.safetensors")


def test_same_cfg_makes_no_noise(tmp_path: Path) -> None:
    save_weights(make(), tmp_path / "a.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_weights(make("# other spacing\n" + CFG), tmp_path / "a.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path: Path, value: float) -> None:
    network = make()
    network[2].weights[0, 0, 1, 2] = value
    for suffix in ("safetensors", "weights"):
        with pytest.raises(WeightsError, match=r"1 of the 36 .*2\.convolutional\.w"):
            save_weights(network, tmp_path / f"a.{suffix}")
    write_safetensors(tmp_path / "a.safetensors", network.tensors)
    other = make(seed=1)
    with pytest.raises(WeightsError, match=r"1 of the 36 .*2\.convolutional\.weights"):
        load_weights(other, tmp_path / "a.safetensors")
    assert same(other, make(seed=1))


def test_a_flipped_bit_in_a_weight_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(make(), path)
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(ReaderError, match="do not match their checksum"):
        load_weights(make(), path)


def test_newer_format(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, make().tensors, {"zoo.format": "2", "zoo.version": "9.1"})
    with pytest.raises(WeightsError, match=r"format '2', written by zoo 9\.1"):
        load_weights(make(), path)


def test_wrong_type_of_values() -> None:
    state = {n: t.astype(np.complex64) for n, t in make().tensors.items()}
    with pytest.raises(WeightsError, match="0.convolutional.weights is complex64"):
        assign(make(), state)


def test_network_without_weights_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights yet"):
        save_weights(make(seed=None), tmp_path / "a.safetensors")


# -- which format ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "error", "what"),
    [
        ("a.pth", b"PK\x03\x04" + b"\0" * 99, WeightsError, "zoo convert .*a.pth"),
        ("a.pb", b"\n\x0f\n\x05input", WeightsError, "convert it first"),
        ("a.txt", b"hello", WeightsError, "convert it first"),
        ("a.safetensors", b"", ReaderError, "is empty"),
        ("a.safetensors", b"hello world", ReaderError, "truncated or damaged"),
        ("a.weights", b"hello", ReaderError, "less than the header"),
    ],
)
def test_other_files(
    tmp_path: Path, name: str, content: bytes, error: type[ZooError], what: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=what):
        load_weights(make(), tmp_path / name)


def test_safetensors_of_others_are_to_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "edsr.safetensors"
    write_safetensors(path, {"head.0.weight": np.zeros((64, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match="convert it first: zoo convert"):
        load_weights(make(), path)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no file"):
        load_weights(make(), tmp_path / "a.safetensors")
    with pytest.raises(WeightsError, match="is a folder"):
        load_weights(make(), tmp_path)


def test_the_content_counts_before_the_name(tmp_path: Path) -> None:
    save_weights(make(), tmp_path / "a.safetensors")
    renamed = (tmp_path / "a.safetensors").rename(tmp_path / "a.weights")
    load_weights(make(), renamed)


def test_unknown_endings_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.weights or \.npz"):
        save_weights(make(), tmp_path / "a.pth")
    with pytest.raises(UsageError, match="float32 only"):
        save_weights(make(), tmp_path / "a.weights", dtype="float16")
    assert list(tmp_path.iterdir()) == []


# -- Darknet ---------------------------------------------------------------


def test_darknet_comes_back(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.weights"
    save_weights(network, path)
    count = sum(tensor.size for tensor in network.tensors.values())
    assert path.stat().st_size == 20 + 4 * count
    other = make(seed=None)
    report = load_weights(other, path)
    assert other.trained
    assert same(network, other)
    assert report.loaded[0].tensor == "0.convolutional.weights"
    assert "0.convolutional.biases 6 <- bytes 20..43" in str(report)


def test_darknet_order_against_torch(tmp_path: Path) -> None:
    """A file put together from PyTorch's arrays gives PyTorch's result."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)
    norm, alone = torch.nn.BatchNorm2d(6), torch.nn.BatchNorm2d(6)
    point = torch.nn.Conv2d(6, 6, 1)
    wide = torch.nn.Linear(6 * 6 * 5, 7, bias=False)
    wide_norm, last = torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 3)
    sums = torch.rand(2, 6)
    for bn in (norm, alone, wide_norm):
        for tensor in (bn.weight, bn.bias, bn.running_mean, bn.running_var):
            torch.nn.init.uniform_(tensor, 0.2, 1.5)
        bn.eval()

    def normalization(bn: torch.nn.Module) -> list[torch.Tensor]:
        return [bn.weight, bn.running_mean, bn.running_var]

    arrays = [norm.bias, *normalization(norm), conv.weight]
    arrays += [alone.bias, *normalization(alone)]
    arrays += [point.bias, point.weight, sums]
    arrays += [wide_norm.bias, wide.weight, *normalization(wide_norm)]
    arrays += [last.bias, last.weight]
    path = tmp_path / "a.weights"
    write_weights(path, [array.detach().numpy() for array in arrays])

    x = torch.randn(2, 4, 6, 5)
    with torch.no_grad():
        first = torch.nn.functional.leaky_relu(norm(conv(x)), 0.1)
        y = point(alone(first))
        y = sums[0, :, None, None] * y + sums[1, :, None, None] * first
        y = last(wide_norm(wide(y.flatten(1)))).numpy()
    network = make(seed=None)
    load_weights(network, path)
    found = network.forward(
        np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)), kernels=select("numpy")
    )
    np.testing.assert_allclose(found.reshape(2, 3), y, rtol=2e-5, atol=2e-5)


def test_old_files_hold_transposed_matrices(tmp_path: Path) -> None:
    text = "[net]\nchannels=5\nheight=1\nwidth=1\n[connected]\noutput=3\n"
    matrix = np.arange(15, dtype=np.float32).reshape(5, 3)  # input x output
    arrays = [np.zeros(3, np.float32), matrix]
    for header, expected in (
        (Header(0, 1001, 0), matrix.T),
        (Header(), matrix.reshape(3, 5)),
    ):
        write_weights(tmp_path / "a.weights", arrays, header)
        network = make(text, seed=None)
        load_weights(network, tmp_path / "a.weights")
        np.testing.assert_array_equal(network[0].weights, expected)


def test_flipped(tmp_path: Path) -> None:
    text = "[net]\nchannels=2\n[convolutional]\nfilters=3\nsize=3\npad=1\n"
    darknet = np.random.default_rng(0).random((3, 2, 3, 3), np.float32)
    biases = np.zeros(3, np.float32)
    plain, flipped = make(text, seed=None), make(text + "flipped=1\n", seed=None)
    path = tmp_path / "a.weights"
    write_weights(path, [biases, darknet])
    load_weights(plain, path)
    write_weights(path, [biases, darknet.reshape(3, 18).T])
    load_weights(flipped, path)
    np.testing.assert_array_equal(plain[0].weights, darknet.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(plain[0].weights, flipped[0].weights)
    before = path.read_bytes()
    save_weights(flipped, path)
    assert path.read_bytes() == before


def test_layer_without_biases(tmp_path: Path) -> None:
    text = "[net]\nchannels=2\n[convolutional]\nfilters=3\nsize=1\nbias=0\n"
    network, path = make(text), tmp_path / "a.weights"
    save_weights(network, path)
    np.testing.assert_array_equal(DarknetReader.read(path).tensors["data"][:3], 0)
    other = make(text, seed=None)
    load_weights(other, path)
    assert same(network, other)
    write_weights(path, [np.ones(9, np.float32)])
    with pytest.raises(WeightsError, match=r"has biases for a\.cfg:3: layer 0"):
        load_weights(other, path)


def test_dontload(tmp_path: Path) -> None:
    text = (
        "[net]\nchannels=2\n[convolutional]\nfilters=3\nbatch_normalize=1\n"
        "dontloadscales=1\n[convolutional]\nfilters=1\ndontload=1\n"
    )
    network, path = make(text), tmp_path / "a.weights"
    write_weights(path, [np.arange(3 + 6, dtype=np.float32)])
    with pytest.raises(WeightsError, match="5 tensors differ"):
        load_weights(network, path)
    report = load_weights(network, path, partial=True)
    assert len(report) == 2
    np.testing.assert_array_equal(network[0].biases, [0, 1, 2])
    np.testing.assert_array_equal(network[0].weights.ravel(), [3, 5, 7, 4, 6, 8])


def test_truncated_and_too_long(tmp_path: Path) -> None:
    network, path = make(), tmp_path / "a.weights"
    save_weights(network, path)
    content = path.read_bytes()
    total = (len(content) - 20) // 4
    first = 6 * 4 + 3 * 3 * 2 * 6  # floats of the first layer
    for left, what in (
        (first, r"ends before a\.cfg:15: layer 1 \[batchnorm\], which takes 24"),
        (first + 5, r"ends within a\.cfg:15: layer 1 .* 24 and finds 5"),
        (0, r"ends before a\.cfg:7: layer 0"),
        (total - 2, r"ends within a\.cfg:31: layer 5 .* 24 and finds 22"),
    ):
        path.write_bytes(content[: 20 + 4 * left])
        message = f"holds {left} floats and a.cfg takes {total}: it {what}"
        with pytest.raises(WeightsError, match=message):
            load_weights(make(seed=None), path)
    path.write_bytes(content[: 20 + 4 * first])
    other = make(seed=None)
    report = load_weights(other, path, partial=True)
    assert len(report) == 5
    assert not other.trained
    np.testing.assert_array_equal(other[0].weights, network[0].weights)
    path.write_bytes(content[: 24 + 4 * first])
    with pytest.raises(WeightsError, match="ends within .* --from and --from-cfg$"):
        load_weights(other, path, partial=True)
    path.write_bytes(content + b"1234")
    for partial in (False, True):
        with pytest.raises(WeightsError, match=r"1 are left over"):
            load_weights(other, path, partial=partial)
    path.write_bytes(content[:-1])
    with pytest.raises(ReaderError, match="3 bytes into a number"):
        load_weights(other, path)


def test_what_darknet_cannot_hold(tmp_path: Path) -> None:
    network = make("[net]\nchannels=2\n[activation]\nactivation=prelu\n")
    with pytest.raises(WeightsError, match=r"layer 0 \[activation\] has slopes"):
        save_weights(network, tmp_path / "a.weights")
    assert list(tmp_path.iterdir()) == []


def darknet_file(name: str) -> Path:
    path = DARKNET / name
    if not path.exists():
        pytest.skip("the Darknet files are not beside this checkout")
    return path


# They hold no weights and leave the size of what follows alone.
_HEADS = ("yolo", "region", "detection", "cost")


def without_heads(path: Path, **keys: str) -> Network:
    """A Darknet network whose training heads let their input through."""
    entries = tuple(Entry(key, value) for key, value in keys.items())
    sections = [
        replace(section, kind="dropout", entries=())
        if section.kind in _HEADS
        else replace(section, entries=section.entries + entries)
        if section.kind == "convolutional"
        else section
        for section in read_cfg(path, lenient=True)
    ]
    return Network(sections, lenient=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_floats_of_darknet_networks() -> None:
    """As many floats as the published .weights files have."""
    expected = json.loads(darknet_file("expected.json").read_text())
    seen = 0
    for name in (
        "yolov3.cfg",
        "yolov3-tiny.cfg",
        "yolov4-tiny.cfg",
        "densenet201.cfg",
        "efficientnet-lite3.cfg",
        "go.test.cfg",
        "tiny-yolo-voc.cfg",
        "yolov7-tiny.cfg",
    ):
        network = without_heads(darknet_file(f"cfg/{name}"))
        floats = sum(tensor.size for tensor in network.tensors.values())
        assert floats == expected[name]["floats"], name
        seen += 1
    assert seen == 8


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_published_darknet_weights(tmp_path: Path) -> None:
    path = darknet_file("yolo-fastest-1.1.weights")
    network = without_heads(darknet_file("yolo-fastest-1.1.cfg"))
    report = load_weights(network, path)
    assert sum(tensor.size for tensor in network.tensors.values()) == 346062
    assert len(report) == 414
    save_weights(network, tmp_path / "a.weights")
    # The count of images seen is not kept; all numbers are.
    assert (tmp_path / "a.weights").read_bytes()[20:] == path.read_bytes()[20:]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_published_darknet_network_against_opencv() -> None:
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        pytest.skip("OpenCV 5 reads no Darknet files any more; OpenCV 4 does")
    cfg, weights = (
        darknet_file(f"yolo-fastest-1.1.{end}") for end in ("cfg", "weights")
    )
    oracle = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    image = cv2.resize(cv2.imread(str(darknet_file("dog.jpg"))), (320, 320))
    blob = cv2.dnn.blobFromImage(image, 1 / 255, (320, 320), swapRB=True)
    oracle.setInput(blob)
    # OpenCV's epsilon of normalization is 1e-6.
    whole = without_heads(cfg, bn_eps="1e-6")
    load_weights(whole, weights)
    kept = Network(whole.sections[:122], lenient=True)  # up to the first head
    assign(kept, {name: whole.tensors[name] for name in kept.tensors})
    found = kept.forward(
        np.ascontiguousarray(blob.transpose(0, 2, 3, 1)), kernels=select("numpy")
    )
    expected = oracle.forward("conv_120").transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


# -- whatever comes --------------------------------------------------------

SMALL = "[net]\nchannels=1\n[convolutional]\nfilters=2\nbatch_normalize=1\n"


def flip(content: bytes, data: st.DataObject) -> bytes:
    """Flip some bits and perhaps cut the end."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3))):
        position = data.draw(st.integers(0, len(changed) - 1))
        changed[position] ^= 1 << data.draw(st.integers(0, 7))
    return bytes(changed[: data.draw(st.integers(len(changed) - 30, len(changed)))])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("suffix", ["safetensors", "weights"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), partial=st.booleans())
def test_mutations_load_all_or_nothing(
    tmp_path: Path, suffix: str, data: st.DataObject, partial: bool
) -> None:
    path = tmp_path / f"a.{suffix}"
    save_weights(make(SMALL), path)
    path.write_bytes(flip(path.read_bytes(), data))
    network = make(SMALL, seed=1)
    try:
        load_weights(network, path, partial=partial)
    except (ReaderError, WeightsError) as error:
        assert path.name in str(error)
        assert same(network, make(SMALL, seed=1))
    for tensor in network.tensors.values():
        assert np.isfinite(tensor).all()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    shapes=st.dictionaries(
        st.sampled_from((*make(SMALL).tensors, "0.convolutional", "x", "١.a.b", "")),
        st.lists(st.integers(0, 3), max_size=4),
    )
)
def test_any_tensors_fit_or_are_refused(
    tmp_path: Path, shapes: dict[str, list[int]]
) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, {n: np.ones(s, np.float32) for n, s in shapes.items()})
    network = make(SMALL, seed=1)
    fits: Callable[[str], bool] = lambda name: (
        name in shapes and tuple(shapes[name]) == network.tensors[name].shape
    )
    if len(shapes) == len(network.tensors) and all(map(fits, network.tensors)):
        load_weights(network, path)
        return
    with pytest.raises(WeightsError):
        load_weights(network, path)
    assert same(network, make(SMALL, seed=1))


def test_header_of_a_read_file_says_what_darknet_would_read(tmp_path: Path) -> None:
    save_weights(make(SMALL), tmp_path / "a.weights")
    head = (tmp_path / "a.weights").read_bytes()[:20]
    assert struct.unpack("<iiiQ", head) == (0, 2, 5, 0)
    assert not SafetensorsReader.recognizes(tmp_path / "a.weights", head)
