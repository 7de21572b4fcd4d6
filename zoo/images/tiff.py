"""Reading TIFF files whose pixels OpenCV would change.

OpenCV multiplies 8-bit colour by alpha, drops the alpha of gray pictures and
knows no float16. Here plain TIFF is read exactly: strips and tiles, 8 to 64
bits, gray or RGB with or without alpha, uncompressed, deflate, LZW and PackBits,
all three predictors, BigTIFF. The rest (palettes, single bits, JPEG, fax) is
left to OpenCV. TIFF 6.0; Technical Note 3 for the floating-point predictor.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import codec, tiff_writer
from zoo.images.exif import orientation_of
from zoo.images.ifd import Directory, Layout, rational, read_directory, read_header
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size
from zoo.images.tiff_codecs import DECODERS
from zoo.images.tiff_writer import build_exif

__all__ = ["TIFF"]

_SUBFILE, _WIDTH, _LENGTH, _BITS, _COMPRESSION = 254, 256, 257, 258, 259
_PHOTOMETRIC, _FILL_ORDER, _STRIP_OFFSETS, _ORIENTATION = 262, 266, 273, 274
_SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _X_DPI, _Y_DPI = 277, 278, 279, 282, 283
_PLANAR, _UNIT, _PREDICTOR, _TILE_WIDTH, _TILE_LENGTH = 284, 296, 317, 322, 323
_TILE_OFFSETS, _TILE_BYTES, _EXTRA, _FORMAT = 324, 325, 338, 339
_XMP, _ICC = 700, 34675
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_UINT, _INT, _FLOAT = 1, 2, 3
_ASSOCIATED = 1
_SHORT = 3
_YCBCR = 6
_LZW = 5
_MAX_PAGES = 4096
_MAX_TILE = 4096
# LZW stores at best some 3,800 bytes in a code of 12 bits.
_MAX_RATIO = 3000


@dataclass(frozen=True)
class Page:
    """The first directory of a TIFF file, and the numbers most needed."""

    data: bytes
    layout: Layout
    entries: Directory
    width: int
    height: int

    def number(self, tag: int, default: int = 0) -> int:
        """The first value of a tag."""
        values = self.numbers(tag)
        return values[0] if values else default

    def numbers(self, tag: int) -> tuple[int, ...]:
        """All values of a tag, which are whole numbers from 0.

        Raises
        ------
        ImageError
            If they are not.
        """
        values = self.values(tag)
        if any(not isinstance(value, int) or value < 0 for value in values):
            raise ImageError(f"is damaged: TIFF tag {tag} makes no sense")
        return values

    def values(self, tag: int) -> tuple[Any, ...]:
        """All values of a tag, of whatever type; none if there is no such tag."""
        entry = self.entries.get(tag)
        return entry.values(self.layout) if entry is not None else ()

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag."""
        entry = self.entries.get(tag)
        return entry.data if entry is not None else b""

    @property
    def samples(self) -> int:
        """Values per pixel, alpha included."""
        return self.number(_SAMPLES, 1)

    @property
    def orientation(self) -> int:
        """As in EXIF."""
        return orientation_of(self.entries, self.layout)

    @property
    def has_alpha(self) -> bool:
        """Whether there is a sample that is no colour."""
        return self.samples > self.colors

    @property
    def is_multiplied(self) -> bool:
        """Whether colour is stored multiplied by alpha."""
        return self.has_alpha and self.number(_EXTRA) == _ASSOCIATED

    @property
    def colors(self) -> int:
        """Samples that are colour; the further ones are alpha or unknown."""
        return 3 if self.number(_PHOTOMETRIC) in (_RGB, _YCBCR) else 1


def read_page(data: bytes) -> Page:
    """Read the directory of the only picture in a file.

    Raises
    ------
    ImageError
        If it is damaged, has several pages, or is of a kind that no reader here
        takes: CMYK, signed or 32-bit integers, more than four channels.
    """
    layout, offset = read_header(data)
    entries, following = read_directory(data, offset, layout, strict=True)
    page = Page(data, layout, entries, 0, 0)
    page = Page(data, layout, entries, page.number(_WIDTH), page.number(_LENGTH))
    pages, seen = 1, {offset}
    while following and following not in seen and len(seen) < _MAX_PAGES:
        seen.add(following)
        try:
            other, following = read_directory(data, following, layout)
        except ImageError:
            break
        # Bit 0: a smaller version, bit 2: a mask. Neither is a picture of its own.
        kind = Page(data, layout, other, 0, 0).number(_SUBFILE)
        pages += not kind & 0b101
    if pages > 1:
        raise ImageError(f"has {pages} pages; split it into a file for each")
    if page.number(_PHOTOMETRIC, _BLACK_IS_ZERO) == _CMYK:
        raise ImageError("is CMYK; convert it to RGB by its colour profile first")
    kinds = set(page.numbers(_FORMAT)) or {_UINT}
    bits = set(page.numbers(_BITS)) or {1}
    if _INT in kinds:
        raise ImageError("holds signed integers; convert it to uint16 or float32")
    if kinds == {_UINT} and max(bits) > 16:
        raise ImageError("holds 32-bit integers; convert it to uint16 or float32")
    if page.samples > page.colors + 1:
        raise ImageError(
            f"has {page.samples} channels; zoo takes gray or RGB, with or without alpha"
        )
    return page


