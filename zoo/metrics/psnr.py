"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.arrays import of_volumes, require_same_shape

__all__ = ["psnr", "psnr_3d"]


def psnr(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """20 log10(peak / sqrt(MSE)), MSE being the mean of (a - b)^2.

    Parameters
    ----------
    a, b : ndarray, any real dtype, one shape
    peak : float
        The largest value there can be, in the unit of the arrays.

    Returns
    -------
    float
        Decibels; infinity for equal arrays, NaN if a value is NaN.

    Raises
    ------
    ShapeError
        If the shapes differ or the arrays are empty.
    """
    require_same_shape(a, b, "PSNR")
    difference = np.subtract(a, b, dtype=np.float64)
    mse = float(np.mean(np.square(difference, out=difference)))
    if mse == 0:
        return math.inf
    return 20 * math.log10(peak / math.sqrt(mse))


@of_volumes
def psnr_3d(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """PSNR of a whole volume: of one mean squared error over all its voxels.

    Lower than the mean of its slices' PSNR, which the dark ones at the ends lift.
    Parameters and errors are those of :func:`psnr`.
    """
    return psnr(a, b, peak=peak)
