"""Huge TIFF files: read by windows, written tile by tile."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from dataclasses import replace
from typing import IO, Any

import numpy as np

from zoo.errors import ImageError
from zoo.formats import Source
from zoo.images.image import Image, Metadata
from zoo.images.tiff import image_of
from zoo.images.tiff_metadata import metadata
from zoo.images.tiff_page import Page, read_page
from zoo.images.tiff_pixels import decode, grid_of
from zoo.images.tiff_writer import (
    CLASSIC_LIMIT,
    directories_of,
    fields_of,
    head_of,
)
from zoo.program.geometry import Window

__all__ = ["TiffWindows", "write_tiled"]

_LONG, _LONG8 = 4, 16
_LARGEST_STRIP = 2**27  # bytes that are decoded to read any of them


class _Pieces:
    """The bytes of a file, by slices, which are read and not mapped.

    Pages of a mapped file count as memory that a process takes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        return os.pread(self._file.fileno(), max(0, stop - start), start)


class TiffWindows:
    """A TIFF file whose picture is read in parts.

    Parameters
    ----------
    source : Source
        A file, open as long as parts are read.

    Attributes
    ----------
    height, width : int
    sample : Image
        One pixel, black, of the picture's type, with its metadata and notes.
    tile : int or None
        Side of its tiles, if they are square.
    is_big : bool
        Whether it is a BigTIFF.

    Raises
    ------
    ImageError
        If it is damaged, or of a kind that is not read.
    """

    def __init__(self, source: Source) -> None:
        page = read_page(source.content())
        self._page, self._file = page, source.file
        self._grid = grid_of(page)
        self.height, self.width = page.height, page.width
        self.is_big = page.header.is_big
        tile = self._grid.width if self._grid.is_tiled else 0
        fits = tile == self._grid.rows and tile % 16 == 0 and 64 <= tile <= 1024
        self.tile = tile if fits else None
        meta, notes = metadata(page)
        planes = decode(page, window=Window((0, 0), (0, 0)), grid=self._grid)
        black = np.zeros((1, 1, planes.pixels.shape[2]), planes.pixels.dtype)
        sample = image_of(page, black)
        if page.is_alpha_assumed:
            notes += (
                "its fourth channel says nothing of itself; it is taken for alpha",
            )
        self.sample = replace(sample, metadata=meta, notes=notes, format="tiff")
        assert source.size is not None
        self._pieces: Page = replace(
            page,
            data=_Pieces(source.file, source.size),  # type: ignore[arg-type]
        )

    @property
    def obstacle(self) -> str:
        """Why it cannot be read in parts; empty if it can."""
        page, grid = self._page, self._grid
        if page.orientation != 1:
            return "it is stored turned, and parts are read as they are stored"
        size = grid.rows * grid.width * page.samples * page.bits // 8
        if size > _LARGEST_STRIP and (page.compression != 1 or grid.is_tiled):
            return f"{size // 10**6} MB of it are compressed in one; save it in tiles"
        return ""

    @property
    def stamp(self) -> tuple[int, ...]:
        """Bytes and time of the file."""
        facts = os.fstat(self._file.fileno())
        return facts.st_size, facts.st_mtime_ns

    def read(self, window: Window) -> Image:
        """A part of the picture.

        Raises
        ------
        ImageError
            If a strip or tile is missing or damaged.
        """
        planes = decode(self._pieces, window=window, grid=self._grid)
        return image_of(self._page, planes.pixels)


def write_tiled(
    file: IO[bytes],
    size: tuple[int, int],
    sample: Image,
    meta: Metadata,
    side: int,
    tiles: Iterable[tuple[int, int, bytes]],
    *,
    is_big: bool,
) -> None:
    """Write a TIFF file tile by tile, in the order in which they come.

    Parameters
    ----------
    file : binary file
        That can be written anywhere.
    size : tuple of int
        Height and width.
    sample : Image
        Any pixels of the picture: their type and channels count.
    meta : Metadata
        True of the file.
    side : int
        Of a tile, in pixels; a multiple of 16.
    tiles : iterable of (int, int, bytes)
        Each tile once: its place among the tiles, down and across, and what
        :func:`zoo.images.tiff_writer.deflated` makes of side x side pixels.
    is_big : bool
        Write a BigTIFF, which may have more than 4 GB.

    Raises
    ------
    ImageError
        If tiles are missing, or there are too many for a TIFF that is not big.
    """
    places = -(-size[0] // side), -(-size[1] // side)
    offsets, counts = np.zeros(places, np.uint64), np.zeros(places, np.uint64)
    position = file.write(head_of(0, is_big))
    for row, column, data in tiles:
        offsets[row, column], counts[row, column] = position, len(data)
        position += file.write(data + b"\0" * (len(data) % 2))
        if not is_big and position > CLASSIC_LIMIT:
            raise ImageError("tiff holds 4 GB at most; it must be a BigTIFF")
    missing = int((counts == 0).sum())
    if missing:
        raise ImageError(f"{missing} tiles of the result are missing")
    has_alpha = sample.alpha is not None
    stored: Any = np.zeros((1, 1, sample.pixels.shape[2] + has_alpha), sample.dtype)
    fields = fields_of(size, stored, has_alpha, meta)
    word, kind = ("<u8", _LONG8) if is_big else ("<u4", _LONG)
    for tag in (322, 323):
        fields[tag] = (_LONG, 1, struct.pack("<I", side))
    for tag, numbers in ((324, offsets), (325, counts)):
        fields[tag] = (kind, numbers.size, numbers.astype(word).tobytes())
    directories, position = directories_of(fields, meta, position, is_big)
    file.write(directories)
    file.seek(0)
    file.write(head_of(position, is_big))
