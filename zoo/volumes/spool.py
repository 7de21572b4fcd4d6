"""Bytes of a file on disk as an array, decompressed once, checked to the end."""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoo.errors import ImageError

__all__ = ["GZIP", "array_of", "head_of", "new_array", "unpacked"]

GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
# Deflate shrinks by at most 1032:1 (RFC 1951: 258 bytes by two bits).
_MAX_RATIO = 1040


def head_of(head: bytes, count: int) -> bytes:
    """The first bytes of what a file holds, decompressed if it is gzip."""
    if not head.startswith(GZIP):
        return head[:count]
    try:
        return zlib.decompressobj(31).decompress(head, count)
    except zlib.error:
        return b""


def unpacked(file: IO[bytes], is_gzip: bool) -> Iterator[bytes]:
    """The bytes of a file, block by block; of gzip what it holds.

    gzip is read to its end: its checksum and length stand there.

    Raises
    ------
    ImageError
        If it is cut short, damaged, or followed by something else.
    """
    if not is_gzip:
        while block := file.read(_BLOCK):
            yield block
        return
    inflate = zlib.decompressobj(31)
    rest, begun = b"", False
    while True:
        block = rest or file.read(_BLOCK)
        rest = b""
        if not block:
            if begun:
                raise ImageError("is truncated: gzip ends early")
            return
        begun = True
        try:
            made = inflate.decompress(block, _BLOCK)
            yield made
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, _BLOCK)
        except zlib.error as error:
            raise ImageError(f"is damaged ({error})") from None
        if inflate.eof:
            # gzip files may be joined; zeros behind the last one are padding.
            rest = inflate.unused_data.lstrip(b"\0")
            inflate, begun = zlib.decompressobj(31), False


def array_of(
    blocks: Iterator[bytes],
    offset: int,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    stored: int | None,
    is_gzip: bool,
) -> tuple[NDArray[Any], Any, bytes]:
    """Voxels behind a header, in a temporary file, Fortran order.

    Parameters
    ----------
    blocks : iterator of bytes
        The whole file from its first byte.
    offset : int
        Where the voxels begin.
    shape, dtype
        Of the array.
    stored : int or None
        Size of the file as it is stored, if that is known.
    is_gzip : bool

    Returns
    -------
    data : ndarray
        Read-only, on disk.
    keep : object
        The temporary file, which goes with it.
    tail : bytes
        What follows the voxels, up to a megabyte.

    Raises
    ------
    ImageError
        If the header promises more than the file can hold or does hold.
    """
    # Python integers: the product of seven 16-bit sizes exceeds 64 bits.
    wanted = math.prod(shape) * dtype.itemsize
    if stored is not None:
        room = stored * (_MAX_RATIO if is_gzip else 1)
        if offset + wanted > room:
            raise ImageError(
                f"is truncated or damaged: its header promises {offset + wanted} bytes, "
                f"and {stored} are there"
            )
    file = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the array
    position, written, tail = 0, 0, b""
    for block in blocks:
        start = max(0, offset - position)
        part = block[start : start + wanted - written]
        file.write(part)
        written += len(part)
        if written == wanted and len(tail) < _BLOCK:
            tail += block[start + len(part) :]
        position += len(block)
    if written < wanted:
        raise ImageError(
            f"is truncated: its header promises {offset + wanted} bytes, and "
            f"{position} are there"
        )
    file.flush()
    data = np.memmap(file, dtype, "r", 0, shape, order="F")
    return data, file, tail[:_BLOCK]


def new_array(shape: tuple[int, ...], dtype: DTypeLike) -> tuple[NDArray[Any], Any]:
    """Zeros in a temporary file, Fortran order; the file goes with them."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the array
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    file.truncate(max(1, size))
    return np.memmap(file, kind, "r+", 0, shape, order="F"), file
