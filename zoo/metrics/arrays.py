"""What all metrics ask of their arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError

__all__ = ["require_same_shape"]


def require_same_shape(a: NDArray[Any], b: NDArray[Any], metric: str) -> None:
    """Raise ShapeError unless two arrays have one shape and hold something."""
    if np.shape(a) != np.shape(b):
        raise ShapeError(
            f"{metric} compares arrays of one shape, not "
            f"{' x '.join(map(str, np.shape(a)))} and "
            f"{' x '.join(map(str, np.shape(b)))}"
        )
    if not np.size(a):
        raise ShapeError(f"{metric} of arrays without values does not exist")
