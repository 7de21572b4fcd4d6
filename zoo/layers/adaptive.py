"""Windows that are spread evenly over a picture which they do not divide."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.shapes import Array

__all__ = ["adaptive_bounds", "adaptive_max", "adaptive_max_backward"]


def adaptive_bounds(length: int, count: int) -> list[tuple[int, int]]:
    """Where ``count`` windows over a length begin and end, as PyTorch has it.

    Window i is from floor(i L / n) to ceil((i + 1) L / n); neighbours may share a row.
    """
    return [(i * length // count, -(-(i + 1) * length // count)) for i in range(count)]


def _largest(x: Array, count: int, axis: int) -> tuple[Array, NDArray[np.intp]]:
    """The largest value of each window along an axis, and where it is."""
    values, places = [], []
    for first, last in adaptive_bounds(x.shape[axis], count):
        part = np.take(x, range(first, last), axis)
        at = part.argmax(axis, keepdims=True)
        values.append(np.take_along_axis(part, at, axis))
        places.append(at + first)
    return np.concatenate(values, axis), np.concatenate(places, axis)


def adaptive_max(x: Array, size: tuple[int, int]) -> Array:
    """The largest value of each of rows x columns windows, per channel.

    Parameters
    ----------
    x : ndarray, N x H x W x C
    size : (rows, columns)

    Returns
    -------
    ndarray, N x rows x columns x C
    """
    rows, _ = _largest(x, size[0], 1)
    return _largest(rows, size[1], 2)[0]


def adaptive_max_backward(x: Array, delta: Array) -> Array:
    """The gradient of x: that of each window goes to its largest value."""
    rows, down = _largest(x, delta.shape[1], 1)
    _, right = _largest(rows, delta.shape[2], 2)
    by_rows = _scatter(delta, right, rows.shape, 2)
    return _scatter(by_rows, down, x.shape, 1)


def _scatter(
    delta: Array, places: NDArray[np.intp], shape: tuple[int, ...], axis: int
) -> Array:
    """Add values where they came from along an axis."""
    result = np.zeros(shape, delta.dtype)
    at: list[Any] = list(np.indices(delta.shape, sparse=True))
    at[axis] = places
    np.add.at(result, tuple(at), delta)
    return result