def metadata(page: Page) -> Metadata:
    """What the tags beside the pixels say."""
    unit = {2: 1.0, 3: 2.54}.get(page.number(_UNIT, 2))
    x, y = page.values(_X_DPI), page.values(_Y_DPI)
    dpi = None
    if unit and x and y and all(isinstance(value[0], tuple) for value in (x, y)):
        dpi = (rational(x[0]) * unit, rational(y[0]) * unit)
    return Metadata(
        exif=build_exif(page.data, page.entries, page.layout),
        icc=page.raw(_ICC),
        xmp=page.raw(_XMP),
        dpi=dpi if dpi and min(dpi) > 0 else None,
    )


def for_opencv(page: Page) -> bytes:
    """The file as OpenCV must see it to give the pixels as they are stored.

    It turns them by the orientation and, in 8 bits, multiplies colour by alpha
    unless that is said to be done already.
    """
    result = bytearray(page.data)
    for tag, value in ((_ORIENTATION, 1), (_EXTRA, _ASSOCIATED)):
        entry = page.entries.get(tag)
        if entry is not None and entry.type == _SHORT and entry.count == 1:
            at = entry.position + (12 if page.layout.is_big else 8)
            struct.pack_into(f"{page.layout.order}H", result, at, value)
    return bytes(result)


def decode(page: Page) -> NDArray[Any] | None:
    """Read the pixels as they are stored.

    Returns
    -------
    ndarray or None
        H x W x (1, 2, 3 or 4), black 0; uint8, uint16 or float32. None if the file
        is of a kind that is left to OpenCV.

    Raises
    ------
    ImageError
        If data are missing or damaged.
    """
    dtype = _dtype(page)
    decoder = DECODERS.get(page.number(_COMPRESSION, 1))
    photometric = page.number(_PHOTOMETRIC, -1)
    if (
        dtype is None
        or decoder is None
        or photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB)
        or page.samples < page.colors
        or page.number(_FILL_ORDER, 1) != 1
        or page.number(_PLANAR, 1) not in (1, 2)
        or page.number(_PREDICTOR, 1) not in (1, 2, 3)
        or _opencv_is_exact(page, dtype)
    ):
        return None
    pixels = _assemble(page, dtype, decoder)
    if photometric == _WHITE_IS_ZERO and dtype.kind == "u":
        pixels[..., 0] = np.iinfo(dtype).max - pixels[..., 0]
    if dtype.kind == "f":
        pixels = pixels.astype(np.float32, copy=False)
    return pixels


def _dtype(page: Page) -> np.dtype[Any] | None:
    """Native type of the stored samples, or None if it is not for this reader."""
    bits = set(page.numbers(_BITS))
    kinds = set(page.numbers(_FORMAT)) or {_UINT}
    if len(bits) != 1 or len(kinds) != 1:
        return None
    names = {
        (8, _UINT): "u1",
        (16, _UINT): "u2",
        (16, _FLOAT): "f2",
        (32, _FLOAT): "f4",
        (64, _FLOAT): "f8",
    }
    name = names.get((bits.pop(), kinds.pop()))
    return np.dtype(name) if name else None


def _opencv_is_exact(page: Page, dtype: np.dtype[Any]) -> bool:
    """Whether OpenCV reads an LZW file exactly, much faster than Python does."""
    return (
        page.number(_COMPRESSION) == _LZW
        and page.samples in (page.colors, 4)
        and dtype.kind == "u"
        and page.number(_PHOTOMETRIC) != _WHITE_IS_ZERO
        and page.number(_PLANAR, 1) == 1
    )


