"""Gradients of convolutions, made of convolutions.

The gradient by the input is a convolution of delta with the kernel turned around.
With a stride s and a dilation d, g = gcd(s, d), the padded input's rows d r, d r + s,
d r + 2s, ... only ever meet the kernel's rows r, r + s/g, ...: each of the phases r is
a convolution of stride 1 and dilation d/g with a part of the kernel, and nothing is
multiplied by inserted zeros.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from zoo.plugins.base import Array, ConvGeometry, Kernels, Padding
from zoo.program.geometry import source_cells

__all__ = ["by_input"]


class _Phase(NamedTuple):
    """Input positions first, first + stride, ... along one axis.

    ``low`` and ``high`` are zeros to add to delta (negative: positions to cut).
    """

    taps: slice
    first: int
    amount: int
    low: int
    high: int


def by_input(
    kernels: Kernels,
    delta: Array,
    weights: Array,
    geometry: ConvGeometry,
    size: tuple[int, int],
) -> Array:
    """Gradient of a convolution with respect to its input.

    Parameters
    ----------
    kernels : Kernels
        What convolves.
    delta : ndarray, N x H' x W' x K
    weights : ndarray, kh x kw x (C / groups) x K
    geometry : ConvGeometry
        Of the convolution.
    size : tuple of int
        Height and width of the input.
    """
    pad = geometry.padding
    if geometry.pad_mode == "zero" or not any(pad):
        return _inner(kernels, delta, weights, geometry, size)
    padded = _inner(
        kernels,
        delta,
        weights,
        geometry._replace(padding=Padding()),
        (size[0] + pad.top + pad.bottom, size[1] + pad.left + pad.right),
    )
    folded = _fold(padded, 1, pad.top, size[0], geometry)
    return np.ascontiguousarray(_fold(folded, 2, pad.left, size[1], geometry))


def _inner(
    kernels: Kernels,
    delta: Array,
    weights: Array,
    geometry: ConvGeometry,
    size: tuple[int, int],
) -> Array:
    """The gradient where what lies outside the image was zeros."""
    turned = _turned(weights, geometry.groups)
    rows, columns = (
        _phases(
            size[axis],
            delta.shape[1 + axis],
            weights.shape[axis],
            geometry.stride[axis],
            geometry.dilation[axis],
            geometry.padding[2 * axis],
        )
        for axis in (0, 1)
    )
    if geometry.stride == (1, 1) and len(rows) == len(columns) == 1:
        return _phase(kernels, delta, turned, geometry, rows[0], columns[0])
    out = np.zeros((len(delta), *size, turned.shape[3]), delta.dtype)
    down, right = geometry.stride
    for row in rows:
        for column in columns:
            part = _phase(kernels, delta, turned, geometry, row, column)
            out[:, row.first :: down, column.first :: right] = part
    return out


def _turned(weights: Array, groups: int) -> Array:
    """Weights with input and output channels of every group exchanged."""
    height, width, depth, filters = weights.shape
    split = weights.reshape(height, width, depth, groups, filters // groups)
    return split.transpose(0, 1, 4, 3, 2).reshape(
        height, width, filters // groups, groups * depth
    )


def _phases(
    length: int, outputs: int, size: int, stride: int, dilation: int, before: int
) -> list[_Phase]:
    """The phases of one axis that see any of the kernel."""
    phases = []
    common = math.gcd(stride, dilation)
    apart = stride // common  # between the taps of a phase
    for r in range(min(apart, size)):
        taps = len(range(r, size, apart))
        reach = (taps - 1) * (dilation // common)
        start = dilation * r - before
        first = max(0, -(start // stride))  # ceil(-start / stride)
        last = -((start - length) // stride)  # one after
        count = last - first
        if count > 0:
            low = reach - first
            phases.append(
                _Phase(
                    slice(r, None, apart),
                    first * stride + start,
                    count,
                    low,
                    count - outputs - low + reach,
                )
            )
    return phases


def _phase(
    kernels: Kernels,
    delta: Array,
    turned: Array,
    geometry: ConvGeometry,
    row: _Phase,
    column: _Phase,
) -> Array:
    kernel = turned[row.taps, column.taps][::-1, ::-1]
    inner = delta[:, _cut(row, delta.shape[1]), _cut(column, delta.shape[2])]
    if inner.size == 0:
        shape = (len(delta), row.amount, column.amount, turned.shape[3])
        return np.zeros(shape, delta.dtype)
    pads = [max(0, pad) for pad in (row.low, row.high, column.low, column.high)]
    return kernels.conv2d(
        np.ascontiguousarray(inner),
        np.ascontiguousarray(kernel),
        None,
        ConvGeometry(
            dilation=(
                geometry.dilation[0]
                // math.gcd(geometry.dilation[0], geometry.stride[0]),
                geometry.dilation[1]
                // math.gcd(geometry.dilation[1], geometry.stride[1]),
            ),
            padding=Padding(*pads),
            groups=geometry.groups,
        ),
    )


def _cut(phase: _Phase, length: int) -> slice:
    """What is left of delta where fewer zeros than none are to be added."""
    return slice(max(0, -phase.low), max(0, length + min(0, phase.high)))


def _fold(
    padded: Array, axis: int, before: int, length: int, geometry: ConvGeometry
) -> Array:
    """Add the gradient of every copy made by padding to the cell it shows."""
    padded = np.moveaxis(padded, axis, 0)
    cells = source_cells(-before, len(padded) - before, length, geometry.pad_mode)
    out = padded[before : before + length].copy()
    for position, cell in enumerate(cells):
        if not before <= position < before + length:
            out[cell] += padded[position]
    return np.moveaxis(out, 0, axis)
