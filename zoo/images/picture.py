"""What the formats of pictures have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Collection
from dataclasses import replace
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.formats import HEAD, Format, Source, recognise, require_few
from zoo.images import exif, xmp
from zoo.images.image import Image, Metadata

__all__ = [
    "DEFAULT_QUALITY",
    "MAX_PIXELS",
    "PictureFormat",
    "check_size",
    "damage_note",
    "lost_metadata",
    "upright",
    "widened",
    "written_metadata",
]

MAX_PIXELS = 2**29
"""Largest number of pixels that is decoded, unless ``ZOO_MAX_PIXELS`` says more.

A file of a few kilobytes can claim any size; its header is looked at first.
"""

_BELIEVED = 2**24
"""Pixels that any file may claim: no more memory than a small picture takes."""

DEFAULT_QUALITY = 95
"""Of lossy formats, from 1 to 100."""

_METADATA = {
    "exif": "EXIF",
    "icc": "a colour profile",
    "xmp": "XMP",
    "dpi": "the resolution",
    "png": "text or gamma of PNG",
    "iptc": "IPTC",
    "comments": "comments",
    "density": "pixels per unit",
    "imagej": "ImageJ's description",
    "geo": "a georeference",
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

    def end(self, data: bytes) -> int | None:
        """Where in a whole file the picture ends; None where nothing may follow."""
        return None

    def read(self, source: Source, *, damaged: bool = False) -> Image:
        """Read a picture; see :class:`zoo.formats.Format`."""
        data = source.content()
        image = self.decode(data, damaged=damaged)
        end = self.end(data)
        rest = b"" if end is None else data[end : end + HEAD].lstrip(b"\0\r\n")
        if rest and recognise(rest) is not None:
            if source.path is None:
                raise ImageError("holds a second picture; give them one by one")
            return image.noted(
                "a second picture, which follows in the file, is left out"
            )
        return image

    def write(self, file: IO[bytes], item: Any, *, quality: int | None = None) -> None:
        """Write a picture; see :class:`zoo.formats.Format`."""
        file.write(self.encode(item, quality=quality))

    def decode(self, data: bytes, *, damaged: bool = False) -> Image:
        """Make a picture, upright, of the bytes of a file."""
        image, orientation = self.stored(data, damaged=damaged)
        return upright(replace(image, format=self.name), orientation)

    def encode(self, image: Image, *, quality: int | None = None) -> bytes:
        """Make the bytes of a file; the metadata are made true of the picture."""
        size = image.height, image.width
        self.require_fit(image, size)
        return self.bytes_of(image, written_metadata(image, size), quality)

    def require_fit(self, image: Image, size: tuple[int, int]) -> None:
        """Raise ImageError if the format cannot hold a picture."""
        reason = self.misfit(image, size)
        if reason:
            raise ImageError(f"{self.name} cannot hold {reason}")

    def misfit(self, item: Image, size: tuple[int, ...]) -> str:
        """What of a picture the format cannot hold; see :class:`zoo.formats.Format`."""
        if not isinstance(item, Image):
            return "a volume"
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
        meta = item.metadata
        lost = list(lost_metadata(meta, self.keeps))
        if meta.icc and "icc" in self.keeps and not _is_of_color(meta.icc, item):
            lost.append("a profile of another kind of colour")
        return tuple(lost)


def lost_metadata(meta: Metadata, keeps: Collection[str] = ()) -> tuple[str, ...]:
    """Names of what metadata hold beside the fields that are kept."""
    return tuple(
        words
        for field, words in _METADATA.items()
        if getattr(meta, field) and field not in keeps
    )


def written_metadata(image: Image, size: tuple[int, int]) -> Metadata:
    """The metadata of a picture as they are true of a file of some height and width."""
    old = image.metadata
    return replace(
        old,
        exif=exif.update(old.exif, *size),
        xmp=xmp.update(old.xmp, *size, upright=False),
        icc=old.icc if _is_of_color(old.icc, image) else b"",
    )


def _is_of_color(icc: bytes, image: Image) -> bool:
    """Whether a profile describes gray for a gray picture, RGB for a coloured one."""
    return icc[16:20] == (b"GRAY" if image.is_gray else b"RGB ")


def widened(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Integers from 0 to ``most`` over the whole range of their 8 or 16 bits."""
    white = int(np.iinfo(values.dtype).max)
    if most == white:
        return values
    numbers = np.minimum(np.arange(white + 1, dtype=np.int64), most)
    table = (numbers * white + most // 2) // most
    return table.astype(values.dtype)[values]


def damage_note(fault: str) -> str:
    """What a reader says of a damaged picture that it was told to read."""
    fault = fault.removeprefix("is damaged: ").removeprefix("is ")
    return f"is damaged, and was read as far as it can be: {fault}"


def check_size(width: int, height: int, size: int, ratio: int) -> None:
    """Refuse no pixels at all, more than the limit, and more than there can be.

    Parameters
    ----------
    width, height : int
        What a header says.
    size : int
        Bytes of the file.
    ratio : int
        Pixels that a byte of the format stands for at most, or as good as always.
        More than that are only believed of small pictures, unless
        ``ZOO_MAX_PIXELS`` allows them by name.
    """
    if width < 1 or height < 1:
        raise ImageError("is damaged: it has no pixels")
    pixels = width * height
    require_few(pixels)
    text = os.environ.get("ZOO_MAX_PIXELS", "")
    stated = int(text) if text.isdecimal() else None
    limit = MAX_PIXELS if stated is None else stated
    if pixels > limit:
        raise ImageError(
            f"has {width}x{height} pixels, above the limit of {limit} "
            f"(ZOO_MAX_PIXELS sets it)"
        )
    if stated is None and pixels > max(_BELIEVED, ratio * size):
        raise ImageError(
            f"claims {width}x{height} pixels in {size} bytes; if that is true, "
            f"ZOO_MAX_PIXELS={pixels} lets zoo read it"
        )


def upright(image: Image, orientation: int) -> Image:
    """Apply an orientation, and say in the metadata that it was applied."""
    pixels = exif.orient(image.pixels, orientation)
    alpha = None if image.alpha is None else exif.orient(image.alpha, orientation)
    old = image.metadata
    dpi, density = old.dpi, old.density
    if orientation >= 5:
        dpi = dpi and (dpi[1], dpi[0])
        density = density and (density[1], density[0])
    height, width = pixels.shape[:2]
    # Where EXIF says how the picture stands, it is EXIF that readers believe.
    stated = orientation != 1 or exif.states_orientation(old.exif)
    meta = replace(
        old,
        exif=exif.update(old.exif, height, width),
        xmp=xmp.update(old.xmp, height, width, upright=stated),
        dpi=dpi,
        density=density,
    )
    return replace(image, pixels=pixels, alpha=alpha, metadata=meta)