def _assemble(
    page: Page, dtype: np.dtype[Any], decoder: Callable[[bytes, int], bytes]
) -> NDArray[Any]:
    """Put strips or tiles together."""
    is_tiled = _TILE_OFFSETS in page.entries
    offsets = page.numbers(_TILE_OFFSETS if is_tiled else _STRIP_OFFSETS)
    counts = page.numbers(_TILE_BYTES if is_tiled else _STRIP_BYTES)
    width = page.number(_TILE_WIDTH) if is_tiled else page.width
    rows = page.number(_TILE_LENGTH if is_tiled else _ROWS_PER_STRIP, page.height)
    rows = rows if is_tiled else min(rows, page.height)
    planes = page.samples if page.number(_PLANAR, 1) == 2 else 1
    depth = page.samples // planes
    segment = rows * width * depth * dtype.itemsize
    whole = page.height * page.width * page.samples * dtype.itemsize
    if min(width, rows) < 1 or max(width - page.width, rows - page.height) > _MAX_TILE:
        raise ImageError("is damaged: its tiles make no sense")
    number = planes * -(-page.height // rows) * -(-page.width // width)
    if len(offsets) != number or len(counts) != number:
        raise ImageError("is damaged: it has the wrong number of strips or tiles")
    if whole > _MAX_RATIO * len(page.data):
        raise ImageError(
            f"claims {page.width}x{page.height} pixels, "
            f"more than its {len(page.data)} bytes can hold"
        )
    places = _places(page, planes, width, rows)
    result = np.zeros((page.height, page.width, page.samples), dtype)
    for (plane, top, left), offset, count in zip(places, offsets, counts, strict=True):
        if offset + count > len(page.data):
            raise ImageError("is truncated")
        # The last strip is as short as the picture; tiles are always whole.
        height = rows if is_tiled else min(rows, page.height - top)
        size = segment // rows * height
        raw = decoder(page.data[offset : offset + count], size)
        if len(raw) < size:
            raise ImageError("is truncated or damaged: a strip or tile is too short")
        block = _unpredict(raw[:size], (height, width, depth), dtype, page)
        part = block[: page.height - top, : page.width - left]
        last = plane + depth
        result[top : top + height, left : left + width, plane:last] = part
    return result


def _places(
    page: Page, planes: int, width: int, rows: int
) -> Iterator[tuple[int, int, int]]:
    """Plane, top and left of every strip or tile, in the order of storage."""
    for plane in range(planes):
        for top in range(0, page.height, rows):
            for left in range(0, page.width, width):
                yield plane, top, left


def _unpredict(
    raw: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any], page: Page
) -> NDArray[Any]:
    """Undo the predictor: samples are stored as differences along the row."""
    height, width, depth = shape
    predictor = page.number(_PREDICTOR, 1)
    if predictor == 3:  # bytes of a row by significance, then differences of bytes
        flat = np.frombuffer(raw, np.uint8).reshape(height, -1, depth)
        flat = np.add.accumulate(flat, axis=1, dtype=np.uint8)
        planes = flat.reshape(height, dtype.itemsize, width * depth)
        ordered = np.ascontiguousarray(planes.swapaxes(1, 2))
        return ordered.view(dtype.newbyteorder(">")).reshape(shape)
    stored = dtype.newbyteorder(page.layout.order)
    block = np.frombuffer(raw, stored).reshape(shape)
    if predictor == 2:
        whole = np.dtype(f"u{dtype.itemsize}")
        numbers = block.view(whole.newbyteorder(page.layout.order)).astype(whole)
        return np.add.accumulate(numbers, axis=1, dtype=whole).view(dtype)
    return block


def unmultiply(color: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Divide colour (H x W x C) by alpha (H x W); black where alpha is 0."""
    white = np.iinfo(color.dtype).max if color.dtype.kind == "u" else 1.0
    wide = alpha[..., None].astype(np.float64)
    factor = np.divide(white, wide, out=np.zeros_like(wide), where=wide > 0)
    result = color * factor
    if color.dtype.kind == "u":
        result = np.minimum(np.rint(result), white)
    return result.astype(color.dtype)


class TIFF(PictureFormat):
    """TIFF files, of 8 and 16 bits and floats."""

    name = "tiff"
    rank = 1
    label = "TIFF"
    suffixes = (".tiff", ".tif")
    dtypes = ("uint8", "uint16", "float32")
    keeps = ("exif", "icc", "xmp", "dpi")

    def recognise(self, head: bytes) -> bool:
        return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        page = read_page(data)
        check_size(page.width, page.height)
        planes = decode(page)
        if planes is not None:
            image = _from_planes(planes, page.colors)
        else:
            pixels = codec.decode(for_opencv(page))
            image = codec.from_opencv(codec.checked(pixels, page.width, page.height))
            if page.has_alpha and image.alpha is None:
                raise ImageError(
                    "has transparency stored in a way that zoo cannot read; save it "
                    "as PNG"
                )
        if page.is_multiplied and image.alpha is not None:
            image = replace(image, pixels=unmultiply(image.pixels, image.alpha))
        return replace(image, metadata=metadata(page)), page.orientation

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        planes = image.pixels
        if image.alpha is not None:
            planes = np.dstack([planes, image.alpha])
        return tiff_writer.encode(planes, image.alpha is not None, meta)


def _from_planes(stored: NDArray[Any], colors: int) -> Image:
    """Split stored channels, in the order R, G, B, A, into colour and alpha."""
    alpha = None
    if stored.shape[2] > colors:
        alpha = np.ascontiguousarray(stored[..., colors])
    return Image(np.ascontiguousarray(stored[..., :colors]), alpha)
