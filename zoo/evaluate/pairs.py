"""Pictures in two sizes: what networks learn from and are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.degradation.degradation import Degradation
from zoo.errors import ImageError, ShapeError, UsageError
from zoo.images import read
from zoo.network import Network
from zoo.pixels import white_of
from zoo.resize import imresize
from zoo.volumes.geometry import Plane

__all__ = [
    "Pair",
    "cropped",
    "degraded",
    "low_and_high",
    "read_pair",
    "read_rgb",
    "whole_scale",
]

Pixels = NDArray[Any]


@dataclass(frozen=True)
class SliceOf:
    """Where a slice belongs.

    Attributes
    ----------
    volume : str
        Name of the file.
    number, count : int
        Of the slice, and of all slices of the volume.
    plane : Plane
    spacing : tuple of float
        Along the axes of the volume's array, before anything is made small.
    """

    volume: str
    number: int
    count: int
    plane: Plane
    spacing: tuple[float, float, float]


@dataclass(frozen=True)
class Pair:
    """One picture twice.

    Attributes
    ----------
    name : str
    low, high : ndarray, H x W x 3 and sH x sW x 3, RGB
        uint8, uint16, or float32, whose white is 1.0. Slices of volumes are floats
        that may go beyond.
    floor : float or None
        What is below is background, of slices of volumes.
    mask : ndarray, bool, sH x sW, or None
        What is measured apart.
    part : SliceOf or None
        Which slice of which volume it is.
    """

    name: str
    low: Pixels
    high: Pixels
    floor: float | None = None
    mask: NDArray[np.bool_] | None = None
    part: SliceOf | None = None

    @property
    def white(self) -> float:
        """The value of white."""
        return white_of(self.high.dtype)


def read_rgb(path: Path) -> Pixels:
    """Read a picture as H x W x 3, gray replicated, alpha ignored.

    Returns
    -------
    ndarray, uint8, uint16 or float32
        As the file has them.

    Raises
    ------
    ImageError
        If it cannot be read, or holds values that are not finite.
    """
    pixels = read(path).pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError(f"{path} holds NaN or infinity; fill them first")
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def cropped(high: NDArray[Any], scale: int) -> NDArray[Any]:
    """A picture without the rows and columns at the end that make no whole pixel."""
    height, width = (side - side % scale for side in high.shape[:2])
    return np.ascontiguousarray(high[:height, :width])


def low_and_high(high: NDArray[Any], scale: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A picture made small by MATLAB's bicubic, and what of it that shows."""
    high = cropped(high, scale)
    height, width = high.shape[:2]
    return imresize(high, size=(height // scale, width // scale)), high


def degraded(pair: Pair, how: Degradation) -> Pair:
    """A pair whose small picture is made worse, always in the same way."""
    if not how:
        return pair
    return replace(pair, low=how.of_picture(pair.name, pair.low, pair.high))


def read_pair(
    name: str,
    path: Path,
    small: Path | None,
    scale: int,
    read: Callable[[Path], Pixels] = read_rgb,
) -> Pair:
    """Read a picture in two sizes; without the small one it is made.

    Parameters
    ----------
    name : str
        Of the pair.
    path : Path
        The large picture, which is cropped to whole pixels of the small one.
    small : Path or None
    scale : int
    read : callable
        Gives a file's pixels.

    Raises
    ------
    ImageError
        If a file cannot be read.
    ShapeError
        If the picture is smaller than one pixel, enlarged.
    UsageError
        If the small picture is not that of the large one, by its size.
    """
    high = read(path)
    if min(high.shape[:2]) < scale:
        raise ShapeError(f"{path} is smaller than one pixel, enlarged {scale} times")
    if small is None:
        return Pair(name, *low_and_high(high, scale))
    high = cropped(high, scale)
    height, width = high.shape[:2]
    low = read(small)
    if (low.shape[0] * scale, low.shape[1] * scale) != (height, width):
        raise UsageError(
            f"{small} is {low.shape[1]} x {low.shape[0]} pixels, which times "
            f"{scale} is not the {width} x {height} of {path}"
        )
    return Pair(name, low, high)


def whole_scale(network: Network) -> int:
    """How many times a network enlarges pictures.

    Raises
    ------
    UsageError
        If that is no whole number, so that no pair of pictures fits.
    """
    scale = network.scale
    if scale < 1 or scale != int(scale):
        raise UsageError(
            f"{network.source} enlarges {scale:g} times; pairs of pictures need a "
            f"whole number"
        )
    return int(scale)
