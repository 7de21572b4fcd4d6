"""Checkpoints that PyTorch writes, read without it; torch.load is the oracle."""

from __future__ import annotations

import collections
import functools
import io
import os
import pickle
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ReaderError
from zoo.parsers.base import Checkpoint
from zoo.parsers.torch import TorchReader

torch = pytest.importorskip("torch")

WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "data" / "weights"
CONTAINERS = ("zip", "legacy")


def save(path: Path, value: Any, container: str = "zip", **options: Any) -> Path:
    torch.save(
        value, path, _use_new_zipfile_serialization=container == "zip", **options
    )
    return path


def read(path: Path) -> Checkpoint:
    assert TorchReader.recognizes(path, path.read_bytes()[:4096])
    return whole(path)


def whole(path: Path) -> Checkpoint:
    """Read a file, every tensor of it."""
    checkpoint = TorchReader.read(path)
    for name in checkpoint.tensors:
        assert checkpoint.shape(name) == checkpoint.tensors[name].shape
    return checkpoint


def same(checkpoint: Checkpoint, state: dict[str, Any]) -> None:
    """Assert that all tensors are there, in order, equal and of the right kind."""
    assert list(checkpoint.tensors) == list(state)
    for name, tensor in state.items():
        array = checkpoint.tensors[name]
        expected = tensor.detach()
        if expected.is_floating_point():
            expected = expected.float()
        np.testing.assert_array_equal(array, expected.numpy())
        assert array.dtype == expected.numpy().dtype
        assert array.flags.c_contiguous
        assert array.flags.aligned


def states() -> dict[str, dict[str, Any]]:
    torch.manual_seed(0)
    big = torch.randn(6, 7)
    conv = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    norm = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(2, 3, 3))
    return {
        "module": conv.state_dict(),
        "weight norm": norm.state_dict(),
        "plain dict": {"a": torch.randn(2, 3), "b.c": torch.randn(())},
        "transposed": {"t": big.t(), "p": torch.randn(2, 3, 4).permute(2, 0, 1)},
        "views": {"row": big[2], "part": big[1:4, 2:5], "step": big[::2, ::3]},
        "shared": {"a": big, "b": big, "c": big.view(-1)[3:9]},
        "empty": {"none": torch.zeros(0, 3), "one": torch.ones(1)},
        "types": {
            str(kind).removeprefix("torch."): torch.arange(-3, 9).to(kind)
            for kind in (
                torch.float64,
                torch.float32,
                torch.float16,
                torch.bfloat16,
                torch.int64,
                torch.int32,
                torch.int16,
                torch.int8,
                torch.uint8,
                torch.bool,
            )
        },
        "extremes": {
            "half": torch.tensor([6e-8, 65504, float("inf"), float("nan")]).half(),
            "bfloat16": torch.tensor([1e-40, 3e38, float("-inf")]).bfloat16(),
        },
        "parameters": {
            "p": torch.nn.Parameter(torch.randn(3)),
            "frozen": torch.nn.Parameter(torch.randn(2), requires_grad=False),
        },
    }


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", list(states()))
def test_equals_torch(tmp_path: Path, name: str, container: str) -> None:
    state = states()[name]
    checkpoint = read(save(tmp_path / "x.pth", state, container))
    same(checkpoint, state)
    assert checkpoint.format == "torch"
    assert checkpoint.metadata["container"] == container
    assert checkpoint.metadata["dictionaries"] == [""]


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_every_pickle_protocol(tmp_path: Path, protocol: int, container: str) -> None:
    state = states()["module"]
    path = save(tmp_path / "x.pth", state, container, pickle_protocol=protocol)
    same(read(path), state)


