"""Pooling by range queries: the cost grows with the logarithm of the window.

Along one axis, ``T_l[i]`` combines the ``2^l`` values from i on, and
``T_(l+1)[i] = T_l[i] . T_l[i + 2^l]``. A maximum over any range is that of two
such values which may overlap; a sum is one value per binary digit of the range's
length. Windows are cut to the image first, so padding is never stored and the
memory does not depend on it. Two axes are done one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.plugins.base import Array, PoolGeometry

__all__ = [
    "average_pool",
    "average_pool_backward",
    "max_pool",
    "max_pool_backward",
]

Index = NDArray[np.intp]

_PART_BYTES = 1 << 20


def _windows(length: int, geometry: PoolGeometry, axis: int) -> tuple[Index, Index]:
    """First cell and the cell after the last of every window along an axis (0, 1).

    Cut to the image; a window outside it has its end at its start.
    """
    size, stride = geometry.size[axis], geometry.stride[axis]
    before, after = geometry.padding[2 * axis], geometry.padding[2 * axis + 1]
    count = max((length + before + after - size) // stride + 1, 0)
    start = np.arange(count, dtype=np.intp) * stride - before
    end = np.clip(start + size, 0, length)
    return np.minimum(np.maximum(start, 0), end), end


def _take(x: NDArray[Any], indices: Index) -> NDArray[Any]:
    """x[indices] along the first axis, as a view if they are evenly spaced."""
    if len(indices) == 1:
        return x[indices[0] : indices[0] + 1]
    steps = np.diff(indices)
    if steps[0] > 0 and np.all(steps == steps[0]):
        return x[indices[0] : indices[-1] + 1 : steps[0]]
    return x[indices]


def _run(mask: NDArray[np.bool_]) -> slice | Index:
    """Where a mask is true: a slice if that is one run, as it nearly always is."""
    where = np.flatnonzero(mask)
    if where[-1] - where[0] + 1 == len(where):
        return slice(int(where[0]), int(where[-1]) + 1)
    return where


def _range_maximum(x: Array, start: Index, end: Index) -> Array:
    """Maximum of x[start:end] along the first axis, for many ranges; NaN wins."""
    out = np.full_like(x, -np.inf, shape=(len(start), *x.shape[1:]))
    lengths = end - start
    table, span = x, 1
    longest = int(lengths.max(initial=0))
    while span <= longest:
        mask = (lengths >= span) & (lengths < 2 * span)
        if mask.any():
            where = _run(mask)
            left = _take(table, start[where])
            out[where] = np.maximum(left, _take(table, end[where] - span))
        if 2 * span <= longest:
            table = np.maximum(table[:-span], table[span:])
        span *= 2
    return out


def _first_larger(
    left: tuple[Array, Index], right: tuple[Array, Index]
) -> tuple[Array, Index]:
    """The larger of two values with its index; the left one on a tie or a NaN."""
    better = (right[0] > left[0]) | (np.isnan(right[0]) & ~np.isnan(left[0]))
    return np.where(better, right[0], left[0]), np.where(better, right[1], left[1])


def _range_argmax(x: Array, start: Index, end: Index) -> tuple[Array, Index]:
    """As :func:`_range_maximum`, with where the first maximum stands (-1: nowhere)."""
    shape = (len(start), *x.shape[1:])
    out = np.full(shape, -np.inf, x.dtype)
    found = np.full(shape, -1, np.intp)
    lengths = end - start
    cells = np.arange(len(x), dtype=np.intp).reshape(-1, *[1] * (x.ndim - 1))
    table, index = x, np.broadcast_to(cells, x.shape)
    span = 1
    longest = int(lengths.max(initial=0))
    while span <= longest:
        mask = (lengths >= span) & (lengths < 2 * span)
        if mask.any():
            where = _run(mask)
            first, last = start[where], end[where] - span
            out[where], found[where] = _first_larger(
                (_take(table, first), _take(index, first)),
                (_take(table, last), _take(index, last)),
            )
        if 2 * span <= longest:
            table, index = _first_larger(
                (table[:-span], index[:-span]), (table[span:], index[span:])
            )
        span *= 2
    return out, found


def _range_sum(x: Array, start: Index, end: Index) -> Array:
    """Sum of x[start:end] along the first axis, for many ranges."""
    out = np.zeros_like(x, shape=(len(start), *x.shape[1:]))
    lengths = end - start
    position = start.copy()
    table, span = x, 1
    longest = int(lengths.max(initial=0))
    while span <= longest:
        mask = (lengths & span) != 0
        if mask.any():
            where = _run(mask)
            out[where] += _take(table, position[where])
            position[where] += span
        if 2 * span <= longest:
            table = table[:-span] + table[span:]
        span *= 2
    return out


def _counts(rows: tuple[Index, Index], columns: tuple[Index, Index]) -> Array:
    """Cells of every window: H' x W' x 1."""
    counts = np.multiply.outer(rows[1] - rows[0], columns[1] - columns[0])
    return counts[:, :, None].astype(np.float64)


def _parts(count: int, bytes_each: int) -> Iterator[slice]:
    """Slices of a batch, so many images at a time as stay in the cache."""
    step = max(1, _PART_BYTES // max(bytes_each, 1))
    for first in range(0, count, step):
        yield slice(first, first + step)


def _both_axes(
    reduce: Callable[[Array, Index, Index], Array],
    x: Array,
    rows: tuple[Index, Index],
    columns: tuple[Index, Index],
) -> Array:
    """Reduce ranges of columns, then ranges of rows, a few images at a time."""
    out = np.empty((len(x), len(rows[0]), len(columns[0]), x.shape[3]), x.dtype)
    for part in _parts(len(x), x[:1].nbytes):
        narrow = reduce(np.moveaxis(x[part], 2, 0), *columns)
        result = reduce(np.moveaxis(np.moveaxis(narrow, 0, 2), 1, 0), *rows)
        out[part] = np.moveaxis(result, 0, 1)
    return out


def max_pool(x: Array, geometry: PoolGeometry) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.max_pool`."""
    rows = _windows(x.shape[1], geometry, 0)
    columns = _windows(x.shape[2], geometry, 1)
    return _both_axes(_range_maximum, x, rows, columns)


