"""GIF (GIF89a), read; one picture or an animation. Written it would lose colours.

Decoded here, for only newer versions of OpenCV can. Its LZW differs from TIFF's in
the order of bits and in where a code gets wider.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.formats import Source
from zoo.images.frames import Canvas, Clip, Frame, FrameFormat, FrameWriter
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note

__all__ = ["GIF"]

_RATIO = 1 << 12
_MAX_FRAMES = 100_000
_RESTORE_BACKGROUND, _RESTORE_PREVIOUS = 2, 3
_SHORTEST = Fraction(2, 100)  # what viewers do with less
_USUAL = Fraction(10, 100)


@dataclass(frozen=True)
class _Block:
    """An image of a GIF file, not yet decoded."""

    left: int
    top: int
    width: int
    height: int
    palette: NDArray[np.uint8]
    is_interlaced: bool
    code_size: int
    data: bytes
    transparent: int | None
    disposal: int
    duration: Fraction


class GIF(PictureFormat, FrameFormat):
    """GIF files: their first frame, or all of them."""

    name = "gif"
    label = "GIF"
    suffixes = (".gif",)
    can_write = False

    def recognise(self, head: bytes) -> bool:
        """Whether it begins with the name and the version."""
        return head.startswith((b"GIF87a", b"GIF89a"))

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """The first frame; see :class:`zoo.images.picture.PictureFormat`."""
        file = _File(data)
        clip = Clip(file.width, file.height, None, file.frames(damaged))
        first = next(clip.frames, None)
        if first is None:
            raise ImageError("is damaged: it holds no picture")
        count = len(file.blocks)
        note = f"has {count} frames; the first is taken" if count > 1 else ""
        image = first.image
        if image.alpha is not None and image.alpha.min() == 255:
            image = replace(image, alpha=None)
        return image.noted(note), 1

    def end(self, data: bytes) -> int | None:
        """See :class:`zoo.images.picture.PictureFormat`."""
        return _File(data).end

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """Not done: 256 colours are too few for what a network makes."""
        raise ImageError("gif cannot hold anything that zoo makes")

    def clip(self, source: Source, *, damaged: bool = False) -> Clip | None:
        """See :class:`zoo.images.frames.FrameFormat`."""
        file = _File(source.content())
        if len(file.blocks) < 2:
            return None
        frames = file.frames(damaged)
        return Clip(file.width, file.height, len(file.blocks), frames, file.loops)

    def frame_writer(
        self, file: IO[bytes], clip: Clip, *, quality: int | None = None
    ) -> FrameWriter:
        """Not done; see :meth:`bytes_of`."""
        raise ImageError("gif cannot hold anything that zoo makes")


class _File:
    """The blocks of a GIF file."""

    def __init__(self, data: bytes) -> None:
        if len(data) < 13:
            raise ImageError("is truncated")
        self._data = data
        self.width, self.height, flags = struct.unpack_from("<HHB", data, 6)
        check_size(self.width, self.height, len(data), _RATIO)
        self._position = 13
        self._palette = self._colors(flags)
        self.loops = 1
        self.is_whole = False
        self.blocks = list(self._blocks())

    def frames(self, damaged: bool) -> Iterator[Frame]:
        """Every frame as it is seen."""
        if not self.is_whole and not damaged:
            raise DamagedError("is truncated")
        if not self.blocks:
            raise ImageError("is damaged: it holds no picture")
        canvas = Canvas(self.height, self.width, 3, np.dtype(np.uint8))
        has_alpha = self._shows_through()
        for index, block in enumerate(self.blocks):
            before = canvas.copy() if block.disposal == _RESTORE_PREVIOUS else None
            image, fault = _decode(block, damaged)
            canvas.paint(image, block.top, block.left, over=True)
            seen = canvas.image("gif", has_alpha=has_alpha)
            if index == 0 and not self.is_whole:
                fault = "is truncated"
            yield Frame(seen.noted(damage_note(fault) if fault else ""), block.duration)
            if before is not None:
                canvas.restore(before)
            elif block.disposal == _RESTORE_BACKGROUND:
                canvas.clear(block.top, block.left, block.height, block.width)

    @property
    def end(self) -> int | None:
        """Where it ends."""
        return self._position if self.is_whole else None

    def _shows_through(self) -> bool:
        """Whether a pixel of any frame may be transparent."""
        first = self.blocks[0]
        covers = (first.width, first.height) == (self.width, self.height)
        # What is painted over an opaque picture leaves it opaque.
        clears = any(block.disposal == _RESTORE_BACKGROUND for block in self.blocks)
        return not covers or clears or first.transparent is not None

    def _take(self, size: int) -> bytes:
        part = self._data[self._position : self._position + size]
        if len(part) < size:
            raise _End
        self._position += size
        return part

    def _colors(self, flags: int) -> NDArray[np.uint8]:
        """A palette of 256 colours; those that the file has not are black."""
        table = np.zeros((256, 3), np.uint8)
        if flags & 0x80:
            count = 2 << (flags & 7)
            part = self._data[self._position : self._position + 3 * count]
            self._position += 3 * count
            values = np.frombuffer(part[: len(part) // 3 * 3], np.uint8)
            table[: len(values) // 3] = values.reshape(-1, 3)
        return table

    def _parts(self) -> bytes:
        """The sub-blocks up to the one that is empty, or the end, put together."""
        parts: list[bytes] = []
        while self._position < len(self._data):
            size = self._data[self._position]
            parts.append(self._data[self._position + 1 : self._position + 1 + size])
            self._position += 1 + size
            if not size:
                break
        return b"".join(parts)

    def _blocks(self) -> Iterator[_Block]:
        transparent: int | None = None
        disposal, duration = 0, _USUAL
        count = 0
        try:
            while count < _MAX_FRAMES:
                (kind,) = self._take(1)
                if kind == 0x3B:
                    self.is_whole = True
                    return
                if kind == 0x21:
                    (label,) = self._take(1)
                    body = self._parts()
                    if label == 0xF9 and len(body) >= 4:
                        flags, delay, index = struct.unpack_from("<BHB", body)
                        transparent = index if flags & 1 else None
                        disposal = flags >> 2 & 7
                        duration = Fraction(delay, 100)
                        if duration < _SHORTEST:
                            duration = _USUAL
                    elif label == 0xFF and body.startswith(b"NETSCAPE2.0\x01"):
                        (self.loops,) = struct.unpack_from("<H", body + b"\0\0", 12)
                elif kind == 0x2C:
                    left, top, width, height, flags = struct.unpack(
                        "<HHHHB", self._take(9)
                    )
                    palette = self._colors(flags) if flags & 0x80 else self._palette
                    (code_size,) = self._take(1)
                    if (
                        not (width and height)
                        or left + width > self.width
                        or top + height > self.height
                    ):
                        raise ImageError("is damaged: a frame lies outside of it")
                    data = self._parts()
                    count += 1
                    yield _Block(
                        left,
                        top,
                        width,
                        height,
                        palette,
                        bool(flags & 0x40),
                        code_size,
                        data,
                        transparent,
                        disposal,
                        duration,
                    )
                    transparent, disposal, duration = None, 0, _USUAL
                else:
                    raise ImageError(f"is damaged: no GIF block at {self._position}")
        except _End:
            return


class _End(Exception):
    """The file ends where something must come."""


def _decode(block: _Block, damaged: bool) -> tuple[Image, str]:
    """The pixels of one block, and what is wrong with them."""
    size = block.width * block.height
    indices, fault = _lzw(block.data, block.code_size, size)
    if len(indices) < size:
        fault = fault or "a frame ends early"
    if fault and not damaged:
        raise DamagedError(f"is damaged: {fault}")
    flat = np.zeros(size, np.uint8)
    flat[: len(indices)] = indices[:size]
    alpha = np.full(size, 255, np.uint8)
    alpha[len(indices) :] = 0
    if block.transparent is not None:
        alpha[flat == block.transparent] = 0
    shape = (block.height, block.width)
    rows = np.arange(block.height)
    if block.is_interlaced:
        stored = np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])
        rows = np.argsort(stored)
    pixels = block.palette[flat.reshape(shape)[rows]]
    return Image(pixels, alpha.reshape(shape)[rows]), fault


def _lzw(data: bytes, code_size: int, size: int) -> tuple[NDArray[np.uint8], str]:
    """Decode up to ``size`` indices; and what is wrong, or nothing."""
    if not 1 <= code_size <= 11:
        return np.zeros(0, np.uint8), "its LZW data make no sense"
    clear, end = 1 << code_size, (1 << code_size) + 1
    table: list[bytes] = []
    result = bytearray()
    pending = bits = position = 0
    width, previous = code_size + 1, b""
    while len(result) < size:
        while bits < width:
            if position >= len(data):
                return _as_array(result), "a frame ends early"
            pending |= data[position] << bits
            position += 1
            bits += 8
        code = pending & ((1 << width) - 1)
        pending >>= width
        bits -= width
        if code == clear or not table:
            table = [bytes((value & 255,)) for value in range(clear)] + [b"", b""]
            width, previous = code_size + 1, b""
            if code == clear:
                continue
        if code == end:
            break
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous:
            entry = previous + previous[:1]
        else:
            return _as_array(result), "its LZW data make no sense"
        result += entry
        if previous and len(table) < 4096:
            table.append(previous + entry[:1])
            if len(table) == 1 << width and width < 12:
                width += 1
        previous = entry
    return _as_array(result), ""


def _as_array(values: bytearray) -> NDArray[np.uint8]:
    return np.frombuffer(bytes(values), np.uint8)
