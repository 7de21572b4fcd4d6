"""From checkpoint files to a cfg and weights, and everything that goes wrong."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphdef_builder import opencv_edsr
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo.checkpoints import convert as conversion
from zoo.checkpoints.convert import Converted, convert
from zoo.checkpoints.files import load_weights, save_weights
from zoo.errors import ReaderError, UsageError, WeightsError, ZooError
from zoo.models.edsr import EDSR, OPENCV_MEAN
from zoo.network import Network
from zoo.parsers.detect import read_checkpoint, reader_of
from zoo.parsers.safetensors import read_metadata, write_safetensors

IMAGE = np.random.default_rng(5).integers(0, 256, (8, 10, 3), np.uint8)


def edsr_tensors(
    blocks: int = 2, filters: int = 4, scale: int = 2, seed: int = 0
) -> dict[str, np.ndarray]:
    """Tensors with the names and shapes of an official EDSR of one stage."""
    rng = np.random.default_rng(seed)
    mean = 255 * np.array([0.4488, 0.4371, 0.4040], np.float32)
    eye = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    tensors = {"sub_mean.weight": eye, "sub_mean.bias": -mean}

    def conv(name: str, inputs: int, outputs: int) -> None:
        shape = (outputs, inputs, 3, 3)
        tensors[f"{name}.weight"] = rng.normal(0, 0.2, shape).astype(np.float32)
        tensors[f"{name}.bias"] = rng.normal(0, 1, outputs).astype(np.float32)

    conv("head.0", 3, filters)
    for block in range(blocks):
        conv(f"body.{block}.body.0", filters, filters)
        conv(f"body.{block}.body.2", filters, filters)
    conv(f"body.{blocks}", filters, filters)
    conv("tail.0.0", filters, filters * scale**2)
    conv("tail.1", filters, 3)
    return {**tensors, "add_mean.weight": eye, "add_mean.bias": mean}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small EDSR as a file with PyTorch's names, in a folder of its own."""
    folder = tmp_path / "in"
    folder.mkdir()
    path = folder / "tiny.safetensors"
    write_safetensors(path, edsr_tensors())
    return path


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- what is written -------------------------------------------------------


def test_a_cfg_and_weights_are_written(source: Path, out: Path) -> None:
    result = convert(source, licence="MIT")
    assert names(out) == {"tiny.cfg", "tiny.safetensors"}
    assert result.written == (Path("tiny.cfg"), Path("tiny.safetensors"))
    assert result.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    metadata = read_metadata(out / "tiny.safetensors")
    assert metadata["source"] == "tiny.safetensors"
    assert metadata["source.sha256"] == result.sha256
    assert metadata["source.layout"] == "EDSR-PyTorch"
    assert metadata["family"] == "edsr"
    assert metadata["license"] == "MIT"
    net = zoo.load("tiny.cfg", backend="numpy")
    assert net.network.parameter_count == result.parameter_count
    assert net(IMAGE).shape == (16, 20, 3)
    np.testing.assert_array_equal(
        net[2].weights, edsr_tensors()["body.0.body.0.weight"].transpose(2, 3, 1, 0)
    )


def test_the_licence_is_unknown_unless_said(source: Path, out: Path) -> None:
    convert(source)
    assert read_metadata(out / "tiny.safetensors")["license"] == "unknown"


def test_every_tensor_is_accounted_for(source: Path, out: Path) -> None:
    result = convert(source)
    uses = {line.tensor: (line.use, line.where) for line in result.uses}
    assert uses.keys() == edsr_tensors().keys()
    assert uses["body.0.body.2.bias"] == ("stored", "3.convolutional.biases")
    assert uses["sub_mean.bias"] == ("stated", "mean and std of [net]")
    shapes = {line.tensor: line.shape for line in result.uses}
    assert shapes["tail.0.0.weight"] == (16, 4, 3, 3)
    stored = {where.split(" ")[0] for use, where in uses.values() if use == "stored"}
    assert stored == set(Network.read("tiny.cfg").tensors)


def test_converting_twice_gives_the_same_bytes(source: Path, out: Path) -> None:
    convert(source, "a")
    convert(source, "b.safetensors")
    assert names(out) == {"a.cfg", "a.safetensors", "b.cfg", "b.safetensors"}
    for ending in ("cfg", "safetensors"):
        assert (out / f"a.{ending}").read_bytes() == (out / f"b.{ending}").read_bytes()


