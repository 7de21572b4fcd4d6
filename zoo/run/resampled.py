"""What goes beside a network: colour spaces and bicubic enlargement, part by part.

Every value is computed by the same operations whatever part of a picture is asked for:
OpenCV's own routines round otherwise at the end of a row, or far to the right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.program.geometry import Window

__all__ = ["bicubic", "bicubic_reads", "from_ycrcb", "to_ycrcb"]

Floats = NDArray[np.float32]
_A = -0.75  # OpenCV's


def to_ycrcb(color: NDArray[Any], white: float) -> Floats:
    """RGB, H x W x 3, as BT.601's Y, Cr, Cb over the full range, for white 1.

    Y = 0.299 R + 0.587 G + 0.114 B, Cr = 0.713 (R - Y) + 0.5,
    Cb = 0.564 (B - Y) + 0.5, as OpenCV has them.
    """
    rgb = color.astype(np.float32) / np.float32(white)
    red, green, blue = (rgb[..., channel] for channel in range(3))
    luma = red * np.float32(0.299)
    luma += green * np.float32(0.587)
    luma += blue * np.float32(0.114)
    result = np.empty_like(rgb)
    result[..., 0] = luma
    half = np.float32(0.5)
    result[..., 1] = (red - luma) * np.float32(0.713) + half
    result[..., 2] = (blue - luma) * np.float32(0.564) + half
    return result


def from_ycrcb(luma: Floats, chroma: Floats, white: float) -> Floats:
    """The inverse: R = Y + 1.403 (Cr - 0.5), B = Y + 1.773 (Cb - 0.5), and G.

    Parameters
    ----------
    luma : ndarray, H x W
    chroma : ndarray, H x W x 2
    white : float
        Of the result.
    """
    red, blue = (chroma[..., channel] - np.float32(0.5) for channel in range(2))
    result = np.empty((*luma.shape, 3), np.float32)
    result[..., 0] = luma + np.float32(1.403) * red
    result[..., 1] = luma - np.float32(0.714) * red - np.float32(0.344) * blue
    result[..., 2] = luma + np.float32(1.773) * blue
    result *= np.float32(white)
    return result


def bicubic(
    values: NDArray[Any],
    have: Window,
    size: tuple[int, int],
    want: Window,
    wanted: tuple[int, int],
    limits: tuple[float, float] | None = None,
) -> Floats:
    """A part of a picture's enlargement by bicubic (Keys, 1981, a = -0.75).

    Pixels are areas, centres aligned; the edge pixel is repeated outwards.

    Parameters
    ----------
    values : ndarray, H x W or H x W x C
        The part ``have`` of the picture; at least :func:`bicubic_reads`.
    have : Window
    size : tuple of int
        Of the whole picture.
    want : Window
        Of the result.
    wanted : tuple of int
        Size of the whole result.
    limits : tuple of float, optional
        Values are clipped to them after each axis.

    Returns
    -------
    ndarray, float32
    """
    result = values.astype(np.float32, copy=False)
    for axis in (1, 0):  # rows are shorter before they are enlarged
        places, weights = _taps(size[axis], wanted[axis], *want[axis])
        places -= have[axis][0]
        shape = [1] * result.ndim
        shape[axis] = -1
        total = np.take(result, places[0], axis) * weights[0].reshape(shape)
        for place, weight in zip(places[1:], weights[1:], strict=True):
            total += np.take(result, place, axis) * weight.reshape(shape)
        result = total if limits is None else np.clip(total, *limits, out=total)
    return result


def bicubic_reads(
    size: tuple[int, int], want: Window, wanted: tuple[int, int]
) -> Window:
    """The part of a picture that :func:`bicubic` needs."""
    ranges = []
    for axis in (0, 1):
        places, _ = _taps(size[axis], wanted[axis], *want[axis])
        ranges.append((int(places.min()), int(places.max()) + 1))
    return Window(*ranges)


def _taps(
    length: int, size: int, start: int, stop: int
) -> tuple[NDArray[np.int64], Floats]:
    """Four places and weights for each of the results from start to stop."""
    above = (2 * np.arange(start, stop, dtype=np.int64) + 1) * length - size
    first, rest = np.divmod(above, 2 * size)
    reach = np.arange(-1, 3)[:, None]
    distance = np.abs(rest / (2 * size) - reach)
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = ((_A * distance - 5 * _A) * distance + 8 * _A) * distance - 4 * _A
    weights = np.where(distance <= 1, near, far).astype(np.float32)
    return np.clip(first + reach, 0, length - 1), weights
