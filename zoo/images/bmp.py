"""BMP files."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import NamedTuple

from zoo.errors import DamagedError, ImageError
from zoo.images import codec
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note

__all__ = ["BMP"]

_METERS_PER_INCH = 0.0254
_RATIO = 128  # run lengths: 255 pixels in two bytes


class Header(NamedTuple):
    """What the file says before its pixels."""

    width: int
    height: int


def read_header(data: bytes) -> Header:
    """Size of the picture.

    Raises
    ------
    ImageError
        If the file is truncated or its pixels are not all there.
    """
    if len(data) < 26:
        raise ImageError("is truncated")
    offset, size = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    elif len(data) >= 54 and size >= 40:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    else:
        raise ImageError("is damaged: it has no BMP header")
    height = abs(height)  # negative: rows from the top
    is_plain = compression in (0, 3)
    if is_plain and (width * bits + 31) // 32 * 4 * height > len(data) - offset:
        raise DamagedError("is truncated")
    if compression in (1, 2) and not _is_whole(
        data, offset, width, height, compression
    ):
        raise DamagedError("is damaged: its run lengths make no sense")
    return Header(width, height)


def _is_whole(
    data: bytes, position: int, width: int, height: int, compression: int
) -> bool:
    """Whether run lengths stay inside of the picture and come to their end."""
    x = y = 0
    while position + 2 <= len(data):
        count, value = data[position], data[position + 1]
        position += 2
        if count:
            x += count
        elif value == 1:
            return True
        elif value == 0:
            x, y = 0, y + 1
        elif value == 2:
            if position + 2 > len(data):
                return False
            x, y = x + data[position], y + data[position + 1]
            position += 2
        else:
            x += value
            size = value if compression == 1 else (value + 1) // 2
            position += size + size % 2
        # The end of the last row may stand before that of the picture.
        if x > width or y > height or (y == height and x):
            return False
    return False


def _filled(data: bytes) -> bytes:
    """A truncated file with black where it ends.

    Raises
    ------
    ImageError
        If its runs make no sense, for nobody knows where they go on.
    """
    offset, size = struct.unpack_from("<II", data, 10)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in (0, 3):
        raise ImageError("is damaged: its run lengths make no sense")
    check_size(width, abs(height), len(data), _RATIO)
    if offset > len(data):
        raise ImageError("is truncated before its pixels")
    whole = offset + (width * bits + 31) // 32 * 4 * abs(height)
    return bytes(data).ljust(whole, b"\0")


def metadata(data: bytes) -> Metadata:
    """Resolution, the only thing that a BMP file says beside the pixels."""
    (size,) = struct.unpack_from("<I", data, 14)
    if size < 40:
        return Metadata()
    x, y = struct.unpack_from("<ii", data, 38)
    if x <= 0 or y <= 0:
        return Metadata()
    return Metadata(dpi=(x * _METERS_PER_INCH, y * _METERS_PER_INCH))


def embed(data: bytes, meta: Metadata) -> bytes:
    """Put the resolution into a BMP file."""
    (size,) = struct.unpack_from("<I", data, 14)
    if meta.dpi is None or size < 40:
        return data
    x, y = (min(round(value / _METERS_PER_INCH), 2**31 - 1) for value in meta.dpi)
    return data[:38] + struct.pack("<ii", x, y) + data[46:]


class BMP(PictureFormat):
    """Windows bitmaps."""

    name = "bmp"
    rank = 4
    label = "BMP"
    suffixes = (".bmp", ".dib")
    # The header holds the length of the file; OpenCV counts in 31 bits.
    max_bytes = 2**31 - 2**16
    keeps = ("dpi",)

    def recognise(self, head: bytes) -> bool:
        return head.startswith(b"BM")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        note = ""
        try:
            header = read_header(data)
        except DamagedError as error:
            if not damaged:
                raise
            note = damage_note(str(error))
            data = _filled(data)
            header = read_header(data)
        check_size(header.width, header.height, len(data), _RATIO)
        pixels, fault = codec.decode(data, damaged=damaged)
        image = codec.from_opencv(codec.checked(pixels, header.width, header.height))
        note = note or (damage_note(fault) if fault else "")
        return replace(image, metadata=metadata(data)).noted(note), 1

    def end(self, data: bytes) -> int | None:
        """See :class:`zoo.images.picture.PictureFormat`."""
        (size,) = struct.unpack_from("<I", data, 2)
        return size if 54 <= size <= len(data) else None

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        pixels = codec.for_opencv(image, 1 if image.alpha is None else 3)
        return embed(codec.encode(".bmp", pixels, []), meta)
