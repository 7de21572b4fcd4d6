"""From a network to a program of array operations."""

from __future__ import annotations

from functools import partial

from zoo.layers.base import Array, Layer
from zoo.network import INPUT, Network
from zoo.plugins import Kernels
from zoo.program.operations import Opaque, Operation, Program, Step
from zoo.shapes import Shape

__all__ = ["lower"]


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
        program.steps.append(
            Step(
                layer.lower(*inputs) or _opaque(layer, network.kinds[index], kernels),
                tuple(value_of[source] for source in network.sources[index]),
                value_of[index],
                (index,),
            )
        )
    program.output = value_of[len(network) - 1]
    return program


def _opaque(layer: Layer, name: str, kernels: Kernels) -> Operation:
    forward: partial[Array] = partial(layer.forward, kernels=kernels)
    return Opaque(forward, name)
