"""The chunks of PNG files, and what they say of the pixels (third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from zoo.errors import DamagedError, ImageError

__all__ = [
    "CHANNELS",
    "MAX_RATIO",
    "SIGNATURE",
    "Header",
    "all_chunks",
    "chunk",
    "chunks",
    "is_animated",
    "read_header",
]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
MAX_RATIO = 1040
"""Deflate shrinks by at most 1032:1 (RFC 1951: 258 bytes by two bits)."""

_PIXELS = (b"IDAT", b"fdAT")
_MAX_BODY = 1 << 26  # of chunks that are no pixels


class Header(NamedTuple):
    """What IHDR says, and the key of tRNS for gray pictures."""

    width: int
    height: int
    depth: int
    color: int
    gray_key: int | None


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and data of every chunk up to IEND; pixels as views of the file.

    Damaged chunks that a picture can do without are left out.

    Raises
    ------
    DamagedError
        If the file ends early, or a checksum of a needed chunk is wrong.
    """
    for position, kind, body, is_right in all_chunks(data):
        if is_right:
            yield kind, body
        elif not kind[:1].islower():  # upper case: critical
            raise DamagedError(f"is damaged: wrong checksum at byte {position}")
        if kind == b"IEND":
            return
    raise DamagedError("is truncated")


def all_chunks(data: bytes) -> Iterator[tuple[int, bytes, bytes, bool]]:
    """Place, type, data of every whole chunk, and whether its checksum is right."""
    position = len(SIGNATURE)
    view = memoryview(data)
    most = _longest(data)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        kind = data[position + 4 : position + 8]
        if end + 4 > len(data) or not kind.isalpha():
            return
        if length > most and kind in _PIXELS:
            raise DamagedError("is damaged: a chunk is longer than its picture")
        (stated,) = struct.unpack_from(">I", data, end)
        right = zlib.crc32(view[position + 4 : end]) == stated
        body: Any = view[position + 8 : end]
        if kind not in _PIXELS:
            body = bytes(body) if right and length <= _MAX_BODY else b""
        yield position, kind, body, right
        position = end + 4


def _longest(data: bytes) -> int:
    """Bytes of pixels that even deflate which does not shrink them stays below."""
    if len(data) < 33 or data[12:16] != b"IHDR" or data[25] not in CHANNELS:
        return _MAX_BODY
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    return _MAX_BODY + 2 * height * (1 + width * CHANNELS[color] * depth // 8)


def is_animated(data: bytes) -> bool:
    """Whether there is a chunk acTL before the pixels."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        if kind in (b"IDAT", b"acTL"):
            return kind == b"acTL"
        (length,) = struct.unpack_from(">I", data, position)
        position += 12 + length
    return False


def read_header(data: bytes) -> Header:
    """Read the header, and check that the whole file is there.

    Raises
    ------
    ImageError
        If it is truncated, damaged, animated, or claims more pixels than its
        bytes can hold.
    """
    header: tuple[int, int, int, int] | None = None
    key = None
    for kind, body in chunks(data):
        if header is None:
            if kind != b"IHDR" or len(body) != 13 or body[9] not in CHANNELS:
                raise ImageError("is damaged: it does not begin with a PNG header")
            header = struct.unpack(">IIBB", body[:10])
        elif kind == b"acTL":
            raise ImageError("is animated; extract its frames first")
        elif kind == b"tRNS" and header[3] == 0 and len(body) == 2:
            (key,) = struct.unpack(">H", body)
    assert header is not None
    width, height, depth, color = header
    if width * height * depth * CHANNELS[color] // 8 > MAX_RATIO * len(data):
        raise DamagedError(
            f"claims {width}x{height} pixels, more than its {len(data)} bytes can hold"
        )
    return Header(width, height, depth, color, key)


def chunk(kind: bytes | bytearray, body: bytes | bytearray) -> bytes:
    content = bytes(kind) + bytes(body)
    return (
        struct.pack(">I", len(body)) + content + struct.pack(">I", zlib.crc32(content))
    )
