"""PSNR and SSIM by the protocol of papers on super-resolution.

Set5, Set14, B100 and Urban100 are compared so: the result is clipped and rounded
to 8 bits in RGB, a gray picture counts as three equal channels, both pictures are
turned to the luma of :mod:`zoo.metrics.luma` without rounding, as many border pixels
as the scale says are cut off, and the peak is 255 although luma ends at 235.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.metrics.arrays import require_same_shape
from zoo.metrics.luma import luma

__all__ = ["benchmark_planes"]


def benchmark_planes(
    sr: NDArray[Any], hr: NDArray[Any], border: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two luma planes that the protocol compares.

    Parameters
    ----------
    sr : ndarray, H x W x 3 (RGB), H x W x 1 or H x W
        The result, 0 to 255; clipped and rounded here.
    hr : ndarray, likewise
        The truth; gray and RGB may meet.
    border : int
        Pixels to cut off at each side, usually the scale.

    Returns
    -------
    tuple of two ndarrays, float64, (H - 2 border) x (W - 2 border)

    Raises
    ------
    ShapeError
        If height and width differ, or the border leaves nothing.
    """
    result, truth = luma(_eight_bit(sr)), luma(_eight_bit(hr))
    require_same_shape(result, truth, "the benchmark")
    if border < 0 or 2 * border >= min(truth.shape):
        raise ShapeError(
            f"a border of {border} leaves nothing of "
            f"{' x '.join(map(str, truth.shape))} pixels"
        )
    inside = slice(border, -border or None)
    return result[inside, inside], truth[inside, inside]


def _eight_bit(image: NDArray[Any]) -> NDArray[Any]:
    """Values as an 8-bit file would hold them."""
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    return np.clip(np.rint(image), 0, 255)
