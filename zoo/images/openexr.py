"""OpenEXR, where the installed OpenCV reads it (its builds of version 4 do)."""

from __future__ import annotations

import os
import struct

import cv2
import numpy as np

from zoo.errors import ImageError
from zoo.images import codec
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note

__all__ = ["OpenEXR"]

_MAGIC = b"v/1\x01"
_RATIO = 1 << 10
_HEAD = 1 << 20  # bytes of attributes


class OpenEXR(PictureFormat):
    """OpenEXR files of one part: half or single floats, read as float32."""

    name = "exr"
    label = "OpenEXR"
    suffixes = (".exr",)
    dtypes = ("float32",)

    def recognise(self, head: bytes) -> bool:
        """Whether it begins with the magic number."""
        return head.startswith(_MAGIC)

    def missing(self) -> str:
        """See :class:`zoo.formats.Format`."""
        # OpenCV is built with it or not, and asks to be told.
        os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
        if cv2.haveImageWriter("a.exr"):
            return ""
        return "the installed OpenCV cannot read; convert it to TIFF"

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        width, height = _size(data)
        check_size(width, height, len(data), _RATIO)
        pixels, fault = codec.decode(data, damaged=damaged)
        image = codec.from_opencv(codec.checked(pixels, width, height))
        return image.noted(damage_note(fault) if fault else ""), 1

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        minimum = 1 if image.alpha is None else 3
        pixels = codec.for_opencv(image, minimum).astype(np.float32, copy=False)
        return codec.encode(".exr", pixels, [])


def _size(data: bytes) -> tuple[int, int]:
    """Width and height of the data window, an attribute of the header."""
    position = 8
    while position < min(len(data), _HEAD) and data[position]:
        name, _, rest = data[position : position + 256].partition(b"\0")
        kind, _, _ = rest.partition(b"\0")
        start = position + len(name) + len(kind) + 2
        if start + 4 > len(data):
            break
        (size,) = struct.unpack_from("<i", data, start)
        if size < 0:
            break
        if name == b"dataWindow" and size == 16 and start + 20 <= len(data):
            left, upper, right, lower = struct.unpack_from("<4i", data, start + 4)
            return right - left + 1, lower - upper + 1
        position = start + 4 + size
    raise ImageError("is damaged: it does not state its size")
