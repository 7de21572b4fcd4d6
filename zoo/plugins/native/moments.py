"""Means and variances of whole pictures by those of small blocks, so that rows may go."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zoo.plugins.base import group_factors
from zoo.program.operations import Affine, BlockMoments, NormalizeGroups, Opaque, Pool
from zoo.program.program import Step
from zoo.shapes import Array, Shape

__all__ = ["normalized", "pooled"]

_BLOCK = (4, 256)  # rows and columns of which a mean of all is made

Moments = Callable[[Array], tuple[NDArray[np.float64], NDArray[np.float64]]]


def pooled(step: Step, pool: Pool, shapes: list[Shape]) -> list[Step]:
    """A mean or deviation of a whole picture."""
    pads = pool.geometry.padding
    whole = (
        pool.geometry.size == shapes[step.inputs[0]][:2] and not pads.top + pads.left
    )
    if pool.mode == "max" or not whole or shapes[step.output][:2] != (1, 1):
        return [step]  # padded, windows of a picture's size give several results
    blocks, total = _moments(step, shapes, variance=pool.mode == "deviation")

    def value(x: Array) -> Array:
        mean, variance = total(x)
        y = np.sqrt(variance) if pool.mode == "deviation" else mean
        return y.astype(np.float32)[None, None, None]

    last = Opaque(value, step.operation.kind)
    return [blocks, Step(last, (blocks.output,), step.output, step.layers)]


def normalized(
    step: Step, operation: NormalizeGroups, shapes: list[Shape]
) -> list[Step]:
    """Groups of channels by the mean and the variance that they have everywhere."""
    blocks, total = _moments(step, shapes, variance=True)
    channels = shapes[step.output].channels
    shapes.append(Shape(1, 1, 3 * channels))
    factors = len(shapes) - 1

    def values(x: Array) -> Array:
        mean, variance = (each.astype(np.float32) for each in total(x))
        m, f = group_factors(
            mean, variance, operation.groups, operation.scales, operation.epsilon
        )
        return np.concatenate((m, f, operation.biases))[None, None, None]

    return [
        blocks,
        Step(Opaque(values, operation.kind), (blocks.output,), factors, step.layers),
        Step(Affine(), (factors, step.inputs[0]), step.output, step.layers),
    ]


def _moments(
    step: Step, shapes: list[Shape], *, variance: bool
) -> tuple[Step, Moments]:
    """The step that makes moments of blocks, and what makes those of all of them.

    Without ``variance`` the latter is zeros.
    """
    height, width, channels = shapes[step.inputs[0]]
    rows, columns = _BLOCK
    blocks = Shape(
        math.ceil(height / rows),
        math.ceil(width / columns),
        channels * (2 if variance else 1),
    )
    shapes.append(blocks)
    moments = BlockMoments(_BLOCK, variance)
    weights = np.outer(
        [min(rows, height - rows * y) for y in range(blocks.height)],
        [min(columns, width - columns * x) for x in range(blocks.width)],
    )[..., None] / (height * width)

    def total(x: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        means = x[0, :, :, :channels].astype(np.float64)
        mean = (weights * means).sum((0, 1))
        if not variance:
            return mean, np.zeros_like(mean)
        within = x[0, :, :, channels:]
        return mean, (weights * (within + (means - mean) ** 2)).sum((0, 1))

    return Step(moments, step.inputs, len(shapes) - 1, step.layers), total