def test_weights_for_darknet_style(source: Path, out: Path) -> None:
    convert(source, to="weights")
    assert names(out) == {"tiny.cfg", "tiny.weights"}
    convert(source, "same")
    np.testing.assert_array_equal(
        zoo.load("tiny.cfg", backend="numpy")(IMAGE),
        zoo.load("same.cfg", backend="numpy")(IMAGE),
    )


def test_the_way_is_the_callers(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "x.y.cfg")
    assert {"x.y.cfg", "x.y.safetensors"} <= names(tmp_path)


@pytest.mark.parametrize("existing", ["tiny.cfg", "tiny.safetensors"])
def test_nothing_is_overwritten_without_force(
    source: Path, out: Path, existing: str
) -> None:
    (out / existing).write_text("precious")
    with pytest.raises(UsageError, match=f"'{existing}' exists; --force"):
        convert(source)
    assert names(out) == {existing}
    assert (out / existing).read_text() == "precious"
    convert(source, force=True)
    assert zoo.load("tiny.cfg", backend="numpy")(IMAGE).shape == (16, 20, 3)


@pytest.mark.parametrize("force", [False, True])
def test_the_source_is_never_overwritten(source: Path, force: bool) -> None:
    before = source.read_bytes()
    with pytest.raises(UsageError, match="would overwrite the source"):
        convert(source, source, force=force)
    assert source.read_bytes() == before
    assert names(source.parent) == {source.name}


@pytest.mark.parametrize("output", ["", ".", "folder/", "..", ".cfg"])
def test_an_output_needs_a_name(source: Path, out: Path, output: str) -> None:
    with pytest.raises(UsageError, match="no name for files"):
        convert(source, output)
    assert names(out) == set()


def test_a_missing_folder(source: Path, out: Path) -> None:
    with pytest.raises(ZooError, match="there is no folder"):
        convert(source, "nowhere/x")
    assert names(out) == set()


@pytest.mark.parametrize("failure", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_nothing_half_written(
    source: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
) -> None:
    def fail(network: Network, path: Path, **others: Any) -> None:
        raise failure  # it writes its own file whole or not at all

    monkeypatch.setattr(conversion, "save_weights", fail)
    with pytest.raises((ZooError, KeyboardInterrupt)):
        convert(source)
    assert names(out) == set()


# -- hyper-parameters ------------------------------------------------------


def test_options_may_be_values_or_text(source: Path, out: Path) -> None:
    said = convert(source, "a", options={"res_scale": "0.1", "color": "bgr"})
    assert said.recognition is not None
    assert said.recognition.options["res_scale"] == 0.1
    assert said.assumptions == ()
    convert(source, "b", options={"res_scale": 0.1, "color": "bgr"})
    assert (out / "a.cfg").read_text() == (out / "b.cfg").read_text()
    assert "alpha=0.1" in (out / "a.cfg").read_text()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"res_scal": 1}, "no option 'res_scal'; did you mean 'res_scale'"),
        ({"res_scale": "x"}, "res_scale=x: 'x' is not a number"),
        ({"res_scale": "1e99"}, None),
        ({"blocks": "3"}, "blocks=3 contradicts the checkpoint"),
        ({"color": "red"}, "'red'"),
    ],
)
def test_wrong_options(
    source: Path, out: Path, options: Mapping[str, Any], message: str | None
) -> None:
    if message is None:
        convert(source, options=options)
        return
    with pytest.raises(UsageError, match=message):
        convert(source, options=options)
    assert names(out) == set()


def test_one_family_may_be_asked(source: Path, out: Path) -> None:
    assert convert(source, family="edsr").written
    with pytest.raises(WeightsError, match="the nearest is wdsr"):
        convert(source, "x", family="wdsr")
    with pytest.raises(ZooError, match="did you mean 'edsr'"):
        convert(source, "x", family="esdr")


# -- sources that cannot be converted --------------------------------------


