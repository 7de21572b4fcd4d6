"""What layers share that pass everything through."""

from __future__ import annotations

from zoo.layers.base import Array, Layer, one_input
from zoo.plugins.base import Kernels
from zoo.program.operations import Identity, Operation
from zoo.shapes import Shape

__all__ = ["PassThrough"]


class PassThrough(Layer):
    """y = x, and the gradient alike."""

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, f"a layer of kind {type(self).__name__.lower()}")

    def lower(self, *inputs: Shape) -> Operation | None:
        return Identity()

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return inputs[0]

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (delta,)
