"""MXNet's list of arrays (``.params``).

====================  =========================================================
uint64                0x112
uint64                0
uint64, then arrays   how many, and each of them
uint64, then names    how many, and each: uint64 length, text
====================  =========================================================

An array is a magic number of its version (or, in the oldest files, the number of its
axes), the kind of storage, its shape, the device it was on, its type, its numbers;
all little endian. Source: ``NDArray::Load`` of apache/mxnet.
"""

from __future__ import annotations

import struct
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["MAGIC", "read_params"]

MAGIC: Final = struct.pack("<Q", 0x112)

_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_TYPES: Final = ("<f4", "<f8", "<f2", "|u1", "<i4", "|i1", "<i8", "|b1")
_BFLOAT16: Final = 12
_MAX_ARRAYS: Final = 1 << 16
_MAX_AXES: Final = 16
_MAX_NAME: Final = 4096


def read_params(data: bytes, source: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file, by name.

    Raises
    ------
    ReaderError
        If the file is truncated, damaged, holds sparse arrays or claims more than
        its bytes can be.
    """
    file = _Bytes(data, source)
    if file.take("<Q") != 0x112:
        raise file.error("this is no list of MXNet's arrays")
    file.take("<Q")
    count = file.count("arrays", 8)
    if count > _MAX_ARRAYS:
        raise file.error(f"{count} arrays are more than any network has")
    arrays = [_array(file) for _ in range(count)]
    names = file.count("names", 8)
    if names != count:
        if names == 0:
            raise file.error(
                f"its {count} arrays have no names, so nothing can tell what they are"
            )
        raise file.error(f"{count} arrays have {names} names")
    found: dict[str, NDArray[Any]] = {}
    for array in arrays:
        size = file.take("<Q")
        if size > _MAX_NAME:
            raise file.error(f"a name has more than {_MAX_NAME} bytes")
        name = str(file.raw(size, "a name"), "utf-8", "replace")
        if name in found:
            raise file.error(f"two arrays are called {quoted(name)}")
        found[name] = array
    if file.left:
        raise file.error(f"{file.left} bytes follow the last name")
    return found


def _array(file: _Bytes) -> NDArray[Any]:
    """Read an array of any version."""
    magic = file.take("<I")
    wide = magic in (_V1, _V2, _V3)
    if magic in (_V2, _V3) and (kind := file.take("<i")) not in (0, -1):
        raise file.error(
            f"an array is sparse (storage {kind}), which weights of these networks are "
            f"not; save it as a dense one"
        )
    if wide:
        axes = file.take("<i" if magic == _V3 else "<I")
    else:
        axes = magic
    if not 0 <= axes <= _MAX_AXES:
        raise file.error(f"an array has {axes} axes")
    shape = tuple(file.take("<q" if wide else "<I") for _ in range(axes))
    if min(shape, default=0) < 0:
        raise file.error(f"an array has the shape {shape}")
    if not shape and magic != _V3:
        return np.zeros(0, np.float32)  # an empty place; nothing follows
    file.take("<i")  # device
    file.take("<i")
    kind = file.take("<i")
    if kind == _BFLOAT16:
        words = np.frombuffer(file.raw(2 * prod(shape), "an array"), "<u2")
        return (words.astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if not 0 <= kind < len(_TYPES):
        raise file.error(f"an array is of an unknown type ({kind})")
    dtype = np.dtype(_TYPES[kind])
    raw = file.raw(prod(shape) * dtype.itemsize, f"an array of shape {shape}")
    return np.frombuffer(raw, dtype).reshape(shape)


class _Bytes:
    """A file's bytes, to be taken in order."""

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def take(self, layout: str) -> int:
        """Take a whole number."""
        raw = self.raw(struct.calcsize(layout), "a number")
        return int(struct.unpack(layout, raw)[0])

    def count(self, what: str, least: int) -> int:
        """Take a number of things that take at least so many bytes each."""
        count = self.take("<Q")
        if count * least > self.left:
            raise self.error(
                f"{count} {what} are announced, and {self.left} bytes left"
            )
        return count

    def raw(self, size: int, what: str) -> memoryview:
        """Take bytes, which are not copied."""
        if size > self.left:
            raise self.error(
                f"it ends too early: {what} takes {size} bytes and {self.left} are "
                f"left; it is truncated"
            )
        self._at += size
        return memoryview(self._data)[self._at - size : self._at]

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the file and the offset."""
        return ReaderError(f"{self._source}: {reason} (at byte {self._at})")
