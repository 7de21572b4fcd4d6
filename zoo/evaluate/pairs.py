"""Pictures in two sizes: what networks learn from and are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ShapeError, UsageError
from zoo.images import read
from zoo.network import Network
from zoo.resize import imresize

__all__ = ["Pair", "cropped", "low_and_high", "read_pair", "read_rgb", "whole_scale"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pair:
    """One picture twice: H x W x 3 and sH x sW x 3, uint8, RGB."""

    name: str
    low: Pixels
    high: Pixels


def read_rgb(path: Path) -> Pixels:
    """Read a picture as H x W x 3 of 8 bits, gray replicated, alpha ignored.

    16 bits are rounded to 8, which is all that the protocol compares.

    Raises
    ------
    ImageError
        If it cannot be read, or holds floats, whose white nobody knows.
    """
    pixels = read(path).pixels
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / np.float32(257)).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ImageError(f"{path} holds floats; save it with 8 or 16 bits")
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
