"""Decompression of TIFF strips and tiles, with bounded output.

Each decoder takes the stored bytes and the number of bytes wanted, and returns
that many, or fewer if there are not more. TIFF 6.0, sections 9 (PackBits) and
13 (LZW); deflate is RFC 1950.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from zoo.errors import ImageError

__all__ = ["DECODERS"]

_CLEAR, _END, _FIRST = 256, 257, 258


def _plain(data: bytes, size: int) -> bytes:
    return data[:size]


def _deflate(data: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size)
    except zlib.error as error:
        raise ImageError(f"is damaged ({error})") from None


def _packbits(data: bytes, size: int) -> bytes:
    result = bytearray()
    position = 0
    while position < len(data) and len(result) < size:
        control = data[position]
        if control < 128:
            result += data[position + 1 : position + 2 + control]
            position += 2 + control
        elif control > 128:
            result += data[position + 1 : position + 2] * (257 - control)
            position += 2
        else:
            position += 1
    return bytes(result[:size])


def _lzw(data: bytes, size: int) -> bytes:
    """Codes of 9 to 12 bits, the highest bit first, one bit wider one code early."""
    table: list[bytes] = []
    result: list[bytes] = []
    length = 0
    bits = pending = 0
    width, previous = 9, b""
    for byte in data:
        pending = pending << 8 | byte
        bits += 8
        if bits < width:
            continue
        bits -= width
        code = pending >> bits
        pending &= (1 << bits) - 1
        if code == _CLEAR:
            table = [bytes((value,)) for value in range(256)] + [b"", b""]
            width, previous = 9, b""
            continue
        if code == _END or length >= size:
            break
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous:
            entry = previous + previous[:1]
        else:
            raise ImageError("is damaged: its LZW data make no sense")
        result.append(entry)
        length += len(entry)
        if previous and len(table) < 4096:
            table.append(previous + entry[:1])
            if len(table) in (511, 1023, 2047):
                width += 1
        previous = entry
    return b"".join(result)[:size]


DECODERS: dict[int, Callable[[bytes, int], bytes]] = {
    1: _plain,
    5: _lzw,
    8: _deflate,
    32946: _deflate,
    32773: _packbits,
}
"""Decoder of each number of the tag Compression."""