def test_a_stranger_is_described(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "stranger.safetensors"
    tensors = edsr_tensors()
    tensors["head.1.weight"] = tensors.pop("head.0.weight")
    write_safetensors(path, tensors)
    with pytest.raises(WeightsError) as caught:
        convert(path)
    message = str(caught.value)
    assert "its tensors are sub_mean.weight, sub_mean.bias" in message
    assert re.search(r"the families are .*edsr.*wdsr", message)
    assert "the nearest is edsr as named by EDSR-PyTorch" in message
    assert "no tensor 'head.0.weight'" in message
    assert "\n" not in message
    assert names(out) == set()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_must_be_finite(tmp_path: Path, out: Path, value: float) -> None:
    tensors = edsr_tensors()
    tensors["body.1.body.2.weight"][1, 2, 0, 1] = value
    path = tmp_path / "bad.safetensors"
    write_safetensors(path, tensors)
    with pytest.raises(WeightsError, match=r"'body.1.body.2.weight' holds NaN or inf"):
        convert(path)
    assert names(out) == set()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("x.pt", b"", "is empty"),
        ("x.pth", b"just some text, no checkpoint", "x.pth"),
        ("x.safetensors", b"just some text", "truncated or damaged"),
        ("x.pb", b"just some text", "x.pb"),
        ("x.weights", b"just some text", "--cfg"),
        ("x.jpg", b"just some text", "no checkpoint format that zoo reads"),
    ],
)
def test_files_that_are_something_else(
    tmp_path: Path, out: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ZooError, match=message) as caught:
        convert(path)
    assert "\n" not in str(caught.value)
    assert names(out) == set()


def test_files_that_are_not_there(tmp_path: Path, out: Path) -> None:
    with pytest.raises(ReaderError, match="there is no file"):
        convert(tmp_path / "none.pt")
    with pytest.raises(ReaderError, match="is a folder"):
        convert(tmp_path)