@pytest.mark.parametrize("protocol", range(6))
def test_bare_pickles(tmp_path: Path, protocol: int) -> None:
    state = states()["module"] | states()["types"]
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(state, protocol))
    checkpoint = read(path)
    same(checkpoint, state)
    assert checkpoint.metadata["container"] == "pickle"


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_arrays(tmp_path: Path, protocol: int) -> None:
    random = np.random.default_rng(0)
    state = {
        "f4": random.normal(size=(3, 4)).astype(np.float32),
        "f8": random.normal(size=(2,)),
        "big": random.normal(size=(2, 5)).astype(">f4"),
        "fortran": np.asfortranarray(random.normal(size=(3, 2)).astype(np.float32)),
        "i8": np.arange(6).reshape(2, 3),
        "bool": np.array([True, False]),
    }
    path = tmp_path / "x.pkl"
    path.write_bytes(
        pickle.dumps({"state_dict": state, "psnr": np.float64(37.5)}, protocol)
    )
    checkpoint = read(path)
    assert list(checkpoint.tensors) == [f"state_dict.{name}" for name in state]
    for name, array in state.items():
        expected = array.astype(np.float32) if array.dtype.kind == "f" else array
        found = checkpoint.tensors[f"state_dict.{name}"]
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype.newbyteorder("=")
    assert checkpoint.metadata["scalars"] == {"psnr": 37.5}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    "key",
    ["state_dict", "model_state_dict", "params", "model", "net", "generator", "other"],
)
def test_training_checkpoints(tmp_path: Path, key: str, container: str) -> None:
    model = torch.nn.Conv2d(2, 3, 3)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(1, 2, 5, 5)).sum().backward()
    optimizer.step()
    value = {
        "epoch": 7,
        "best": {"psnr": 31.5},
        "arch": "edsr",
        "optimizer_state_dict": optimizer.state_dict(),
        "loss": torch.tensor(0.5),
        "netD": {f"layer{i}": torch.randn(2) for i in range(9)},
        key: model.state_dict(),
    }
    checkpoint = read(save(tmp_path / "x.ckpt", value, container))
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(checkpoint.tensors[f"{key}.{name}"], tensor)
    np.testing.assert_array_equal(
        checkpoint.tensors["optimizer_state_dict.state.0.exp_avg"],
        optimizer.state_dict()["state"][0]["exp_avg"],
    )
    assert {f"{key}.", "netD."} <= set(checkpoint.metadata["dictionaries"])
    assert checkpoint.metadata["scalars"]["epoch"] == 7
    assert checkpoint.metadata["scalars"]["best.psnr"] == 31.5
    assert checkpoint.metadata["scalars"]["arch"] == "edsr"


def test_compressed_archives(tmp_path: Path) -> None:
    state = states()["module"]
    stored = zipfile.ZipFile(save(tmp_path / "a.pth", state))
    path = tmp_path / "b.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in reversed(stored.namelist()):
            packed.writestr(name, stored.read(name))
    same(read(path), state)


def rewrite(path: Path, change: dict[str, bytes | None]) -> Path:
    """Copy an archive with entries (by the end of the name) replaced or left out."""
    out = path.with_name("rewritten.pth")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            found = [data for end, data in change.items() if name.endswith(end)]
            data = found[0] if found else old.read(name)
            if data is not None:
                new.writestr(name, data)
    return out


def test_big_endian_archives(tmp_path: Path) -> None:
    values = np.arange(5, dtype=np.float32)
    path = save(tmp_path / "x.pth", {"a": torch.from_numpy(values)})
    swapped = rewrite(
        path, {"byteorder": b"big", "data/0": values.astype(">f4").tobytes()}
    )
    np.testing.assert_array_equal(read(swapped).tensors["a"], values)
    odd = rewrite(path, {"byteorder": b"middle"})
    with pytest.raises(ReaderError, match="byte order"):
        read(odd)


def test_archives_without_a_byte_order(tmp_path: Path) -> None:
    path = save(tmp_path / "x.pth", {"a": torch.arange(3.0)})
    plain = rewrite(path, {"byteorder": None})
    assert read(plain).tensors["a"].tolist() == [0, 1, 2]


class Attack:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("container", [*CONTAINERS, "pickle"])
def test_attacks_are_refused_and_not_run(tmp_path: Path, container: str) -> None:
    mark = tmp_path / "executed"
    value = {"state_dict": {"w": torch.ones(2)}, "extra": Attack(mark)}
    path = tmp_path / "x.pth"
    if container == "pickle":
        path.write_bytes(pickle.dumps(value))
    else:
        save(path, value, container)
    with pytest.raises(ReaderError, match=r"system.*nothing was run"):
        read(path)
    assert not mark.exists()


class Inert:
    """Nothing that could be a tensor is in it."""


class Unknown:
    """A class of this test, which the reader must not import."""

    def __init__(self) -> None:
        self.weight = torch.ones(2)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pickled_modules_give_what_their_state_dict_has(
    tmp_path: Path, container: str
) -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.BatchNorm2d(2), torch.nn.ReLU()
    )
    checkpoint = read(save(tmp_path / "x.pth", model, container))
    same(checkpoint, model.state_dict())
    kind, attributes = checkpoint.metadata["modules"]["0."]
    assert kind == "torch.nn.modules.conv.Conv2d"
    assert attributes["padding"] == (1, 1)
    save(tmp_path / "y.pth", {"epoch": 1, "model": Unknown()}, container)
    assert read(tmp_path / "y.pth").shapes == {"model.weight": (2,)}


