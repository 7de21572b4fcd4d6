"""The ONNX reader: damaged and hostile files, and weights in other files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper

from zoo.errors import ReaderError
from zoo.parsers.detect import reader_of
from zoo.parsers.onnx import ONNXReader


def model_of(tensor: Any) -> Any:
    node = helper.make_node("Conv", ["x", tensor.name], ["y"])
    graph = helper.make_graph(
        [node],
        "net",
        [helper.make_tensor_value_info("x", 1, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("y", 1, None)],
        [tensor],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def tensor_of(array: Any, name: str = "w") -> Any:
    return numpy_helper.from_array(np.asarray(array), name)


def outside(**entries: Any) -> Any:
    tensor = TensorProto(name="w", data_type=1, dims=[4, 3, 3, 3], data_location=1)
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write(path: Path, model: Any) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    "dtype",
    ["float32", "float16", "float64", "int8", "uint8", "int32", "int64", "bool"],
)
def test_types_come_as_they_are(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 2, (4, 3, 1, 1)).astype(dtype)
    path = write(tmp_path / "net.onnx", model_of(tensor_of(values)))
    found = ONNXReader.read(path).tensors["w"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize(
    "kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT8]
)
def test_values_in_lists(tmp_path: Path, kind: int) -> None:
    numbers = [1.0, -2.0, 3.0]
    tensor = helper.make_tensor("w", kind, [3], numbers)
    path = write(tmp_path / "net.onnx", model_of(tensor))
    assert ONNXReader.read(path).tensors["w"].astype(float).tolist() == numbers


@pytest.mark.parametrize("kind", [TensorProto.FLOAT8E4M3FN, TensorProto.INT4])
def test_other_types_are_named(tmp_path: Path, kind: int) -> None:
    tensor = TensorProto(name="w", data_type=kind, dims=[2], raw_data=b"\1\2")
    path = write(tmp_path / "net.onnx", model_of(tensor))
    with pytest.raises(ReaderError, match="float8|4-bit"):
        ONNXReader.read(path)


def test_it_is_found_by_content(tmp_path: Path) -> None:
    path = write(tmp_path / "net.bin", model_of(tensor_of(np.ones((4, 3, 1, 1), "f4"))))
    assert reader_of(path) is ONNXReader


@pytest.mark.parametrize("dims", [[4, 3, 3, 3], [1 << 40, 1 << 40], [-1, 3]])
def test_shapes_that_the_bytes_do_not_fill(tmp_path: Path, dims: list[int]) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=dims, raw_data=bytes(16))
    path = write(tmp_path / "net.onnx", model_of(tensor))
    with pytest.raises(ReaderError, match="tensor 'w'"):
        ONNXReader.read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_breaks_off(tmp_path: Path, share: float) -> None:
    model = model_of(tensor_of(np.ones((4, 3, 3, 3), "f4")))
    data = model.SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ReaderError):
        ONNXReader.read(path)


def test_damaged_bytes_are_an_error_or_another_graph(tmp_path: Path) -> None:
    data = model_of(tensor_of(np.ones((2, 3, 1, 1), "f4"))).SerializeToString()
    path = tmp_path / "net.onnx"
    rng = np.random.default_rng(0)
    for _ in range(300):
        copy = bytearray(data)
        for place in rng.integers(0, len(copy), 2):
            copy[place] = rng.integers(256)
        path.write_bytes(bytes(copy))
        try:
            ONNXReader.read(path)
        except ReaderError:
            pass


# -- weights in another file --------------------------------------------------------


def test_weights_beside_the_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((4, 3, 3, 3)).astype("<f4")
    (tmp_path / "w.data").write_bytes(bytes(16) + values.tobytes())
    path = write(tmp_path / "net.onnx", model_of(outside(location="w.data", offset=16)))
    found = ONNXReader.read(path)
    np.testing.assert_array_equal(found.tensors["w"], values)
    assert found.metadata["files"] == ["w.data"]


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"location": "/etc/passwd"}, "outside its folder; put them beside it"),
        ({"location": "../w.data"}, "outside its folder"),
        ({"location": "a/../../w.data"}, "outside its folder"),
        ({"location": "C:\\w.data"}, "outside its folder"),
        ({"location": "..\\w.data"}, "outside its folder"),
        ({"location": ""}, "without a name"),
        ({"location": "."}, "no file"),
        ({"location": "none.data"}, "not there; put that file beside it"),
        ({"location": "w.data", "offset": 400}, "which has 432"),
        ({"location": "w.data", "offset": -4}, "offset '-4'"),
        ({"location": "w.data", "offset": "9" * 30}, "offset"),
        ({"location": "w.data", "length": 500}, "500"),
        ({"location": "link.data"}, "outside its folder"),
    ],
)
def test_places_that_are_refused(
    tmp_path: Path, entries: dict[str, Any], message: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "w.data").write_bytes(bytes(432))
    (folder / "link.data").symlink_to(tmp_path / "w.data")
    path = write(folder / "net.onnx", model_of(outside(**entries)))
    with pytest.raises(ReaderError, match=message):
        ONNXReader.read(path)


def test_links_as_download_caches_have_them(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot"
    blobs.mkdir()
    snapshot.mkdir()
    (blobs / "b").write_bytes(np.ones(108, "<f4").tobytes())
    write(blobs / "a", model_of(outside(location="w.data")))
    (snapshot / "net.onnx").symlink_to(blobs / "a")
    (snapshot / "w.data").symlink_to(blobs / "b")
    assert ONNXReader.read(snapshot / "net.onnx").tensors["w"].sum() == 108


def test_files_of_the_runtime_itself(tmp_path: Path) -> None:
    path = tmp_path / "net.ort"
    path.write_bytes(bytes(4) + b"ORTM" + bytes(64))
    with pytest.raises(ReaderError, match=r"give the \.onnx file"):
        reader_of(path).read(path)
