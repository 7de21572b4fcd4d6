"""Animated WebP: frames in chunks ANIM and ANMF (RFC 9649, section 2.7.1).

Every frame is made a WebP file of its own for reading, and taken out of one for
writing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import IO

from zoo.errors import ImageError
from zoo.images.frames import Canvas, Clip, Frame, FrameWriter
from zoo.images.image import Image
from zoo.images.picture import check_size

__all__ = ["Writer", "clip_of"]

_ANIMATION, _ALPHA = 0x02, 0x10
_NO_BLEND, _DISPOSE = 0x02, 0x01
_MAX_FRAMES = 100_000
_RATIO = 4096  # a picture of one colour takes next to nothing

Chunks = Iterator[tuple[bytes, bytes]]


def clip_of(
    data: bytes,
    split: Callable[[bytes], Chunks],
    decode: Callable[[bytes], Image],
) -> Clip | None:
    """The animation that a file holds; None if it holds none.

    Parameters
    ----------
    data : bytes
    split : callable
        The chunks of a file.
    decode : callable
        Of the bytes of a WebP file with one picture.
    """
    width = height = loops = 0
    bodies: list[bytes] = []
    has_alpha = False
    for kind, body in split(data):
        if kind == b"VP8X" and len(body) >= 10:
            if not body[0] & _ANIMATION:
                return None
            has_alpha = bool(body[0] & _ALPHA)
            width = int.from_bytes(body[4:7], "little") + 1
            height = int.from_bytes(body[7:10], "little") + 1
        elif kind == b"ANIM" and len(body) >= 6:
            (loops,) = struct.unpack_from("<H", body, 4)
        elif kind == b"ANMF" and len(body) >= 24 and len(bodies) < _MAX_FRAMES:
            bodies.append(body)
    if not width or not bodies:
        return None
    check_size(width, height, len(data), _RATIO)
    places = [_place(body) for body in bodies]
    for left, top, across, down in places:
        if left + across > width or top + down > height:
            raise ImageError("is damaged: a frame lies outside of it")
    covers = places[0] == (0, 0, width, height)
    clears = any(body[15] & _DISPOSE for body in bodies)
    shows = has_alpha or not covers or clears
    frames = _frames(bodies, (height, width), decode, shows)
    return Clip(width, height, len(bodies), frames, loops)


def _place(body: bytes) -> tuple[int, int, int, int]:
    """Left, top, width and height of a frame."""
    left, top, width, height = (
        int.from_bytes(body[at : at + 3], "little") for at in (0, 3, 6, 9)
    )
    return 2 * left, 2 * top, width + 1, height + 1


def _frames(
    bodies: list[bytes],
    size: tuple[int, int],
    decode: Callable[[bytes], Image],
    has_alpha: bool,
) -> Iterator[Frame]:
    canvas: Canvas | None = None
    for body in bodies:
        left, top, width, height = _place(body)
        image = decode(_still(bytes(body[16:]), width, height))
        if (image.width, image.height) != (width, height):
            raise ImageError("is damaged: a frame has another size than is said")
        if canvas is None:
            canvas = Canvas(*size, 3, image.dtype)
        canvas.paint(image, top, left, over=not body[15] & _NO_BLEND)
        seen = canvas.image("webp", has_alpha=has_alpha)
        if not image.is_lossless:
            seen = seen.as_lossy()
        yield Frame(seen, Fraction(int.from_bytes(body[12:15], "little"), 1000))
        if body[15] & _DISPOSE:
            canvas.clear(top, left, height, width)


def _still(chunks: bytes, width: int, height: int) -> bytes:
    """A file of the chunks of one frame."""
    if chunks[:4] == b"ALPH":
        sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunks = chunk(b"VP8X", bytes((_ALPHA, 0, 0, 0)) + sizes) + chunks
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


class Writer(FrameWriter):
    """Writes frames; the file must be seekable, for its length stands first.

    Parameters
    ----------
    file : binary file
    clip : Clip
    encode : callable
        Makes a WebP file of a picture.
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
        self._start = -1

    def add(self, frame: Frame) -> None:
        image = frame.image
        size = (image.width - 1).to_bytes(3, "little")
        size += (image.height - 1).to_bytes(3, "little")
        if self._start < 0:
            self._start = self._file.tell()
            flags = _ANIMATION | (_ALPHA if image.alpha is not None else 0)
            self._file.write(b"RIFF\0\0\0\0WEBP")
            self._file.write(chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size))
            loops = struct.pack("<IH", 0, min(self._loops, 65535))
            self._file.write(chunk(b"ANIM", loops))
        parts = [
            chunk(kind, body)
            for kind, body in self._split(self._encode(image))
            if kind in (b"ALPH", b"VP8 ", b"VP8L")
        ]
        milliseconds = min(round(frame.duration * 1000), 2**24 - 1)
        head = (
            bytes(6) + size + milliseconds.to_bytes(3, "little") + bytes((_NO_BLEND,))
        )
        self._file.write(chunk(b"ANMF", head + b"".join(parts)))

    def close(self) -> None:
        end = self._file.tell()
        if end - self._start > 2**32 - 2:
            raise ImageError("webp cannot hold more than 4 GB")
        self._file.seek(self._start + 4)
        self._file.write(struct.pack("<I", end - self._start - 8))
        self._file.seek(end)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk with its length, filled up to an even one."""
    head = kind + struct.pack("<I", len(body))
    return b"".join((head, body, b"\0" * (len(body) % 2)))