@pytest.mark.parametrize("container", CONTAINERS)
def test_objects_beside_the_weights_are_left_alone(
    tmp_path: Path, container: str
) -> None:
    value = {"args": Inert(), "state_dict": {"w": torch.ones(2)}}
    checkpoint = read(save(tmp_path / "x.pth", value, container))
    assert checkpoint.tensors["state_dict.w"].tolist() == [1, 1]
    assert list(checkpoint.metadata["opaque"]) == ["args"]
    assert checkpoint.metadata["opaque"]["args"].endswith("Inert")


@functools.cache
def refused() -> dict[str, tuple[Any, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    return {
        "expanded": ({"a": torch.ones(1).expand(10**8)}, "contiguous copies"),
        "complex": ({"a": torch.ones(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
        "quantized": ({"a": quantized}, "dequantize"),
        "sparse": (
            {"a": torch.eye(3).to_sparse(), "b": torch.ones(1)},
            "sparse",
        ),
        "float8": ({"a": torch.ones(2).to(torch.float8_e5m2)}, "float8_e5m2"),
        "one tensor": (torch.ones(2), "a single tensor was saved"),
        "no tensors": ({"epoch": 3}, "'epoch'"),
        "nothing": ({}, "no tensors"),
    }


@pytest.mark.parametrize("name", list(refused()))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_plain_state_dict_is_refused(tmp_path: Path, name: str) -> None:
    value, reason = refused()[name]
    with pytest.raises(ReaderError, match=reason) as caught:
        read(save(tmp_path / "x.pth", value))
    assert "x.pth" in str(caught.value)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "version"):
            archive.writestr(f"x/{name}", b"}.")
    with pytest.raises(ReaderError, match=r"torch\.jit\.load"):
        read(path)


def test_tar_is_refused(tmp_path: Path) -> None:
    import tarfile

    path = tmp_path / "x.pth"
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ReaderError, match=r"0\.1\.10"):
        read(path)


def test_other_files_are_not_recognized(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert not TorchReader.recognizes(path, path.read_bytes()[:4096])
    for head in (b"", b"[net]\nwidth=3\n", b"\x89PNG\r\n", b"PK\x03\x04", b"\x80"):
        assert not TorchReader.recognizes(tmp_path / "absent", head)


def test_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="No such file"):
        TorchReader.read(tmp_path / "absent.pth")
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(ReaderError, match="STOP"):
        TorchReader.read(tmp_path / "empty.pth")


# -- hostile pickles around honest containers ----------------------------------

_STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    b"X\x03\x00\x00\x00cpuJ%stQ"
)


def hostile(
    path: Path, offset: int, size: list[int], stride: list[int], count: int = 6
) -> Path:
    """Write a zip whose tensor has any offset, size and strides; 6 floats are there."""

    def number(value: int) -> bytes:
        data = value.to_bytes(16, "little", signed=True)
        return b"\x8a\x10" + data

    def numbers(values: list[int]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    data = (
        b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("
        + _STORAGE.replace(b"%s", count.to_bytes(4, "little"))
        + number(offset)
        + numbers(size)
        + numbers(stride)
        + b"\x89}tRs."
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/data/0", np.arange(6, dtype="<f4").tobytes())
    return path


def test_the_hostile_writer_writes_honest_files_too(tmp_path: Path) -> None:
    path = hostile(tmp_path / "x.pth", 1, [2, 2], [3, 1])
    assert read(path).tensors["a"].tolist() == [[1, 2], [4, 5]]
    expected = torch.load(path, weights_only=True)["a"].tolist()
    assert expected == [[1, 2], [4, 5]]


@pytest.mark.parametrize(
    ("offset", "size", "stride", "count", "reason"),
    [
        (0, [7], [1], 6, "reaches element 6"),
        (6, [1], [1], 6, "reaches element 6"),
        (-1, [1], [1], 6, "size or stride"),
        (0, [-1], [1], 6, "size or stride"),
        (0, [2], [-1], 6, "size or stride"),
        (0, [10**4, 10**4], [0, 0], 6, "expanded"),
        (0, [10**12], [0], 6, "expanded"),
        (0, [2**61, 2**61], [0, 0], 6, "expanded"),
        (0, [2], [2**61], 6, "reaches"),
        (2**61, [1], [1], 6, "reaches"),
        (2**64, [1], [1], 6, "size or stride"),
        (0, [1, 1], [1], 6, "strides"),
        (0, [1] * 40, [1] * 40, 6, "size or stride"),
        (0, [1], [1], 7, "announced"),
        (0, [1], [1], 5, "announced"),
        (0, [1], [1], -1, "storage"),
    ],
)
def test_tensors_outside_their_storage_are_refused(
    tmp_path: Path,
    offset: int,
    size: list[int],
    stride: list[int],
    count: int,
    reason: str,
) -> None:
    count %= 1 << 32
    with pytest.raises(ReaderError, match=reason):
        read(hostile(tmp_path / "x.pth", offset, size, stride, count))


def test_zeros_in_sizes_allocate_nothing(tmp_path: Path) -> None:
    path = hostile(tmp_path / "x.pth", 0, [0, 10**9, 10**9], [1, 1, 1])
    try:
        assert read(path).tensors["a"].size == 0
    except ReaderError:
        pass


def test_compression_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + bytes(40 << 20))
    with pytest.raises(ReaderError, match="inflates"):
        measured(path, 8 << 20)


def test_tensors_sharing_without_end_are_refused(tmp_path: Path) -> None:
    big = torch.zeros(1 << 18)
    value = {f"t{i}": big for i in range(200)}
    with pytest.raises(ReaderError, match="far more than the file"):
        measured(save(tmp_path / "x.pth", value), 64 << 20)


def measured(path: Path, memory: int, seconds: float = 20) -> Checkpoint:
    tracemalloc.start()
    begin = time.monotonic()
    try:
        return whole(path)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < memory
        assert time.monotonic() - begin < seconds


# -- damage ----------------------------------------------------------------------


@functools.cache
def sample(container: str) -> bytes:
    value = {
        "epoch": 1,
        "state_dict": collections.OrderedDict(
            a=torch.arange(6.0).reshape(2, 3).t(),
            b=torch.ones(2).half(),
            c=torch.arange(3),
        ),
    }
    stream = io.BytesIO()
    if container == "pickle":
        return pickle.dumps(value)
    torch.save(value, stream, _use_new_zipfile_serialization=container == "zip")
    return stream.getvalue()


@pytest.mark.parametrize("container", [*CONTAINERS, "pickle"])
def test_every_truncation_is_refused(tmp_path: Path, container: str) -> None:
    data = sample(container)
    path = tmp_path / "x.pth"
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        TorchReader.recognizes(path, data[:size])
        with pytest.raises(ReaderError):
            whole(path)


def test_bytes_after_the_end_are_refused(tmp_path: Path) -> None:
    for container in ("legacy", "pickle"):
        path = tmp_path / "x.pth"
        path.write_bytes(sample(container) + b"x")
        with pytest.raises(ReaderError, match="1 bytes follow"):
            TorchReader.read(path)


@pytest.mark.parametrize("container", [*CONTAINERS, "pickle"])
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_flipped_bits_give_a_checkpoint_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, container: str, data: st.DataObject
) -> None:
    damaged = bytearray(sample(container))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.getbasetemp() / "flipped.pth"
    path.write_bytes(damaged)
    TorchReader.recognizes(path, bytes(damaged[:4096]))
    try:
        whole(path)
    except ReaderError as error:
        assert "\n" not in str(error)


_ALONE = """
import pickle, sys
from pathlib import Path
sys.modules["torch"] = None
pickle.loads = pickle.load = pickle.Unpickler = None
from zoo.parsers.torch import TorchReader
print(TorchReader.read(Path(sys.argv[1])).tensors["a"].shape)
"""


@pytest.mark.parametrize("container", CONTAINERS)
def test_neither_torch_nor_an_unpickler_is_used(tmp_path: Path, container: str) -> None:
    path = save(tmp_path / "x.pth", {"a": torch.ones(2, 3)}, container)
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(2, 3)\n", done.stderr


# -- published files ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("IMDN_x2.pth", 92),
        ("WDSR-B-f32-b16-r6-x4-best.pth.tar", 153),
        ("carn_m.pth", 58),
        ("fsrcnn_x2.pth", 23),
    ],
)
def test_published_checkpoints_equal_torch(file: str, count: int) -> None:
    path = WEIGHTS / file
    if not path.exists():
        pytest.skip("the shared checkpoints are not here")
    state = torch.load(path, map_location="cpu", weights_only=True)
    checkpoint = read(path)
    key = next((key for key in ("state_dict",) if key in state), "")
    for name, tensor in (state[key] if key else state).items():
        array = checkpoint.tensors[f"{key}.{name}" if key else name]
        np.testing.assert_array_equal(array, tensor)
    assert len(checkpoint.tensors) >= count


def test_the_published_pickled_module_gives_its_tensors() -> None:
    path = WEIGHTS / "whole_module_pickle.pth"
    if not path.exists():
        pytest.skip("the shared checkpoints are not here")
    checkpoint = read(path)
    assert checkpoint.metadata["modules"]["model."][0] == "wdsr_b.MODEL"
    assert checkpoint.tensors["model.head.0.weight_v"].shape == (64, 3, 3, 3)
    assert checkpoint.metadata["scalars"]["model.body.0.res_scale"] == 1
