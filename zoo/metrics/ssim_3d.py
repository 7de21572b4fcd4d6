"""Structural similarity of volumes."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.metrics.arrays import of_volumes, require_same_shape
from zoo.metrics.ssim import similarity, uniform_mean

__all__ = ["ssim_3d"]

_SIDE = 7


@of_volumes
def ssim_3d(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """Mean structural similarity (Wang et al., 2004) under a cube of 7 x 7 x 7 voxels.

    The formula is that of :func:`zoo.metrics.ssim.ssim`, with means, variances and the
    covariance taken over cubes instead of squares, so that slices which flicker against
    each other score lower. The window is uniform, variances are those of samples
    (divided by 342), and the mean is over voxels whose cube lies inside: what
    scikit-image computes of three axes. Seven slices are in memory at a time.

    Parameters
    ----------
    a, b : ndarray, any real dtype, S x H x W, one shape
        At least 7 voxels along each axis.
    peak : float
        The largest value there can be, in the unit of the arrays.

    Returns
    -------
    float
        At most 1, which equal volumes have.

    Raises
    ------
    ShapeError
        If the shapes differ, or the volumes are smaller than the cube.
    """
    require_same_shape(a, b, "SSIM")
    shape = np.shape(a)
    if len(shape) != 3 or min(shape) < _SIDE:
        raise ShapeError(
            f"SSIM of volumes needs at least {_SIDE} voxels along three axes, not "
            f"arrays of {' x '.join(map(str, shape))}"
        )
    of_samples = _SIDE**3 / (_SIDE**3 - 1)
    means: deque[NDArray[np.float64]] = deque(maxlen=_SIDE)
    total = 0.0
    for one, other in zip(a, b, strict=True):
        x, y = np.asarray(one, np.float64), np.asarray(other, np.float64)
        parts = (x, y, x * x, y * y, x * y)
        means.append(np.stack([uniform_mean(part, _SIDE) for part in parts]))
        if len(means) < _SIDE:
            continue
        mean_x, mean_y, square_x, square_y, product = np.mean(means, axis=0)
        variances = of_samples * (square_x - mean_x**2 + square_y - mean_y**2)
        covariance = of_samples * (product - mean_x * mean_y)
        total += similarity(mean_x, mean_y, variances, covariance, peak)
    return total / (shape[0] - _SIDE + 1)
