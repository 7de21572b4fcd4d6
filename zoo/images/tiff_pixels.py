"""The pixels of a TIFF page, exactly as they are stored.

OpenCV multiplies 8-bit colour by alpha, drops the alpha of gray pictures, knows no
float16 and passes over damage. Here strips and tiles are put together from what the
decoders of :mod:`zoo.images.tiff_codecs` give. Technical Note 3 has the
floating-point predictor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.images import tiff_fax, tiff_jpeg
from zoo.images.broken import Broken
from zoo.images.tiff_codecs import DECODERS, RATIOS
from zoo.images.tiff_page import Page
from zoo.program.geometry import Window

__all__ = ["Grid", "Planes", "decode", "grid_of", "unmultiply"]

_FILL_ORDER, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_BYTES = 266, 273, 278, 279
_T4_OPTIONS, _COLOR_MAP = 292, 320
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_JPEG_TABLES = 347
_WHITE_IS_ZERO, _PALETTE, _YCBCR = 0, 3, 6
_FLOAT = 3
_PLAIN = 1
_JPEG = 7
_FAX = (2, 3, 4)
_MAX_TILE = 4096
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


class Planes(NamedTuple):
    """Stored channels, and what is wrong with them.

    Attributes
    ----------
    pixels : ndarray, H x W x (1, 2, 3 or 4); uint8, uint16 or float32
        Black is 0.
    fault : str
        Empty if all is well; else the pixels are what could be read.
    """

    pixels: NDArray[Any]
    fault: str


@dataclass(frozen=True)
class Grid:
    """How a page is cut into strips or tiles: of so many rows and columns."""

    is_tiled: bool
    width: int
    rows: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


def decode(
    page: Page,
    *,
    damaged: bool = False,
    window: Window | None = None,
    grid: Grid | None = None,
) -> Planes:
    """Read the pixels as they are stored; palettes become RGB.

    Parameters
    ----------
    page : Page
    damaged : bool
        Leave black what cannot be read, instead of refusing it.
    window : Window, optional
        The part that is wanted; by default all.
    grid : Grid, optional
        That of the page, if it is known already (:func:`grid_of`).

    Raises
    ------
    DamagedError
        If data are missing or damaged.
    ImageError
        If the page makes no sense.
    """
    dtype = _dtype(page)
    grid = grid_of(page) if grid is None else grid
    faults: list[str] = []
    part = window or Window((0, page.height), (0, page.width))
    # What is in no strip is black, or what else 0 is.
    result = np.zeros((*part.size, page.samples), dtype)
    depth = page.samples // page.planes
    for number, (plane, top, left) in enumerate(_places(page, grid)):
        # The last strip is as short as the picture; tiles are always whole.
        rows = grid.rows if grid.is_tiled else min(grid.rows, page.height - top)
        shown = _common(part, Window((top, top + rows), (left, left + grid.width)))
        if shown is None:
            continue
        held = Window((top, top + rows), (left, left + grid.width))
        if window is not None and not grid.is_tiled and page.compression == _PLAIN:
            held = held._replace(rows=shown.rows)  # others need not be read
        try:
            block = _block(page, grid, number, held, depth, dtype)
        except _Faulty as fault:
            if not damaged:
                raise DamagedError(f"is damaged: {fault.reason}") from None
            faults.append(fault.reason)
            block = fault.block
        to = (*shown.within(part), slice(plane, plane + depth))
        result[to] = block[shown.within(held)]
    summary = ""
    if faults:
        total = len(grid.offsets)
        summary = f"{len(faults)} of {total} strips or tiles are: {faults[0]}"
    return Planes(_as_picture(page, result), summary)


def _common(part: Window, block: Window) -> Window | None:
    """What two windows have in common; None if that is nothing."""
    rows, columns = (
        (max(a[0], b[0]), min(a[1], b[1])) for a, b in zip(part, block, strict=True)
    )
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    return Window(rows, columns)


class _Faulty(Exception):
    """A strip or tile is damaged; what there is of it is its ``block``."""

    def __init__(self, block: NDArray[Any], reason: str) -> None:
        super().__init__(reason)
        self.block = block
        self.reason = reason


def _dtype(page: Page) -> np.dtype[Any]:
    """Native type of the samples; less than 8 bits are widened."""
    if page.kind == _FLOAT:
        return np.dtype(f"f{page.bits // 8}")
    return np.dtype("u2" if page.bits == 16 else "u1")


def grid_of(page: Page) -> Grid:
    """Read how the page is cut, and refuse what cannot be."""
    is_tiled = _TILE_OFFSETS in page.entries
    width = page.number(_TILE_WIDTH) if is_tiled else page.width
    rows = page.number(_TILE_LENGTH if is_tiled else _ROWS_PER_STRIP, page.height)
    rows = rows if is_tiled else min(rows, page.height)
    if min(width, rows) < 1 or max(width - page.width, rows - page.height) > _MAX_TILE:
        raise ImageError("is damaged: its tiles make no sense")
    number = page.planes * -(-page.height // rows) * -(-page.width // width)
    offsets = page.numbers(_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS)
    counts = page.numbers(_TILE_BYTES if is_tiled else _STRIP_BYTES)
    if len(offsets) != number or len(counts) != number:
        raise ImageError("is damaged: it has the wrong number of strips or tiles")
    whole = page.height * page.width * page.samples * page.bits // 8
    ratio = RATIOS.get(page.compression)
    if ratio is not None and whole > ratio * len(page.data):
        raise DamagedError(
            f"claims {page.width}x{page.height} pixels, "
            f"more than its {len(page.data)} bytes can hold"
        )
    return Grid(is_tiled, width, rows, offsets, counts)


def _places(page: Page, grid: Grid) -> Iterator[tuple[int, int, int]]:
    """Plane, top and left of every strip or tile, in the order of storage."""
    for plane in range(page.planes):
        for top in range(0, page.height, grid.rows):
            for left in range(0, page.width, grid.width):
                yield plane, top, left


def _block(
    page: Page,
    grid: Grid,
    number: int,
    held: Window,
    depth: int,
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """Decode one strip or tile, or some rows of a strip that is not compressed.

    Raises
    ------
    _Faulty
    """
    offset, count = grid.offsets[number], grid.counts[number]
    rows, width = held.size
    shape = rows, width, depth
    line = -(-width * depth * page.bits // 8)
    size = rows * line
    skipped = held.rows[0] % grid.rows
    whole = min(grid.rows, page.height - held.rows[0] + skipped)
    if not grid.is_tiled and rows < whole:
        offset, count = (
            offset + skipped * line,
            min(size, max(0, count - skipped * line)),
        )
    data = bytes(page.data[offset : offset + count])
    reason = ""
    if len(data) < count:
        reason = "it ends early"
    try:
        if page.compression == _JPEG:
            tables = page.raw(_JPEG_TABLES)
            color = page.photometric == _YCBCR
            block = tiff_jpeg.decode(data, tables, is_ycbcr=color, shape=shape)
            raw = block.tobytes()
        else:
            if page.number(_FILL_ORDER, 1) == 2:
                data = data.translate(_REVERSED)
            raw = _raw(page, data, (rows, width), size, grid.rows * line)
    except Broken as broken:
        raw, reason = broken.partial, reason or broken.reason
    if len(raw) < size:
        reason = reason or "a strip or tile is too short"
        raw = raw.ljust(size, b"\0")
    result = _unpredict(_unpacked(page, raw[:size], shape), page, dtype)
    if reason:
        raise _Faulty(result, reason)
    return result


def _raw(
    page: Page, data: bytes, size: tuple[int, int], wanted: int, most: int
) -> bytes:
    """Decompressed bytes of a strip or tile.

    Parameters
    ----------
    size : tuple of int
        Rows and columns.
    wanted : int
        Bytes of these.
    most : int
        Bytes of a whole strip; some writers fill up the last one.
    """
    if page.compression in _FAX:
        rows, width = size
        options = page.number(_T4_OPTIONS)
        return tiff_fax.decode(data, width, rows, page.compression, options)
    raw = DECODERS[page.compression](data, most)
    if len(raw) > wanted and len(raw) != most and page.compression != _PLAIN:
        raise Broken(raw[:wanted], "a strip or tile holds more than is said")
    return raw


def _unpacked(page: Page, raw: bytes, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Samples of a block, in the order and type of the file; bits one a byte."""
    rows, width, depth = shape
    if page.bits < 8:
        packed = np.frombuffer(raw, np.uint8).reshape(rows, -1)
        bits = np.unpackbits(packed, axis=1)[:, : width * page.bits]
        parts = bits.reshape(rows, width, page.bits)
        weights = (1 << np.arange(page.bits)[::-1]).astype(np.uint8)
        return np.asarray((parts * weights).sum(axis=2, dtype=np.uint8)[..., None])
    if page.predictor == 3:
        return np.frombuffer(raw, np.uint8).reshape(rows, -1, depth)
    kind = "f" if page.kind == _FLOAT else "u"
    stored = np.dtype(f"{page.header.order}{kind}{page.bits // 8}")
    return np.frombuffer(raw, stored).reshape(shape)


