"""The luma that papers on super-resolution measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError

__all__ = ["luma"]

# ITU-R BT.601, studio range, for R, G, B from 0 to 1.
_OFFSET = 16.0
_COEFFICIENTS = (65.481, 128.553, 24.966)


def luma(image: NDArray[Any]) -> NDArray[np.float64]:
    """Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255, not rounded.

    This is MATLAB's ``rgb2ycbcr`` in floating point, on studio range: 16 to 235.
    OpenCV's YCrCb and JPEG's have full range and give other decibels.

    Parameters
    ----------
    image : ndarray, H x W x 3 (RGB), H x W x 1 or H x W, values 0 to 255
        A gray picture counts as three equal channels.

    Returns
    -------
    ndarray, float64, H x W

    Raises
    ------
    ShapeError
        If it has another shape.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim == 2:
        return np.asarray(_OFFSET + image * (sum(_COEFFICIENTS) / 255), np.float64)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ShapeError(
            f"luma needs a gray or an RGB picture, not an array of "
            f"{' x '.join(map(str, image.shape))}"
        )
    return _OFFSET + image @ (np.array(_COEFFICIENTS) / 255)
