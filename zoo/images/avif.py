"""AVIF (AV1 Image File Format), decoded and encoded by OpenCV's libavif."""

from __future__ import annotations

import struct

import cv2
import numpy as np

from zoo.errors import ImageError
from zoo.images import codec
from zoo.images.image import Image, Metadata
from zoo.images.picture import (
    DEFAULT_QUALITY,
    PictureFormat,
    check_size,
    damage_note,
    widened,
)

__all__ = ["AVIF"]

_BRANDS = (b"avif", b"avis")
_RATIO = 1 << 12
_HEAD = 1 << 16  # the boxes before the pixels


class AVIF(PictureFormat):
    """AVIF files with one picture; written with 8 bits."""

    name = "avif"
    label = "AVIF"
    suffixes = (".avif",)
    dtypes = ("uint8",)
    max_side = 65536

    def recognise(self, head: bytes) -> bool:
        """Whether it is a file of ISO media of this brand."""
        if head[4:8] != b"ftyp":
            return False
        size = int.from_bytes(head[:4], "big")
        brands = head[8:12] + head[16 : min(size, len(head))]
        return any(brands[i : i + 4] in _BRANDS for i in range(0, len(brands), 4))

    def missing(self) -> str:
        """See :class:`zoo.formats.Format`."""
        if cv2.haveImageWriter("a.avif"):
            return ""
        return "the installed OpenCV cannot read; a newer one may"

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        head = data[:_HEAD]
        if data[8:12] == b"avis":
            raise ImageError("is animated; extract its frames first")
        sizes = list(_properties(head, b"ispe", ">4xII"))
        if not sizes:
            raise ImageError("is damaged: it does not state its size")
        # A grid states that of its tiles too.
        width, height = max(sizes, key=lambda size: size[0] * size[1])
        check_size(width, height, len(data), _RATIO)
        pixels, fault = codec.decode(data, damaged=damaged)
        pixels = codec.checked(pixels, width, height)
        notes = [damage_note(fault) if fault else ""]
        if pixels.dtype == np.uint16:
            (flags,) = next(iter(_properties(head, b"av1C", ">2xB")), (0x40,))
            most = 4095 if flags & 0x20 else 1023
            pixels = widened(pixels, most)
            notes.append(f"its {most.bit_length()} bits become 16")
        if b"Exif" in head or b"prof" in head or b"rICC" in head:
            notes.append("its EXIF and colour profile are left out")
        for (angle,) in _properties(head, b"irot", ">B"):
            pixels = np.rot90(pixels, angle & 3)
        for (axis,) in _properties(head, b"imir", ">B"):
            pixels = pixels[:, ::-1] if axis & 1 else pixels[::-1]
        image = codec.from_opencv(np.ascontiguousarray(pixels))
        return image.noted(*notes).as_lossy(), 1

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        options = [cv2.IMWRITE_AVIF_QUALITY, quality or DEFAULT_QUALITY]
        minimum = 1 if image.alpha is None else 3
        return codec.encode(".avif", codec.for_opencv(image, minimum), options)


def _properties(head: bytes, kind: bytes, form: str) -> list[tuple[int, ...]]:
    """The numbers at the beginning of every box of a kind."""
    found = []
    position = head.find(kind)
    while 0 <= position <= len(head) - 4 - struct.calcsize(form):
        found.append(struct.unpack_from(form, head, position + 4))
        position = head.find(kind, position + 4)
    return found
