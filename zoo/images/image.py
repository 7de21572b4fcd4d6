"""A picture in memory, with all that must survive from file to file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Image", "Metadata", "Tag"]


class Tag(NamedTuple):
    """A tag of a TIFF file; numbers are stored little-endian."""

    number: int
    type: int
    length: int
    data: bytes


@dataclass(frozen=True)
class Metadata:
    """What a file says of its picture beside the pixels.

    Attributes
    ----------
    exif : bytes
        A TIFF structure as it stands after ``Exif\\0\\0`` in a JPEG file; empty if
        there is none. Its orientation is 1: the pixels are turned already.
    icc : bytes
        An ICC colour profile, or empty.
    xmp : bytes
        An XMP packet (XML), or empty.
    dpi : tuple of float, or None
        Pixels per inch, horizontal and vertical.
    png : tuple of (bytes, bytes)
        Further chunks of a PNG file, type and data: text, gamma, primaries.
    iptc : bytes
        Records of IPTC-IIM (caption, keywords, copyright), or empty.
    comments : tuple of bytes
        Comments of a JPEG file, in whatever encoding.
    density : tuple of float, or None
        Pixels per unit where the unit is no inch: that which ``imagej`` states, or
        none at all.
    imagej : bytes
        ImageJ's description of a TIFF file, or empty.
    geo : tuple of Tag
        The tags of GeoTIFF.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    png: tuple[tuple[bytes, bytes], ...] = ()
    iptc: bytes = b""
    comments: tuple[bytes, ...] = ()
    density: tuple[float, float] | None = None
    imagej: bytes = b""
    geo: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class Image:
    """A picture, upright, in the order R, G, B.

    Attributes
    ----------
    pixels : ndarray, H x W x 1 (gray) or H x W x 3 (RGB); uint8, uint16 or float32
        Not multiplied by alpha. Floats have whatever range their file has.
    alpha : ndarray or None, H x W, the type of ``pixels``
        0 is transparent; 255, 65535 or 1.0 opaque.
    format : str
        Name of the format of the file it came from, as "png" or "jpg".
    is_lossless : bool
        Whether that file kept every value; matters for WebP, which can do both.
    metadata : Metadata
    notes : tuple of str
        What the reader of the file had to leave out or change, for people.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    format: str = "png"
    is_lossless: bool = True
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise ValueError(f"pixels of shape {self.pixels.shape} are no picture")
        if self.pixels.dtype.name not in ("uint8", "uint16", "float32"):
            raise ValueError(f"pixels of type {self.pixels.dtype} are no picture")
        if self.alpha is not None and (
            self.alpha.shape != self.pixels.shape[:2]
            or self.alpha.dtype != self.pixels.dtype
        ):
            raise ValueError("alpha must have the size and the type of the pixels")

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the pixels."""
        return self.pixels.dtype

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel, alpha not counted."""
        return bool(self.pixels.shape[2] == 1)

    @property
    def white(self) -> float:
        """The value of full alpha, and of white in integer pixels."""
        return 1.0 if self.dtype.kind == "f" else float(np.iinfo(self.dtype).max)

    @property
    def description(self) -> str:
        """In words, as ``640x480, 8-bit RGB + alpha``."""
        kind = {"uint8": "8-bit", "uint16": "16-bit"}.get(self.dtype.name, "float")
        color = "gray" if self.is_gray else "RGB"
        alpha = " + alpha" if self.alpha is not None else ""
        return f"{self.width}x{self.height}, {kind} {color}{alpha}"

    def with_pixels(
        self, pixels: NDArray[Any], alpha: NDArray[Any] | None = None
    ) -> Image:
        """The same picture with other pixels: format and metadata stay."""
        return replace(self, pixels=pixels, alpha=alpha)

    def noted(self, *notes: str) -> Image:
        """The same picture with further notes; empty ones do not count."""
        return replace(self, notes=(*self.notes, *filter(None, notes)))

    def as_lossy(self) -> Image:
        """The same picture, from a file that did not keep every value."""
        return replace(self, is_lossless=False)
