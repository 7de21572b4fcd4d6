"""Which arrays C can take and how, and the shapes of results."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.errors import ShapeError
from zoo.plugins.base import Array, PoolGeometry

__all__ = ["as_rows", "check_length", "computable", "plain", "pool_output"]


def plain(array: Array | None) -> Any:
    """The array, C-contiguous and aligned, in native byte order."""
    return None if array is None else np.require(array, np.float32, ("C", "A"))


def computable(*arrays: Array | None) -> bool:
    """Whether C can take the arrays: none empty, all float32."""
    return all(
        array is None or (array.dtype == np.float32 and array.size > 0)
        for array in arrays
    )


def as_rows(x: Array) -> Array:
    """Pixels x channels; of an array that C can take as it is, a view."""
    return plain(x).reshape(-1, x.shape[-1] if x.ndim else 1)


def check_length(what: str, array: Array | None, length: int) -> None:
    """Raise ShapeError unless an array is a vector of this length, or None."""
    if array is not None and array.shape != (length,):
        raise ShapeError(f"{what} have shape {array.shape}, not ({length},)")


def pool_output(
    x: tuple[int, ...], geometry: PoolGeometry
) -> tuple[int, int, int, int] | None:
    """Shape of a pooling's result; None where there is none."""
    rows, columns = (
        (
            x[1 + axis]
            + geometry.padding[2 * axis]
            + geometry.padding[2 * axis + 1]
            - geometry.size[axis]
        )
        // geometry.stride[axis]
        + 1
        for axis in (0, 1)
    )
    return (x[0], rows, columns, x[3]) if min(rows, columns) >= 1 else None
