"""From a network to a program of array operations."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from zoo.layers.base import INPUT, Array, Layer
from zoo.network import Network
from zoo.plugins import Kernels
from zoo.program.operations import Opaque, Operation
from zoo.program.program import Program, Step
from zoo.shapes import Shape

__all__ = ["lower", "packed", "unpacked"]


def lower(network: Network, height: int, width: int, kernels: Kernels) -> Program:
    """Write a network as operations, one for each layer, nothing fused.

    Layers without an operation (third-party ones, softmax, ...) become
    :class:`Opaque`: their own forward runs, on ``kernels``.

    Raises
    ------
    ShapeError
        If the network cannot take pictures of this size.
    """
    flow = network.flow(height, width)
    program = Program([Shape(height, width, network.pixels.channels)])
    value_of = {INPUT: 0}
    for index, (layer, (inputs, output)) in enumerate(
        zip(network.layers, flow, strict=True)
    ):
        program.shapes.append(output)
        value_of[index] = len(program.shapes) - 1
        operation, sources = layer.lower(*inputs), layer.reads(index)
        if operation is None:
            operation = _opaque(layer, network.kinds[index], kernels)
            sources = network.sources[index]
        values = tuple(value_of[source] for source in sources)
        program.steps.append(Step(operation, values, value_of[index], (index,)))
    program.output = value_of[len(network) - 1]
    return program


def packed(program: Program, values: Sequence[int]) -> Program:
    """The program with several outputs, one after the other in a single row.

    A compiled plan has one output. What several of them cost is one copy, and that
    all of them are made whole: the work is not cut into bands.
    """
    total = sum(program.shapes[value].size for value in values)
    shapes = [*program.shapes, Shape(1, 1, total)]
    step = Step(Opaque(_in_a_row, "outputs"), tuple(values), len(shapes) - 1, ())
    return Program(shapes, [*program.steps, step], len(shapes) - 1)


def unpacked(row: Array, shapes: Sequence[Shape]) -> list[Array]:
    """The outputs that :func:`packed` put in a row."""
    ends = np.cumsum([shape.size for shape in shapes])[:-1]
    return [
        np.ascontiguousarray(part).reshape(len(row), *shape)
        for part, shape in zip(
            np.split(row.reshape(len(row), -1), ends, axis=1), shapes, strict=True
        )
    ]


def _in_a_row(*outputs: Array) -> Array:
    rows = [output.reshape(len(output), 1, 1, -1) for output in outputs]
    return np.concatenate(rows, axis=3)


def _opaque(layer: Layer, name: str, kernels: Kernels) -> Operation:
    forward: partial[Array] = partial(layer.forward, kernels=kernels)
    return Opaque(forward, name)
