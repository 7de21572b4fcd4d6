"""Operations that are some nodes of an ONNX graph each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.onnx.writer import GraphWriter
from zoo.program.operations import Multiply, Normalize, Operation, Scale, Unshuffle

__all__ = ["OPERATIONS", "deviation"]

OperationWriter = Callable[[GraphWriter, Any, Sequence[str]], str]
"""Writes an operation with inputs of these names; returns the output's name."""


def _multiply(
    w: GraphWriter, operation: Multiply | Scale, inputs: Sequence[str]
) -> str:
    return w.activate(w.node("Mul", *inputs), operation.activation)


def _normalize(w: GraphWriter, operation: Normalize, inputs: Sequence[str]) -> str:
    images = w.node("Transpose", inputs[0], perm=[0, 2, 3, 1])
    y = w.node(
        "LayerNormalization",
        images,
        w.tensor(operation.scales),
        w.tensor(operation.biases),
        axis=-1,
        epsilon=operation.epsilon,
    )
    return w.node("Transpose", y, perm=[0, 3, 1, 2])


def _unshuffle(w: GraphWriter, operation: Unshuffle, inputs: Sequence[str]) -> str:
    (x,), r = inputs, operation.scale
    if operation.order == "dcr":
        return w.node("SpaceToDepth", x, blocksize=r)
    # ONNX has the one order only: every channel on its own is a picture of the batch.
    shape = w.node("Shape", x)
    batch, depth, height, width = (w.slice(shape, 0, n, n + 1) for n in range(4))
    one, cell = w.tensor([1], np.int64), w.tensor([r], np.int64)
    planes = w.node("Concat", w.tensor([-1], np.int64), one, height, width, axis=0)
    y = w.node("SpaceToDepth", w.node("Reshape", x, planes), blocksize=r)
    depth = w.node("Mul", depth, w.tensor([r * r], np.int64))
    rows, columns = w.node("Div", height, cell), w.node("Div", width, cell)
    whole = w.node("Concat", batch, depth, rows, columns, axis=0)
    return w.node("Reshape", y, whole)


def deviation(w: GraphWriter, x: str) -> str:
    """The root of the mean squared distance from the mean, of each channel."""
    axes = w.tensor([2, 3], np.int64)
    centered = w.node("Sub", x, w.node("ReduceMean", x, axes, keepdims=1))
    square = w.node("Mul", centered, centered)
    return w.node("Sqrt", w.node("ReduceMean", square, axes, keepdims=1))


OPERATIONS: dict[type[Operation], OperationWriter] = {
    Multiply: _multiply,
    Normalize: _normalize,
    Scale: _multiply,
    Unshuffle: _unshuffle,
}
