"""What all metrics ask of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError

__all__ = ["is_of_volumes", "of_volumes", "require_same_shape"]

Metric = TypeVar("Metric", bound=Callable[..., float])


def of_volumes(metric: Metric) -> Metric:
    """Mark a metric that compares whole volumes, S x H x W, not slices one by one."""
    metric.__dict__["of_volumes"] = True
    return metric


def is_of_volumes(metric: Callable[..., float]) -> bool:
    """Whether a metric is marked so."""
    return bool(getattr(metric, "of_volumes", False))


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
