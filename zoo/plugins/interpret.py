"""Operations one by one, on whole arrays: what a compiled plan must equal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.plugins.base import Array, Kernels
from zoo.program.operations import (
    Activate,
    Add,
    Attend,
    Concat,
    Conv,
    Identity,
    Multiply,
    Normalize,
    NormalizeGroups,
    Opaque,
    Operation,
    Pad,
    Pool,
    Repeat,
    Resize,
    Scale,
    Shuffle,
    Unshuffle,
)

__all__ = ["execute"]


def execute(operation: Operation, inputs: Sequence[Array], kernels: Kernels) -> Array:
    """Compute one operation.

    Raises
    ------
    TypeError
        For an operation that nobody has taught this function.
    """
    x = inputs[0]
    match operation:
        case Identity():
            return x
        case Opaque():
            return operation.forward(*inputs)
        case Attend():
            return operation.forward(*inputs, kernels=kernels)
        case Conv():
            return _convolve(operation, inputs, kernels)
        case Pool(mode="max"):
            return kernels.max_pool(x, operation.geometry)
        case Pool(mode="deviation"):
            return kernels.deviation(x)
        case Pool():
            return kernels.average_pool(x, operation.geometry)
        case Shuffle():
            return kernels.depth_to_space(x, operation.scale, operation.order)
        case Unshuffle():
            return kernels.space_to_depth(x, operation.scale, operation.order)
        case Repeat():
            y = x.repeat(operation.scale, axis=1).repeat(operation.scale, axis=2)
            return y if operation.factor == 1 else y * x.dtype.type(operation.factor)
        case Resize():
            rows = operation.method.taps(operation.length[0], operation.size[0])
            columns = operation.column_taps(operation.size[1])
            y = kernels.resample(kernels.resample(x, 1, rows), 2, columns)
            return y if operation.factor == 1 else y * x.dtype.type(operation.factor)
        case Pad():
            return _pad(x, operation)
        case Activate():
            return kernels.activate(x, operation.name, operation.slopes)
        case Add():
            return kernels.add(
                x, inputs[1], operation.alpha, operation.beta, operation.activation
            )
        case Multiply() | Scale():
            return kernels.multiply(x, inputs[1], operation.activation)
        case Normalize():
            return kernels.normalize_pixels(
                x, operation.scales, operation.biases, operation.epsilon
            )
        case NormalizeGroups():
            return kernels.normalize_groups(
                *(x, operation.groups, operation.scales, operation.biases),
                operation.epsilon,
            )
        case Concat():
            parts = [
                array[..., first:last]
                for array, (first, last) in zip(inputs, operation.slices, strict=True)
            ]
            return np.concatenate(parts, axis=3)
        case _:
            raise TypeError(f"{type(operation).__name__} cannot be executed")


def _pad(x: Array, pad: Pad) -> Array:
    top, bottom, left, right = (max(0, -side) for side in pad.padding)
    x = x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
    top, bottom, left, right = (max(0, side) for side in pad.padding)
    sides = ((0, 0), (top, bottom), (left, right), (0, 0))
    if pad.mode == "zero":
        return np.pad(x, sides)
    return np.pad(x, sides, mode=pad.mode)


def _convolve(conv: Conv, inputs: Sequence[Array], kernels: Kernels) -> Array:
    epilogue = conv.epilogue
    y = kernels.conv2d(inputs[0], conv.weights, conv.biases, conv.geometry)
    if epilogue.activation != "linear":
        y = kernels.activate(y, epilogue.activation, epilogue.slopes)
    if epilogue.product:
        y = kernels.multiply(y, inputs[1], epilogue.last)
    elif epilogue.residual:
        y = kernels.add(y, inputs[1], epilogue.alpha, epilogue.beta, epilogue.last)
    if conv.shuffle != 1:
        y = kernels.depth_to_space(y, conv.shuffle, conv.order)
    return y
