"""NumPy's archives, and files that are taken for checkpoints."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ReaderError
from zoo.parsers.detect import reader_of


def test_arrays_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    arrays = {
        "head/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "turned": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        "big endian": np.arange(3, dtype=">f4"),
        "step": np.int64(7),
    }
    for save in (np.savez, np.savez_compressed):
        save(path, **arrays)
        reader = reader_of(path)
        assert reader.name == "npz"
        tensors = reader.read(path).tensors
        assert list(tensors) == list(arrays)
        for name, values in arrays.items():
            np.testing.assert_array_equal(tensors[name], values)
            assert tensors[name].dtype.isnative


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("it was unpickled",))


def entry(data: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", data)
    return path


def npy(header: str, data: bytes) -> bytes:
    text = header.encode() + b" " * 10 + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_nothing_is_unpickled_and_nothing_explodes(tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    objects = io.BytesIO()
    np.save(objects, np.array([_Bomb()], object), allow_pickle=True)
    good = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }"
    for data, reason in (
        (objects.getvalue(), "nothing is unpickled"),
        (npy(good % (1 << 60), bytes(16)), "the archive is damaged"),
        (npy(good % -1, bytes(16)), "damaged"),
        (npy(good % 3, bytes(16)), "takes 12 bytes and has 16"),
        (
            npy("{'descr': '|S4', 'fortran_order': False, 'shape': (1,)}", bytes(4)),
            "not",
        ),
        (npy("__import__('os')", b""), "is no array of NumPy"),
        (npy("(" * 4000, b""), "is no array of NumPy"),
        (b"\x93NUMPY\x09\x00", "is no array of NumPy"),
        (b"", "is no array of NumPy"),
        (bytes(64 << 20), "16 times"),
    ):
        with pytest.raises(ReaderError, match=reason):
            reader_of(entry(data, path)).read(path)


NEIGHBOURS: dict[str, tuple[bytes, str]] = {
    "lfs.onnx": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "a pointer of Git LFS",
    ),
    "page.pth": (b"\n<!DOCTYPE html>\n<html><head>", "a web page, not the file"),
    "page2.pth": (b"<html><body>Sign in</body>", "a web page"),
    "net.pth.gz": (gzip.compress(b"x"), "packed by gzip; unpack it"),
    "net.tflite": (b"\x1c\0\0\0TFL3" + bytes(40), "a TensorFlow Lite model"),
    "net.mat": (
        b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(200),
        "a MATLAB file",
    ),
    "net73.mat": (b"MATLAB 7.3 MAT-file, Platform" + bytes(600), "a MATLAB file"),
    "one.npy": (npy("{}", b""), "one array of NumPy, without a name"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture"),
    "net.param.bin": (struct.pack("<3i", 7767517, 2, 2), "ncnn .param in binary form"),
    "net.xml": (b'<?xml version="1.0"?>\n<net name="x" version="11">', "OpenVINO"),
    "net.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "a 7z archive"),
    "pickled.tar": (
        b"x.pth" + bytes(252) + b"ustar\x0000" + bytes(300),
        "a tar archive",
    ),
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_neighbours_are_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data, what = NEIGHBOURS[name]
    path.write_bytes(data)
    with pytest.raises(ReaderError, match=what) as caught:
        reader_of(path).read(path)
    assert "\n" not in str(caught.value)
    assert pickle.dumps(str(caught.value))
