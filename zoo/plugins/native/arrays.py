"""Which arrays C can take and how, and the shapes of results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.plugins.base import Array, PoolGeometry, Taps

__all__ = ["as_rows", "check_length", "computable", "flat_taps", "plain", "pool_output"]


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


def flat_taps(taps: Taps) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Where each result's taps begin and all end, their places, and their weights."""
    counts = [len(some) for some in taps]
    pairs = [pair for some in taps for pair in some]
    return (
        np.cumsum([0, *counts], dtype=np.int64),
        np.array([place for place, _ in pairs], np.int64),
        np.array([weight for _, weight in pairs], np.float32),
    )


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
