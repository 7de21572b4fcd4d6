"""Whether two results are the same, but for rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["relative_error"]


def relative_error(output: NDArray[Any], truth: NDArray[Any]) -> float:
    """Largest difference, as a part of the truth's range.

    Infinite if the shapes differ or a value of either is not finite: no tolerance
    lets that pass.
    """
    if output.shape != truth.shape:
        return float("inf")
    with np.errstate(invalid="ignore", over="ignore"):
        span = float(truth.max() - truth.min()) or 1.0
        error = float(np.abs(output - truth).max()) / span
    return error if np.isfinite(error) else float("inf")
