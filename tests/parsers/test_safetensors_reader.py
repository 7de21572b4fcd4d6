"""Safetensors in and out, against the library and against damaged files."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import ReaderError, ZooError
from zoo.parsers.safetensors import SafetensorsReader, read_metadata, write_safetensors

TENSORS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1.5, -2], np.float16),
    "scalar": np.array(3.25, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "step": np.array([7], np.int64),
}


def pack(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(kind: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


def test_written_files_are_read_by_the_library(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    write_safetensors(path, TENSORS, {"source": "hier", "licence": "MIT – ä"})
    found = library.load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype
    assert read_metadata(path) == {"source": "hier", "licence": "MIT – ä"}
    assert SafetensorsReader.recognizes(path, path.read_bytes()[:4096])


def test_files_of_the_library_are_read(tmp_path: Path) -> None:
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "a.safetensors"
    library.save_file(TENSORS, path, {"format": "np"})
    checkpoint = SafetensorsReader.read(path)
    assert checkpoint.format == "safetensors"
    assert checkpoint.metadata == {"format": "np"}
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(checkpoint.tensors[name], tensor)
    assert checkpoint.tensors["a"].dtype == np.float32
    assert checkpoint.shapes["b"] == (2, 3)


def test_bfloat16(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("safetensors.torch")
    path = tmp_path / "a.safetensors"
    values = torch.randn(3, 5)
    library.save_file({"x": torch.ones(2), "w": values.bfloat16()}, path)
    tensors = SafetensorsReader.read(path).tensors
    expected = values.bfloat16().float().numpy()
    np.testing.assert_array_equal(tensors["w"], expected)
    assert tensors["w"].dtype == np.float32
    np.testing.assert_array_equal(tensors["x"], [1, 1])


def test_views_and_byte_orders_are_written_right(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    tensors = {"t": base.transpose(2, 0, 1), "big": base.astype(">f4")}
    write_safetensors(path, tensors)
    found = SafetensorsReader.read(path).tensors
    np.testing.assert_array_equal(found["t"], base.transpose(2, 0, 1))
    np.testing.assert_array_equal(found["big"], base)


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    metadata = {f"key{i}": "x" for i in range(20)}
    write_safetensors(tmp_path / "a", TENSORS, metadata)
    write_safetensors(tmp_path / "b", TENSORS, dict(reversed(metadata.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_order_of_the_file_is_kept(tmp_path: Path) -> None:
    names = [f"{i}.w" for i in (3, 10, 1, 2)]
    write_safetensors(tmp_path / "a", {n: np.ones(2, np.float32) for n in names})
    assert list(SafetensorsReader.read(tmp_path / "a").tensors) == names


def test_impossible_type_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="complex64"):
        write_safetensors(tmp_path / "a", {"x": np.zeros(2, np.complex64)})
    with pytest.raises(ZooError, match="there is no folder"):
        write_safetensors(tmp_path / "no" / "a", TENSORS)
    assert os.listdir(tmp_path) == []


HOSTILE = {
    "empty": b"",
    "seven bytes": b"1234567",
    "length only": struct.pack("<Q", 2),
    "absurd length": pack({}, length=2**63),
    "length beyond the file": pack({}, length=10**6),
    "no JSON": pack(b"hello world!"),
    "deep JSON": pack(b'{"a":' + b"[" * 100_000),
    "a list": pack([1, 2]),
    "data missing": pack({"a": entry("F32", [2], 0, 8)}, b"1234567"),
    "data left over": pack({"a": entry("F32", [2], 0, 8)}, b"123456789"),
    "offsets reversed": pack({"a": entry("F32", [2], 8, 0)}, b"12345678"),
    "offsets beyond": pack({"a": entry("F32", [2], 8, 16)}, b"12345678"),
    "negative": pack({"a": entry("F32", [-2], 0, 8)}, b"12345678"),
    "shape too large": pack({"a": entry("F32", [2**40, 2**40], 0, 8)}, b"12345678"),
    "shape and length differ": pack({"a": entry("F32", [3], 0, 8)}, b"12345678"),
    "empty but impossible": pack({"a": entry("F32", [0, 2**62], 0, 0)}),
    "impossible bfloat16": pack({"a": entry("BF16", [0, 2**62], 0, 0)}),
    "unknown type": pack({"a": entry("Q4", [2], 0, 8)}, b"12345678"),
    "float8": pack({"a": entry("F8_E4M3", [2], 0, 2)}, b"12"),
    "overlap": pack(
        {"a": entry("F32", [2], 0, 8), "b": entry("F32", [2], 0, 8)}, b"12345678"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_files_are_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(HOSTILE[name])
    with pytest.raises(ReaderError, match=r"bad\.safetensors") as caught:
        SafetensorsReader.read(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="there is no file"):
        SafetensorsReader.read(tmp_path / "a")
    with pytest.raises(ReaderError, match="cannot be read"):
        SafetensorsReader.read(tmp_path)


def test_other_formats_are_not_recognized() -> None:
    for head in (b"", b"PK\x03\x04" + b"{" * 20, b"aaaaaaaa{", b"\x89PNG\r\n\x1a\n{"):
        assert not SafetensorsReader.recognizes(Path("x.safetensors"), head)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutations_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.safetensors"
    write_safetensors(path, TENSORS, {"source": "x"})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
    content = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(content)
    try:
        checkpoint = SafetensorsReader.read(path)
    except ReaderError as error:
        assert "a.safetensors" in str(error)
    else:
        assert sum(t.nbytes for t in checkpoint.tensors.values()) <= 2 * len(content)
