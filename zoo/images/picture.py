"""What the formats of pictures have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import replace
from typing import IO, Any, ClassVar

from zoo.errors import ImageError
from zoo.formats import Format, Source
from zoo.images import exif
from zoo.images.image import Image, Metadata

__all__ = ["DEFAULT_QUALITY", "MAX_PIXELS", "PictureFormat", "check_size"]

MAX_PIXELS = 2**29
"""Largest number of pixels that is decoded, unless ``ZOO_MAX_PIXELS`` says more.

A file of a few kilobytes can claim any size; its header is looked at first.
"""

DEFAULT_QUALITY = 95
"""Of lossy formats, from 1 to 100."""

_METADATA = {
    "exif": "EXIF",
    "icc": "a colour profile",
    "xmp": "XMP",
    "dpi": "the resolution",
    "png": "text and gamma",
}


class PictureFormat(Format):
    """A format of pictures that are read and written as a whole.

    Attributes
    ----------
    dtypes : tuple of str
        Types of pixels that it holds.
    has_alpha : bool
    max_side : int
        Largest width and height that a file can have.
    max_bytes : int
        Most bytes of pixels, not compressed.
    keeps : collection of str
        The fields of :class:`zoo.images.Metadata` that it holds.
    """

    kind = "picture"
    dtypes: ClassVar[tuple[str, ...]] = ("uint8",)
    has_alpha: ClassVar[bool] = True
    max_side: ClassVar[int] = 2**31 - 1
    max_bytes: ClassVar[int] = 2**63 - 1
    keeps: ClassVar[Collection[str]] = ()

    @abstractmethod
    def stored(self, data: bytes, *, damaged: bool) -> tuple[Image, int]:
        """A file's picture as it is stored, and its orientation from 1 to 8.

        Raises
        ------
        ImageError
            The rest of a sentence that begins with the name of the file.
        """

    @abstractmethod
    def bytes_of(self, image: Image, meta: Metadata, quality: int | None) -> bytes:
        """A file of a picture that fits, with metadata that are true of it."""

    def read(self, source: Source, *, damaged: bool = False) -> Image:
        """Read a picture; see :class:`zoo.formats.Format`."""
        return self.decode(source.file.read(), damaged=damaged)

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Write a picture; see :class:`zoo.formats.Format`."""
        file.write(self.encode(item, quality=quality))

    def decode(self, data: bytes, *, damaged: bool = False) -> Image:
        """Make a picture, upright, of the bytes of a file."""
        image, orientation = self.stored(data, damaged=damaged)
        return _upright(replace(image, format=self.name), orientation)

    def encode(self, image: Image, *, quality: int | None = None) -> bytes:
        """Make the bytes of a file; the metadata are made true of the picture."""
        reason = self.misfit(image, (image.height, image.width))
        if reason:
            raise ImageError(f"{self.name} cannot hold {reason}")
        icc = image.metadata.icc
        if icc[16:20] not in ((b"GRAY",) if image.is_gray else (b"RGB ",)):
            icc = b""  # a profile of another kind of colour
        meta = replace(
            image.metadata,
            exif=exif.update(image.metadata.exif, image.height, image.width),
            icc=icc,
        )
        return self.bytes_of(image, meta, quality)

    def misfit(self, item: Image, size: tuple[int, ...]) -> str:
        """What of a picture the format cannot hold; see :class:`zoo.formats.Format`."""
        height, width = size
        if not self.can_write:
            return "anything that zoo makes, for it only reads it"
        if item.dtype.name not in self.dtypes:
            return {
                "uint8": "8-bit pixels",
                "uint16": "16-bit pixels",
                "float32": "floating-point pixels",
            }[item.dtype.name]
        if item.alpha is not None and not self.has_alpha:
            return "transparency"
        if max(height, width) > self.max_side:
            return f"{width}x{height} pixels (at most {self.max_side} a side)"
        samples = 4 if item.alpha is not None else 1 if item.is_gray else 3
        if height * width * samples * item.dtype.itemsize > self.max_bytes:
            return f"{width}x{height} pixels (at most {self.max_bytes / 1e9:.1f} GB)"
        return ""

    def losses(self, item: Image) -> tuple[str, ...]:
        """What of the metadata the format has no place for."""
        return tuple(
            words
            for field, words in _METADATA.items()
            if getattr(item.metadata, field) and field not in self.keeps
        )


def check_size(width: int, height: int) -> None:
    """Refuse no pixels at all, and more than the limit."""
    if width < 1 or height < 1:
        raise ImageError("is damaged: it has no pixels")
    limit = MAX_PIXELS
    text = os.environ.get("ZOO_MAX_PIXELS", "")
    if text.isdecimal():
        limit = int(text)
    if width * height > limit:
        raise ImageError(
            f"has {width}x{height} pixels, above the limit of {limit} "
            f"(ZOO_MAX_PIXELS sets it)"
        )


def _upright(image: Image, orientation: int) -> Image:
    """Apply an orientation, and say in the metadata that it was applied."""
    pixels = exif.orient(image.pixels, orientation)
    alpha = None if image.alpha is None else exif.orient(image.alpha, orientation)
    old = image.metadata
    dpi = old.dpi
    if dpi is not None and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    height, width = pixels.shape[:2]
    meta = replace(old, exif=exif.update(old.exif, height, width), dpi=dpi)
    return replace(image, pixels=pixels, alpha=alpha, metadata=meta)
