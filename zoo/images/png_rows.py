"""PNG pictures by rows: little memory beside the pixels, and OpenCV is not imported.

Pictures of whole bytes that are not interlaced, which nearly all are, are read here;
the others, and whatever is wrong with one, are OpenCV's.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError
from zoo.images.image import Image, Metadata
from zoo.images.png_chunks import CHANNELS, SIGNATURE, Header, chunk, chunks
from zoo.images.png_metadata import embed
from zoo.machine.spill import release

__all__ = ["decoded", "write"]

_BLOCK = 1 << 18  # bytes of rows that are worked on together
_SUB = 1
# With Sub for every row a little smaller than OpenCV's level 4 on photographs, and
# twice as fast.
_LEVEL = 2
_COLORS = {(1, False): 0, (3, False): 2, (1, True): 4, (3, True): 6}


def decoded(data: bytes, header: Header) -> Image | None:
    """The pixels of a file without its metadata; None if OpenCV must look at it.

    Parameters
    ----------
    data : bytes
        Whole, with the checksums that it should have.
    header : Header
        Of its chunks, see :func:`zoo.images.png_chunks.read_header`; the size was
        found to be believable.
    """
    is_plain = data[26:29] == b"\0\0\0"  # nor interlaced
    if header.depth not in (8, 16) or header.color == 3 or not is_plain:
        return None
    try:
        # Without a compiler there is none.
        from zoo.images._unfilter import unfilter
    except ImportError:
        return None
    samples, size = CHANNELS[header.color], header.depth // 8
    line = header.width * samples * size
    pixels = np.empty((header.height, line), np.uint8)
    above = np.zeros(line, np.uint8)
    done = 0
    for rows in _inflated(data, header.height, 1 + line):
        if rows is None or not unfilter(rows, above, samples * size):
            return None
        pixels[done : done + len(rows)] = rows[:, 1:]
        above = rows[-1, 1:].copy()
        done += len(rows)
    values: NDArray[Any] = pixels
    if size == 2:
        values = pixels.view(">u2").astype(np.uint16)
    values = values.reshape(header.height, header.width, samples)
    if samples in (1, 3):
        return Image(values)
    alpha = np.ascontiguousarray(values[..., -1])
    return Image(np.ascontiguousarray(values[..., :-1]), alpha)


def _inflated(
    data: bytes, height: int, length: int
) -> Iterator[NDArray[np.uint8] | None]:
    """Rows of so many bytes, some at a time; None, at last, if they are not so many."""
    stream = zlib.decompressobj()
    most = max(1, min(height, _BLOCK // length))
    rows = np.empty((most, length), np.uint8)
    filled = done = 0
    try:
        for kind, body in chunks(data):
            if kind == b"tRNS":  # a colour that is transparent
                yield None
                return
            if kind != b"IDAT":
                continue
            left: Any = body
            while len(left) or stream.unconsumed_tail:
                wanted = min(most, height - done)
                if wanted == 0:
                    if stream.decompress(left, 1):
                        yield None
                        return
                    break
                flat = rows[:wanted].reshape(-1)
                part = stream.decompress(left, flat.size - filled)
                left = stream.unconsumed_tail
                flat[filled : filled + len(part)] = np.frombuffer(part, np.uint8)
                filled += len(part)
                if filled == flat.size:
                    yield rows[:wanted]
                    done, filled = done + wanted, 0
                elif not part:
                    break
    except (zlib.error, DamagedError):
        yield None
        return
    if done != height or not stream.eof:
        yield None


def write(file: IO[bytes], image: Image, meta: Metadata) -> None:
    """Write a picture of 8 or 16 bits, a band of rows after the other.

    Parameters
    ----------
    file : binary file
        Only written to.
    image : Image
    meta : Metadata
        True of the picture as it is written.
    """
    height, width, count = image.pixels.shape
    size = image.dtype.itemsize
    color = _COLORS[count, image.alpha is not None]
    head = struct.pack(">IIBBBBB", width, height, 8 * size, color, 0, 0, 0)
    file.write(embed(SIGNATURE + chunk(b"IHDR", head), meta))
    pixel = CHANNELS[color] * size
    line = width * pixel
    step = max(1, _BLOCK // line)
    rows = np.empty((step, 1 + line), np.uint8)
    rows[:, 0] = _SUB
    stream = zlib.compressobj(_LEVEL)
    for top in range(0, height, step):
        values = image.pixels[top : top + step]
        if image.alpha is not None:
            values = np.dstack([values, image.alpha[top : top + step]])
        stored = np.ascontiguousarray(values, image.dtype.newbyteorder(">"))
        raw = stored.view(np.uint8).reshape(len(values), line)
        some = rows[: len(values)]
        some[:, 1 : 1 + pixel] = raw[:, :pixel]
        np.subtract(raw[:, pixel:], raw[:, :-pixel], out=some[:, 1 + pixel :])
        packed = stream.compress(some.data)
        if packed:
            file.write(chunk(b"IDAT", packed))
        release(image.pixels)
    file.write(chunk(b"IDAT", stream.flush()) + chunk(b"IEND", b""))
