"""Decompression of TIFF strips and tiles, with bounded output.

Each decoder takes the stored bytes and the number of bytes wanted, and returns
what there is, more than wanted only by the rest of a code. TIFF 6.0, section 9, has
PackBits; deflate is RFC 1950.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from zoo.images import tiff_lzw
from zoo.images.broken import Broken, inflated

__all__ = ["DECODERS", "RATIOS"]

# LZW stores at best some 3,800 bytes in a code of 12 bits, PackBits 128 in two
# bytes, deflate 258 in two bits.
RATIOS = {1: 1, 5: 3000, 8: 1040, 32946: 1040, 32773: 64}
"""Bytes that one byte of each compression can stand for at most."""


def _plain(data: bytes, size: int) -> bytes:
    return data[:size]


def _deflate(data: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    try:
        result = stream.decompress(data, size + 1)
        # The checksum is only compared at the very end.
        rest = stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        reason = str(error).rpartition(": ")[2]
        raise Broken(inflated(data, size), f"its deflated data: {reason}") from None
    if not stream.eof and len(result) + len(rest) <= size:
        raise Broken(result, "its deflated data end early")
    return result + rest


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
    if data[position:].strip(b"\0\x80"):
        raise Broken(bytes(result), "its PackBits data go on behind their end")
    return bytes(result)


DECODERS: dict[int, Callable[[bytes, int], bytes]] = {
    1: _plain,
    5: tiff_lzw.decode,
    8: _deflate,
    32946: _deflate,
    32773: _packbits,
}
"""Decoder of each number of the tag Compression; fax and JPEG need to know more."""