def test_the_content_decides_about_the_format(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.pt"
    write_safetensors(path, edsr_tensors())
    assert reader_of(path).name == "safetensors"
    assert read_checkpoint(path).shapes["tail.1.bias"] == (3,)


NCNN = [b"\x47\x6b\x30\x01", b"\x38\x4b\x0d\x00", b"\x56\xc0\x02\x00", bytes(4)]


@pytest.mark.parametrize("tag", NCNN)
def test_weights_of_ncnn_alone_are_named(tmp_path: Path, tag: bytes) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(tag + b"\x10\xaa\x0d\xaa" * 20)
    if tag == bytes(4):  # nothing tells these but the .param
        path.with_suffix(".param").write_text("7767517\n")
    with pytest.raises(ReaderError, match="is not beside it|is no ncnn"):
        convert(path)
    network = Network.parse("[net]\nchannels=3\n\n[convolutional]\nfilters=3\n")
    with pytest.raises(WeightsError, match="convert it first"):
        load_weights(network, path)


def test_what_ends_in_bin_may_be_anything(tmp_path: Path) -> None:
    path = tmp_path / "net.bin"
    path.write_bytes(b"\x01\x02\x03\x04" * 20)
    with pytest.raises(ReaderError, match="is of no checkpoint format that zoo reads"):
        reader_of(path)
    path.write_bytes(b"PK\x03\x04" + bytes(96))  # a damaged one of PyTorch's
    assert reader_of(path).name == "torch"
    write_safetensors(path, edsr_tensors())
    assert reader_of(path).name == "safetensors"


SMALL = edsr_tensors(blocks=1, filters=2)


@settings(max_examples=60)
@given(data=st.data())
def test_damage_never_surprises(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Truncated and flipped files: converted, or refused in one sentence."""
    folder = tmp_path_factory.mktemp("damage")
    path = folder / "x.safetensors"
    write_safetensors(path, SMALL)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans(), "truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1), "length")]
    else:
        bit = data.draw(st.integers(0, 8 * len(content) - 1), "bit")
        content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    target = folder / "out"
    target.mkdir()
    try:
        convert(path, target / "y")
    except ZooError:
        assert names(target) == set()
    else:
        assert names(target) == {"y.cfg", "y.safetensors"}


@settings(max_examples=60)
@given(data=st.data())
def test_damaged_graphs_never_surprise(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    content = bytearray(opencv_edsr(blocks=1, filters=2)[0])
    if data.draw(st.booleans(), "truncate"):
        content = content[: data.draw(st.integers(0, len(content) - 1), "length")]
    else:
        bit = data.draw(st.integers(0, 8 * len(content) - 1), "bit")
        content[bit // 8] ^= 1 << bit % 8
    path = folder / "x.pb"
    path.write_bytes(content)
    target = folder / "out"
    target.mkdir()
    try:
        convert(path, target / "y")
    except ZooError:
        assert names(target) == set()
    else:
        assert names(target) == {"y.cfg", "y.safetensors"}


# -- training states of PyTorch --------------------------------------------


def test_the_model_is_found_in_a_training_state(tmp_path: Path, out: Path) -> None:
    torch = pytest.importorskip("torch")
    state = {
        f"module.{name}": torch.from_numpy(value)
        for name, value in edsr_tensors().items()
    }
    path = tmp_path / "epoch_3.pth.tar"
    torch.save(
        {
            "epoch": 3,
            "model_state_dict": state,
            "optimizer_state_dict": {"moments": {"a": torch.zeros(3)}},
        },
        path,
    )
    result = convert(path)
    assert names(out) == {"epoch_3.cfg", "epoch_3.safetensors"}
    assert result.format == "torch"
    assert result.notes[0] == "the network is 'model_state_dict' of the file"
    assert all(
        line.tensor.startswith("model_state_dict.module.") for line in result.uses
    )


def test_a_pickled_module_is_read_without_its_code(shared: Path, out: Path) -> None:
    path = shared / "data/weights/whole_module_pickle.pth"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    result = convert(path)
    assert result.recognition is not None
    assert result.recognition.options["blocks"] == 1
    stated = {item.option: item.reason for item in result.assumptions}
    assert stated["res_scale"] == "as the file says in model.body.0.res_scale"


# -- Darknet ---------------------------------------------------------------

CFG = """
[net]
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
pad=1
activation=leaky
[convolutional]
filters=2
size=1
activation=linear
"""


def test_darknet_weights_there_and_back(out: Path) -> None:
    Path("net.cfg").write_text(CFG)
    network = Network.read("net.cfg").initialize(seed=1)
    save_weights(network, "net.weights")
    there = convert("net.weights", cfg="net.cfg", licence="MIT")
    assert there.written == (Path("net.safetensors"),)
    assert there.recognition is None
    metadata = read_metadata("net.safetensors")
    assert metadata["source"] == "net.weights"
    assert metadata["license"] == "MIT"
    back = convert("net.safetensors", "again", cfg="net.cfg", to="weights")
    assert back.written == (Path("again.weights"),)
    assert Path("again.weights").read_bytes() == Path("net.weights").read_bytes()
    loaded = Network.read("net.cfg")
    load_weights(loaded, "net.safetensors")
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], tensor)


def test_what_is_known_of_weights_goes_with_them(source: Path, out: Path) -> None:
    convert(source, "a", licence="Apache-2.0")
    convert("a.safetensors", "b", cfg="a.cfg")
    old, new = (read_metadata(f"{name}.safetensors") for name in "ab")
    assert new == old


def test_nameless_weights_need_a_cfg(out: Path) -> None:
    Path("net.cfg").write_text(CFG)
    save_weights(Network.read("net.cfg").initialize(), "net.weights")
    with pytest.raises(UsageError, match="give the cfg that it belongs to"):
        convert("net.weights")


def test_weights_of_another_network(out: Path) -> None:
    Path("net.cfg").write_text(CFG)
    save_weights(Network.read("net.cfg").initialize(), "net.weights")
    Path("other.cfg").write_text(CFG.replace("filters=4", "filters=5"))
    with pytest.raises(ZooError):
        convert("net.weights", cfg="other.cfg")
    assert names(out) == {"net.cfg", "net.weights", "other.cfg"}


@pytest.mark.parametrize(
    "arguments", [{"family": "edsr"}, {"options": {"scale": 2}}, {"to": "onnx"}]
)
def test_arguments_that_contradict_each_other(
    out: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        convert("net.weights", cfg="net.cfg", **arguments)


def test_a_published_checkpoint_brings_its_own_cfg(out: Path) -> None:
    Path("net.cfg").write_text(CFG)
    Path("net.pb").write_bytes(opencv_edsr()[0])
    with pytest.raises(UsageError, match="leave --cfg out"):
        convert("net.pb", cfg="net.cfg")


# -- graphs of the kind that OpenCV's dnn_superres loads ---------------------


def run_graph(
    tensors: Mapping[str, np.ndarray], image: np.ndarray, scale: int, factor: float
) -> np.ndarray:
    """What such a graph computes, with OpenCV's mean around it, in PyTorch."""
    torch = pytest.importorskip("torch")

    def conv(x: Any, weight: str, bias: str) -> Any:
        w = torch.from_numpy(tensors[weight]).permute(3, 2, 0, 1)
        return torch.nn.functional.conv2d(
            x, w, torch.from_numpy(tensors[bias]), padding=1
        )

    mean = torch.tensor(OPENCV_MEAN).reshape(1, 3, 1, 1)
    bgr = torch.from_numpy(image[:, :, ::-1].astype(np.float32))
    x = bgr.permute(2, 0, 1)[None] - mean
    head = here = conv(x, "resFilter_one", "BiasOne")
    index = 0
    while f"resFilter{index}" in tensors:
        inside = conv(here, f"resFilter{index}", f"resBias{index}").relu()
        inside = conv(inside, f"resFilter{index + 1}", f"resBias{index + 1}")
        here = here + factor * inside
        index += 2
    here = conv(here, "resFilter_two", "BiasTwo") + head
    here = conv(here, "resFilter_three", "BiasThree")
    # depth_to_space: channel (i r + j) 3 + c goes to row i, column j.
    _, _, height, width = here.shape
    cells = here.reshape(scale, scale, 3, height, width).permute(2, 3, 0, 4, 1)
    y = cells.reshape(1, 3, height * scale, width * scale) + mean
    return y[0].permute(1, 2, 0).numpy()[:, :, ::-1]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("quantized", [True, False])
@pytest.mark.parametrize("factor", [0.1, 0.25, None])
def test_graphs(out: Path, scale: int, quantized: bool, factor: float | None) -> None:
    content, floats = opencv_edsr(
        blocks=3, scale=scale, res_scale=factor, quantized=quantized
    )
    Path(f"EDSR_x{scale}.pb").write_bytes(content)
    result = convert(f"EDSR_x{scale}.pb")
    known = result.recognition
    assert known is not None
    assert known.layout == "EDSR_Tensorflow"
    stated = {
        "blocks": 3,
        "filters": 6,
        "scale": scale,
        "tail": "single",
        "order": "dcr",
        "res_scale": 1.0 if factor is None else factor,
    }
    assert {name: known.options[name] for name in stated} == stated
    theirs = run_graph(floats, IMAGE, scale, 1.0 if factor is None else factor)
    ours = zoo.load(f"EDSR_x{scale}.cfg", backend="numpy")(IMAGE, as_float=True)
    assert theirs.std() > 1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())
    listed = [line.tensor for line in result.uses]
    assert len(listed) == len(set(listed)) == 7 + 12 + (3 if factor is not None else 0)


def test_uses_say_what_was_quantized(out: Path) -> None:
    Path("x.pb").write_bytes(opencv_edsr()[0])
    lines = {line.tensor: line for line in convert("x.pb").uses}
    where = lines["resFilter3"].where
    assert where.startswith("6.convolutional.weights")
    assert "dequantized from resFilter3_quantized_const" in where
    assert lines["mul_1/y"].use == "stated"
    assert lines["NCHW_output/perm"].use == "ignored"


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"padding": "VALID"}, "is not SAME with stride 1"),
        ({"last_operation": "ResizeBilinear"}, "an operation 'ResizeBilinear'"),
    ],
)
def test_other_graphs_are_refused(
    out: Path, changes: dict[str, Any], reason: str
) -> None:
    Path("x.pb").write_bytes(opencv_edsr(**changes)[0])
    with pytest.raises(WeightsError, match=reason):
        convert("x.pb", family="edsr")


# -- the published EDSR_x2.pb ----------------------------------------------


@pytest.fixture(scope="session")
def published(shared: Path) -> Path:
    path = shared / "data/weights/EDSR_x2.pb"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


def test_the_published_graph(published: Path, tmp_path: Path) -> None:
    result: Converted = convert(published, tmp_path / "x2", licence="Apache-2.0")
    known = result.recognition
    assert known is not None
    options = {
        "blocks": 32,
        "filters": 256,
        "scale": 2,
        "res_scale": 0.1,
        "tail": "single",
        "color": "bgr",
        "range": 255.0,
        "mean": OPENCV_MEAN,
        "order": "dcr",
    }
    assert {name: known.options[name] for name in options} == options
    assert result.parameter_count == 38_390_028
    assert len(result.uses) == 67 + 67 + 32 + 1
    assert Network.parse(EDSR.write(**known.options)).parameter_count == 38_390_028
