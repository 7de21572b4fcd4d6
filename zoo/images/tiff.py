"""TIFF files: read and written here, for OpenCV changes what they hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.images import tiff_writer
from zoo.images.image import Image, Metadata
from zoo.images.picture import PictureFormat, check_size, damage_note
from zoo.images.tiff_metadata import metadata
from zoo.images.tiff_page import Page, read_page
from zoo.images.tiff_pixels import decode, unmultiply

__all__ = ["TIFF", "image_of"]

_RATIO = 1 << 16  # a white row of Group 4 is one bit
_LOSSY = 7  # JPEG


class TIFF(PictureFormat):
    """TIFF files, of 8 and 16 bits and floats."""

    name = "tiff"
    rank = 1
    label = "TIFF"
    suffixes = (".tiff", ".tif")
    dtypes = ("uint8", "uint16", "float32")
    keeps = ("exif", "icc", "xmp", "dpi", "iptc", "density", "imagej", "geo")

    def recognise(self, head: bytes) -> bool:
        """Whether a file begins as TIFF or BigTIFF does."""
        return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """See :class:`zoo.images.picture.PictureFormat`."""
        page = read_page(data)
        check_size(page.width, page.height, len(data), _RATIO)
        planes, fault = decode(page, damaged=damaged)
        image = image_of(page, planes)
        meta, notes = metadata(page)
        if fault:
            notes = (damage_note(fault), *notes)
        if page.is_alpha_assumed:
            notes += (
                "its fourth channel says nothing of itself; it is taken for alpha",
            )
        return replace(
            image,
            metadata=meta,
            notes=notes,
            is_lossless=page.compression != _LOSSY,
        ), page.orientation

    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """See :class:`zoo.images.picture.PictureFormat`."""
        planes = image.pixels
        if image.alpha is not None:
            planes = np.dstack([planes, image.alpha])
        return tiff_writer.encode(planes, image.alpha is not None, meta)


def image_of(page: Page, stored: NDArray[Any]) -> Image:
    """A picture of stored channels, in the order R, G, B, A; colour without alpha in it."""
    channels = stored.shape[2]
    if not page.has_alpha:
        return Image(stored)
    alpha = np.ascontiguousarray(stored[..., -1])
    pixels = np.ascontiguousarray(stored[..., : channels - 1])
    if page.is_multiplied:
        pixels = unmultiply(pixels, alpha)
    return Image(pixels, alpha)
