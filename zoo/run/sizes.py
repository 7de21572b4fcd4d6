"""Any size: what a result is brought to, and how often a network runs for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.errors import UsageError
from zoo.images.geometry import scaled
from zoo.images.image import Image
from zoo.resize import imresize

__all__ = ["Wanted", "resized", "times"]

_LARGEST = 262_144  # pixels a side
_MOST_TIMES = 4


@dataclass(frozen=True)
class Wanted:
    """The size of a result, if it is not what the network makes.

    Attributes
    ----------
    size : tuple of int, or None
        Height and width.
    width : int or None
        The height follows.
    factor : float or None
        Times the size of the picture.
    """

    size: tuple[int, int] | None = None
    width: int | None = None
    factor: float | None = None

    @property
    def mark(self) -> str | None:
        """What stands in the name of the result; None for the network's scale."""
        if self.size is not None:
            return f"{self.size[1]}x{self.size[0]}"
        if self.width is not None:
            return f"w{self.width}"
        return None if self.factor is None else f"x{self.factor:g}"

    def of(self, height: int, width: int) -> tuple[int, int] | None:
        """Height and width of the result for a picture; None as the network has it.

        Raises
        ------
        UsageError
            If that is no size that a picture can have.
        """
        if self.size is not None:
            return self.size
        if self.width is not None:
            factor = self.width / width
            result = max(1, round(height * factor)), self.width
        elif self.factor is not None:
            factor = self.factor
            result = max(1, round(height * factor)), max(1, round(width * factor))
        else:
            return None
        if max(result) > _LARGEST:
            raise UsageError(
                f"{result[1]}x{result[0]} pixels are too many; a side has at most "
                f"{_LARGEST}"
            )
        return result


def times(size: tuple[int, int], wanted: tuple[int, int], scale: float) -> int:
    """How often a network runs so that it makes at least what is wanted.

    Parameters
    ----------
    size, wanted : tuple of int
        Height and width of the picture and of the result.
    scale : float
        Of the network.
    """
    if scale <= 1:
        return 1
    needed = max(new / old for new, old in zip(wanted, size, strict=True))
    count, reached = 1, scale
    while reached < needed * (1 - 1e-9) and count < _MOST_TIMES:
        count, reached = count + 1, reached * scale
    return count


def resized(image: Image, size: tuple[int, int]) -> Image:
    """A picture brought to a height and width by antialiased bicubic.

    Integers are rounded and clipped, alpha stays within its range; the metadata
    are made true of the new size.
    """
    old = (image.height, image.width)
    if old == size:
        return image
    pixels = imresize(image.pixels, size=size)
    alpha = image.alpha
    if alpha is not None:
        alpha = np.clip(imresize(alpha, size=size), 0, image.white).astype(alpha.dtype)
    meta = scaled(image.metadata, old, size)
    return Image(pixels, alpha, image.format, image.is_lossless, meta, image.notes)
