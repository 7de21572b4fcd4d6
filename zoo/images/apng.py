"""Animated PNG: frames in chunks acTL, fcTL and fdAT (PNG, third edition).

Every frame is made a PNG file of its own for reading, and taken out of one for
writing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO

from zoo.errors import ImageError
from zoo.images.frames import Canvas, Clip, Frame, FrameWriter
from zoo.images.image import Image
from zoo.images.picture import check_size

__all__ = ["Writer", "clip_of"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BACKGROUND, _PREVIOUS = 1, 2
_OVER = 1
_MAX_FRAMES = 100_000
_RATIO = 8320  # deflate, and pixels of one bit

Chunks = Iterator[tuple[bytes, bytes]]


@dataclass
class _Part:
    """A frame: its fcTL and its data."""

    width: int
    height: int
    left: int
    top: int
    duration: Fraction
    disposal: int
    blend: int
    data: list[bytes] = field(default_factory=list)


def clip_of(chunks: Chunks, decode: Callable[[bytes], Image]) -> Clip | None:
    """The animation that a file's chunks hold; None if they hold none.

    Parameters
    ----------
    chunks : iterator of (bytes, bytes)
        Type and data.
    decode : callable
        Of the bytes of a PNG file.
    """
    head = b""
    shared: list[tuple[bytes, bytes]] = []
    parts: list[_Part] = []
    loops, is_animated = 0, False
    for kind, body in chunks:
        if kind == b"IHDR":
            head = body
        elif kind == b"acTL" and len(body) == 8:
            is_animated = True
            (loops,) = struct.unpack(">I", body[4:])
        elif kind == b"fcTL":
            if len(body) != 26 or len(parts) >= _MAX_FRAMES:
                raise ImageError("is damaged: a frame of it makes no sense")
            parts.append(_part(body))
        elif kind == b"fdAT" and parts:
            parts[-1].data.append(body[4:])
        elif kind == b"IDAT" and parts:
            parts[-1].data.append(body)
        elif kind in (b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP"):
            shared.append((kind, body))
    parts = [part for part in parts if part.data]
    if not is_animated or len(parts) < 2 or len(head) != 13:
        return None
    width, height = struct.unpack(">II", head[:8])
    held = sum(len(body) for part in parts for body in part.data)
    check_size(width, height, held, _RATIO)
    for part in parts:
        if (
            not (part.width and part.height)
            or part.left + part.width > width
            or part.top + part.height > height
        ):
            raise ImageError("is damaged: a frame lies outside of it")
    frames = _frames(head, shared, parts, decode)
    return Clip(width, height, len(parts), frames, loops)


def _part(body: bytes) -> _Part:
    width, height, left, top = struct.unpack_from(">4I", body, 4)
    above, below, disposal, blend = struct.unpack_from(">HHBB", body, 20)
    duration = Fraction(above, below or 100)
    return _Part(width, height, left, top, duration, disposal, blend)


def _frames(
    head: bytes,
    shared: list[tuple[bytes, bytes]],
    parts: list[_Part],
    decode: Callable[[bytes], Image],
) -> Iterator[Frame]:
    canvas: Canvas | None = None
    width, height = struct.unpack(">II", head[:8])
    has_alpha = True
    for index, part in enumerate(parts):
        size = struct.pack(">II", part.width, part.height)
        data = _SIGNATURE + chunk(b"IHDR", size + head[8:])
        data += b"".join(chunk(kind, body) for kind, body in shared)
        data += b"".join(chunk(b"IDAT", body) for body in part.data)
        image = decode(data + chunk(b"IEND", b""))
        if canvas is None:
            canvas = Canvas(height, width, image.pixels.shape[2], image.dtype)
            covers = (part.width, part.height) == (width, height)
            clears = parts[0].disposal == _PREVIOUS or any(
                item.disposal == _BACKGROUND for item in parts
            )
            has_alpha = image.alpha is not None or not covers or clears
        disposal = part.disposal
        if index == 0 and disposal == _PREVIOUS:
            disposal = _BACKGROUND
        before = canvas.copy() if disposal == _PREVIOUS else None
        canvas.paint(image, part.top, part.left, over=part.blend == _OVER)
        yield Frame(canvas.image("png", has_alpha=has_alpha), part.duration)
        if before is not None:
            canvas.restore(before)
        elif disposal == _BACKGROUND:
            canvas.clear(part.top, part.left, part.height, part.width)


class Writer(FrameWriter):
    """Writes frames; the file must be seekable, for their number stands first.

    Parameters
    ----------
    file : binary file
    clip : Clip
    encode : callable
        Makes a PNG file of a picture.
    split : callable
        The chunks of one.
    """

    def __init__(
        self,
        file: IO[bytes],
        clip: Clip,
        encode: Callable[[Image], bytes],
        split: Callable[[bytes], Chunks],
    ) -> None:
        self._file = file
        self._loops = clip.loops
        self._encode = encode
        self._split = split
        self._count = self._number = 0
        self._place = 0

    def add(self, frame: Frame) -> None:
        image = frame.image
        chunks = list(self._split(self._encode(image)))
        if not self._count:
            self._file.write(_SIGNATURE + chunk(b"IHDR", chunks[0][1]))
            self._place = self._file.tell()
            self._file.write(self._control())
        duration = frame.duration.limit_denominator(65535)
        numerator = min(duration.numerator, 65535)
        body = struct.pack(
            ">IIIIIHHBB",
            self._next(),
            image.width,
            image.height,
            0,
            0,
            numerator,
            duration.denominator,
            0,
            0,
        )
        self._file.write(chunk(b"fcTL", body))
        for kind, data in chunks:
            if kind != b"IDAT":
                continue
            if self._count:
                self._file.write(
                    chunk(b"fdAT", struct.pack(">I", self._next()) + bytes(data))
                )
            else:
                self._file.write(chunk(b"IDAT", data))
        self._count += 1

    def close(self) -> None:
        self._file.write(chunk(b"IEND", b""))
        self._file.seek(self._place)
        self._file.write(self._control())
        self._file.seek(0, 2)

    def _control(self) -> bytes:
        return chunk(b"acTL", struct.pack(">II", self._count, self._loops))

    def _next(self) -> int:
        self._number += 1
        return self._number - 1


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    content = b"".join((kind, body))
    checksum = struct.pack(">I", zlib.crc32(content))
    return struct.pack(">I", len(body)) + content + checksum