def _unpredict(block: NDArray[Any], page: Page, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Undo the predictor: samples are stored as differences along the row."""
    if page.predictor == 3:  # bytes of a row by significance, then their differences
        flat = np.add.accumulate(block, axis=1, dtype=np.uint8)
        rows, _, depth = block.shape
        planes = flat.reshape(rows, dtype.itemsize, -1)
        ordered = np.ascontiguousarray(planes.swapaxes(1, 2))
        return ordered.view(dtype.newbyteorder(">")).reshape(rows, -1, depth)
    if page.predictor == 2:
        whole = np.dtype(f"u{dtype.itemsize}")
        numbers = block.view(whole.newbyteorder(page.header.order)).astype(whole)
        return np.add.accumulate(numbers, axis=1, dtype=whole).view(dtype)
    return block


def _as_picture(page: Page, stored: NDArray[Any]) -> NDArray[Any]:
    """Samples in the range of their type, black 0; colours of a palette."""
    if page.photometric == _PALETTE:
        return _colored(page, stored)
    white = 2**page.bits - 1
    if page.photometric == _WHITE_IS_ZERO and stored.dtype.kind == "u":
        stored[..., 0] = white - stored[..., 0]
    if page.bits < 8:
        stored *= np.uint8(255 // white)
    if stored.dtype.kind == "f":
        return stored.astype(np.float32, copy=False)
    return stored


def _colored(page: Page, stored: NDArray[Any]) -> NDArray[Any]:
    """Colours of a palette, whose numbers have 16 bits; some writers use 8."""
    numbers = page.numbers(_COLOR_MAP)
    if len(numbers) != 3 << page.bits or max(numbers) > 65535:
        raise ImageError("is damaged: its palette has the wrong length")
    table = np.asarray(numbers, np.uint16).reshape(3, -1).T
    if table.max() > 255:
        table = table >> 8
    return np.ascontiguousarray(table.astype(np.uint8)[stored[..., 0]])


def unmultiply(color: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Divide colour (H x W x C) by alpha (H x W); black where alpha is 0."""
    white = np.iinfo(color.dtype).max if color.dtype.kind == "u" else 1.0
    wide = alpha[..., None].astype(np.float64)
    factor = np.divide(white, wide, out=np.zeros_like(wide), where=wide > 0)
    result = color * factor
    if color.dtype.kind == "u":
        result = np.minimum(np.rint(result), white)
    return result.astype(color.dtype)