def max_pool_backward(x: Array, delta: Array, geometry: PoolGeometry) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.max_pool_backward`.

    The first maximum of each row of a window, then the first row whose maximum is
    the window's: this is the first in row-major order.
    """
    _, height, width, channels = x.shape
    rows = _windows(height, geometry, 0)
    columns = _windows(width, geometry, 1)
    channel = np.arange(channels, dtype=np.intp)
    out = np.empty_like(x)
    for number, image in enumerate(x):
        value, column = _range_argmax(np.moveaxis(image, 1, 0), *columns)
        _, row = _range_argmax(np.moveaxis(value, 1, 0), *rows)
        column = np.take_along_axis(np.moveaxis(column, 1, 0), row, axis=0)
        inside = (row >= 0) & (column >= 0)
        cell = ((row * width + column) * channels + channel)[inside]
        total = np.bincount(cell, delta[number][inside], image.size)
        out[number] = total.reshape(image.shape)
    return out


def average_pool(x: Array, geometry: PoolGeometry) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.average_pool`."""
    rows = _windows(x.shape[1], geometry, 0)
    columns = _windows(x.shape[2], geometry, 1)
    out = _both_axes(_range_sum, x, rows, columns)
    with np.errstate(invalid="ignore", divide="ignore"):  # windows without cells
        out /= _counts(rows, columns).astype(x.dtype)
    return out


def average_pool_backward(
    shape: tuple[int, ...], delta: Array, geometry: PoolGeometry
) -> Array:
    """See :meth:`zoo.plugins.base.Kernels.average_pool_backward`.

    The windows over one cell are neighbors, so this is a sum of ranges again.
    """
    rows = _windows(shape[1], geometry, 0)
    columns = _windows(shape[2], geometry, 1)
    shares = delta / np.maximum(_counts(rows, columns), 1).astype(delta.dtype)
    return _both_axes(
        _range_sum, shares, _covering(shape[1], *rows), _covering(shape[2], *columns)
    )


def _covering(length: int, start: Index, end: Index) -> tuple[Index, Index]:
    """First window, and the one after the last, that covers each cell of an axis."""
    cells = np.arange(length, dtype=np.intp)
    first = np.searchsorted(end, cells, side="right").astype(np.intp)
    last = np.searchsorted(start, cells, side="right").astype(np.intp)
    return np.minimum(first, last), last
