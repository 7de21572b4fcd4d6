"""What can be read of a damaged PNG file, as a whole one."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from zoo.errors import ImageError
from zoo.images.broken import inflated
from zoo.images.png_chunks import CHANNELS, MAX_RATIO, SIGNATURE, all_chunks, chunk

__all__ = ["repaired"]

# Left, top and steps of the passes of an interlaced picture.
_ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def repaired(data: bytes) -> bytes:
    """A whole file with what can be read of a damaged one, black where nothing can.

    Raises
    ------
    ImageError
        If not even its header can be read.
    """
    found = list(all_chunks(data))
    if not found or found[0][1] != b"IHDR" or len(found[0][2]) != 13:
        raise ImageError("is damaged: it does not begin with a PNG header")
    head = found[0][2]
    stream = [body for _, kind, body, _ in found if kind == b"IDAT"]
    last = found[-1]
    (length,) = struct.unpack_from(">I", data, last[0])
    tail = last[0] + 12 + length
    if data[tail + 4 : tail + 8] == b"IDAT":  # cut in the middle of it
        stream.append(data[tail + 8 :])
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", head)
    if color not in CHANNELS:
        raise ImageError("is damaged: it does not begin with a PNG header")
    if width * height * depth * CHANNELS[color] // 8 > MAX_RATIO * len(data):
        raise ImageError(f"claims {width}x{height} pixels, more than it can hold")
    rows = list(_row_lengths(width, height, depth * CHANNELS[color], interlaced))
    raw = bytearray(inflated(b"".join(stream), sum(rows)).ljust(sum(rows), b"\0"))
    position = 0
    for length in rows:
        if raw[position] > 4:  # no filter has this number
            raw[position : position + length] = bytes(length)
        position += length
    parts = [(b"IHDR", head)]
    parts += [
        (kind, body)
        for _, kind, body, is_right in found[1:]
        if is_right and kind not in (b"IHDR", b"IDAT", b"IEND", b"acTL")
    ]
    parts += [(b"IDAT", zlib.compress(raw, 1)), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(kind, body) for kind, body in parts)


def _row_lengths(width: int, height: int, bits: int, interlaced: int) -> Iterator[int]:
    """Bytes of every row as it is deflated, its filter's number included."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    for left, top, across, down in passes:
        columns = -(-(width - left) // across)
        if columns > 0:
            for _ in range(top, height, down):
                yield 1 + -(-columns * bits // 8)
