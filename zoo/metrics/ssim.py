"""Structural similarity."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.metrics.arrays import require_same_shape

__all__ = ["similarity", "ssim", "uniform_mean", "uniform_ssim"]

_SIZE = 11
_SIGMA = 1.5
_UNIFORM = 7
_K1, _K2 = 0.01, 0.03


def ssim(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """Mean structural similarity (Wang et al., 2004).

    At every pixel, with means m, variances v and covariance c of the two pictures
    under a Gaussian window of 11 x 11 pixels, sigma 1.5,

    SSIM = (2 m_a m_b + C1)(2 c + C2) / ((m_a^2 + m_b^2 + C1)(v_a + v_b + C2)),

    C1 = (0.01 peak)^2, C2 = (0.03 peak)^2; then the mean over the pixels whose window
    lies inside, and over channels.

    Parameters
    ----------
    a, b : ndarray, any real dtype, H x W or H x W x C, one shape
        At least 11 pixels high and wide.
    peak : float
        The largest value there can be, in the unit of the arrays.

    Returns
    -------
    float
        At most 1, which equal pictures have.

    Raises
    ------
    ShapeError
        If the shapes differ, or the pictures are smaller than the window.
    """
    require_same_shape(a, b, "SSIM")
    shape = np.shape(a)
    if len(shape) not in (2, 3) or min(shape[:2]) < _SIZE:
        raise ShapeError(
            f"SSIM needs pictures of at least {_SIZE} x {_SIZE} pixels, not "
            f"arrays of {' x '.join(map(str, shape))}"
        )
    if len(shape) == 2:
        return _ssim_of_channel(a, b, peak)
    return float(
        np.mean([_ssim_of_channel(a[..., c], b[..., c], peak) for c in range(shape[2])])
    )


def _ssim_of_channel(a: NDArray[Any], b: NDArray[Any], peak: float) -> float:
    x, y = np.ascontiguousarray(a, np.float64), np.ascontiguousarray(b, np.float64)
    mean_x, mean_y = _blur(x), _blur(y)
    variances = _blur(x * x) - mean_x**2 + _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    return similarity(mean_x, mean_y, variances, covariance, peak)


def similarity(
    mean_x: NDArray[np.float64],
    mean_y: NDArray[np.float64],
    variances: NDArray[np.float64],
    covariance: NDArray[np.float64],
    peak: float,
) -> float:
    """The mean of the formula of :func:`ssim`; ``variances`` are v_a + v_b."""
    c1, c2 = (_K1 * peak) ** 2, (_K2 * peak) ** 2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return float(np.mean(above / below))


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian mean at the pixels whose window lies inside."""
    offsets = np.arange(_SIZE) - _SIZE // 2
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    border = _SIZE // 2
    blurred = cv2.sepFilter2D(image, cv2.CV_64F, window, window)
    return np.asarray(blurred[border:-border, border:-border])


def uniform_mean(image: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Mean over ``side`` x ``side`` at the pixels whose window lies inside."""
    border = side // 2
    blurred = cv2.blur(np.ascontiguousarray(image), (side, side))
    return np.asarray(blurred[border:-border, border:-border])


def uniform_ssim(a: NDArray[Any], b: NDArray[Any], *, peak: float = 255.0) -> float:
    """Mean structural similarity under a uniform window of 7 x 7, of H x W pictures.

    What scikit-image computes unless it is told otherwise: variances and covariance
    are those of samples (divided by 48), and the mean is over pixels whose window lies
    inside. Higher than :func:`ssim` where pictures are smooth; say which one it is.

    Parameters and errors are those of :func:`ssim`.
    """
    require_same_shape(a, b, "SSIM")
    shape = np.shape(a)
    if len(shape) != 2 or min(shape) < _UNIFORM:
        raise ShapeError(
            f"this SSIM needs pictures H x W of at least {_UNIFORM} x {_UNIFORM}, not "
            f"arrays of {' x '.join(map(str, shape))}"
        )
    x, y = np.ascontiguousarray(a, np.float64), np.ascontiguousarray(b, np.float64)
    mean_x, mean_y, square_x, square_y, product = (
        uniform_mean(part, _UNIFORM) for part in (x, y, x * x, y * y, x * y)
    )
    of_samples = _UNIFORM**2 / (_UNIFORM**2 - 1)
    variances = of_samples * (square_x - mean_x**2 + square_y - mean_y**2)
    covariance = of_samples * (product - mean_x * mean_y)
    return similarity(mean_x, mean_y, variances, covariance, peak)
