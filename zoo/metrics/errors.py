"""Mean errors of values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.arrays import require_same_shape

__all__ = ["mae", "nrmse"]


def mae(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Mean of ``|a - b|``, in the units of the arrays.

    Raises
    ------
    ShapeError
        If the shapes differ or the arrays are empty.
    """
    require_same_shape(a, b, "MAE")
    return float(np.mean(np.abs(np.subtract(a, b, dtype=np.float64))))


def nrmse(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Root of the mean of (a - b)^2 over that of b^2: 0 for equal arrays.

    The Euclidean one, as scikit-image's ``normalized_root_mse`` by default; b is the
    truth. NaN if the truth is all zeros and the result is not.

    Raises
    ------
    ShapeError
        If the shapes differ or the arrays are empty.
    """
    require_same_shape(a, b, "NRMSE")
    error = float(np.mean(np.square(np.subtract(a, b, dtype=np.float64))))
    power = float(np.mean(np.square(np.asarray(b, np.float64))))
    if not power:
        return 0.0 if not error else math.nan
    return math.sqrt(error / power)
