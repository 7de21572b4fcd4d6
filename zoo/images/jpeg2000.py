"""JPEG 2000 (ISO/IEC 15444-1), decoded and encoded by OpenCV's OpenJPEG."""

from __future__ import annotations

import struct
from typing import NamedTuple

import cv2
import numpy as np

from zoo.errors import DamagedError, ImageError
from zoo.images import codec
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note, widened

__all__ = ["JPEG2000"]

_BOX = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODE = b"\xff\x4f\xff\x51"  # start of a code stream, and its sizes
_RATIO = 1 << 12
_HEAD = 1 << 24  # bytes of boxes before the code stream
_SMALLEST = 32  # OpenCV has OpenJPEG halve it five times
_LOSSLESS = 1000  # per mille of the size that it has without loss


class _Header(NamedTuple):
    width: int
    height: int
    bits: int


def _header(data: bytes) -> _Header:
    start = data.find(_CODE, 0, _HEAD)
    if start < 0 or start + 42 > len(data):
        raise ImageError("is truncated")
    right, lower, left, upper = struct.unpack_from(">4I", data, start + 8)
    (count,) = struct.unpack_from(">H", data, start + 40)
    parts = data[start + 42 : start + 42 + 3 * count]
    if len(parts) < 3 * count or not count:
        raise ImageError("is truncated")
    if len(set(parts[::3])) > 1 or set(parts[1::3]) | set(parts[2::3]) != {1}:
        raise ImageError("has channels of different sizes or depths; convert it first")
    if parts[0] & 0x80:
        raise ImageError("holds signed integers; convert it to uint16 or float32")
    bits = (parts[0] & 0x7F) + 1
    if bits > 16 or count > 4:
        raise ImageError(f"has {count} channels of {bits} bits, which zoo cannot read")
    return _Header(right - left, lower - upper, bits)


class JPEG2000(PictureFormat):
    """JPEG 2000: 8 and 16 bits, without loss unless a quality is given."""

    name = "jp2"
    label = "JPEG 2000"
    suffixes = (".jp2", ".j2k", ".jpf", ".jpx", ".j2c")
    dtypes = ("uint8", "uint16")
    has_alpha = True

    def recognise(self, head: bytes) -> bool:
        """Whether it begins as a file, or as a bare code stream, does."""
        return head.startswith((_BOX, _CODE))

    def missing(self) -> str:
        """See :class:`zoo.formats.Format`."""
        if cv2.haveImageWriter("a.jp2"):
            return ""
        return "the installed OpenCV cannot read"

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        header = _header(data)
        check_size(header.width, header.height, len(data), _RATIO)
        try:
            pixels, fault = codec.decode(data, damaged=damaged)
        except DamagedError:
            raise
        except ImageError as error:
            raise ImageError(f"{error}; nothing of it can be read") from None
        pixels = codec.checked(pixels, header.width, header.height)
        notes = [damage_note(fault) if fault else ""]
        white = np.iinfo(pixels.dtype).max
        most = 2**header.bits - 1
        if most != white:
            pixels = widened(pixels, most)
            notes.append(f"its {header.bits} bits become {8 * pixels.dtype.itemsize}")
        if b"Exif" in data[:4096] or b"uuid" in data[:4096]:
            notes.append("its metadata are left out")
        return codec.from_opencv(pixels).noted(*notes), 1

    def misfit(self, item: Image, size: tuple[int, ...]) -> str:
        """See :class:`zoo.formats.Format`."""
        if min(size) < _SMALLEST:
            return f"pictures of less than {_SMALLEST} pixels a side"
        return super().misfit(item, size)

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        size = _LOSSLESS if quality is None else 5 * quality
        options = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, size]
        minimum = 1 if image.alpha is None else 3
        return codec.encode(".jp2", codec.for_opencv(image, minimum), options)
