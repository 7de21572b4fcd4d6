"""How much a compressed chunk becomes, before a library makes it that.

A few kilobytes of zstd say that they are gigabytes, and the libraries believe them.
"""

from __future__ import annotations

import bz2
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ImageError
from zoo.images.zarr_header import Header

__all__ = ["guarded", "require_fits"]

_ZSTD = b"\x28\xb5\x2f\xfd"
_SKIPPED = b"\x2a\x4d\x18"
_ZSTD_BLOCK = 2**17
_SLACK = 2**16  # bytes: checksums, and what costs nothing


def require_fits(codec: str, data: bytes, size: int) -> None:
    """Refuse a chunk that becomes more than ``size`` bytes.

    Parameters
    ----------
    codec : str
        As Zarr names it; of others nothing is checked.
    data : bytes
    size : int

    Raises
    ------
    ImageError
    """
    limit = size + _SLACK
    if _length(codec, data, limit) > limit:
        raise ImageError(f"a chunk becomes more than the {size} bytes that it holds")


def _length(codec: str, data: bytes, limit: int) -> int:
    """Bytes that it becomes, at most; counted no further than beyond the limit."""
    if codec == "zstd":
        return _zstd(data, limit)
    if codec == "blosc" and len(data) >= 16:
        return int(struct.unpack_from("<I", data, 4)[0])
    if codec == "lz4" and len(data) >= 4:
        return int(struct.unpack_from("<I", data)[0])
    makers: dict[str, Any] = {
        "gzip": lambda: zlib.decompressobj(31),
        "zlib": zlib.decompressobj,
        "bz2": bz2.BZ2Decompressor,
    }
    if codec not in makers:
        return 0
    total = 0
    while data and total <= limit:  # a stream may follow another
        reader = makers[codec]()
        try:
            total += len(reader.decompress(data, limit + 1))
        except (zlib.error, OSError, EOFError):
            break  # the library says what is wrong with it
        data = reader.unused_data
    return total


def _zstd(data: bytes, limit: int) -> int:
    """Of Zstandard frames (RFC 8878): what they state, or else their blocks."""
    place, total = 0, 0
    while len(data) > place + 8 and total <= limit:
        magic = data[place : place + 4]
        if magic[1:] == _SKIPPED and magic[0] >> 4 == 5:
            place += 8 + int.from_bytes(data[place + 4 : place + 8], "little")
            continue
        if magic != _ZSTD:
            break
        flags = data[place + 4]
        is_single = bool(flags & 32)
        width = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
        start = place + 5 + (not is_single) + (0, 1, 2, 4)[flags & 3]
        stated = int.from_bytes(data[start : start + width], "little")
        if width:
            total += stated + (256 if width == 2 else 0)
        place, is_last = start + width, False
        while not is_last and place + 3 <= len(data) and total <= limit:
            head = int.from_bytes(data[place : place + 3], "little")
            is_last, kind, held = bool(head & 1), head >> 1 & 3, head >> 3
            if not width:
                # A compressed block does not say what it becomes, at most 128 KB;
                # all are full but the last.
                total += held if kind < 2 else 0 if is_last else _ZSTD_BLOCK
            place += 3 + (1 if kind == 1 else held)
        place += 4 * (flags >> 2 & 1)  # its checksum
    return total


def guarded(zarr: Any, folder: str, header: Header) -> Any:
    """A store of a folder whose chunks are looked at before they are decoded."""
    size = math.prod(header.chunk) * np.dtype(header.dtype).itemsize
    many = header.shard
    longest = 2 * max(1, many) * (size + 16) + _SLACK

    class Guard(zarr.storage.WrapperStore):
        async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
            is_chunk = not key.rpartition("/")[2].startswith((".z", "zarr."))
            path = Path(folder, key)
            if is_chunk and path.is_file() and path.stat().st_size > longest:
                raise ImageError(f"{key} has more bytes than what it holds")
            value = await super().get(key, prototype, byte_range)
            if value is None or not is_chunk:
                return value
            data = value.to_bytes()
            if not many or hasattr(byte_range, "end"):
                require_fits(header.codec, data, size)
            elif byte_range is None:
                for first, length in _places(data, many, header.index_tail):
                    require_fits(header.codec, data[first : first + length], size)
            return value

    return Guard(zarr.storage.LocalStore(folder, read_only=True))


def _places(data: bytes, many: int, tail: int) -> Iterator[tuple[int, int]]:
    """Where the chunks of a shard lie: first byte and length of each that is there."""
    start = len(data) - 16 * many - tail
    if start < 0:
        return  # the library says that it is too short
    for first, length in np.frombuffer(data, "<u8", 2 * many, start).reshape(-1, 2):
        if first < len(data):
            yield int(first), int(length)
