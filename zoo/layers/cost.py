"""The cost that a network is trained with, as a section of its cfg."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.plugins.base import Kernels
from zoo.program.operations import Identity, Operation
from zoo.shapes import Shape

__all__ = ["Cost"]


class Cost(Layer):
    """Identity; as the last section it names the cost that training minimizes.

    ``cost=`` in [net] and ``--cost`` come before it. The names are those of
    Darknet and of :mod:`zoo.train.costs`; sse and mse are one (a mean, with the
    gradient 2 (y - t) / N), L1 and mae too. ``scale`` multiplies the gradient.
    """

    summary = "names the cost of training; passes everything through"
    keys = (
        Key(
            "type",
            "str",
            "sse",
            "sse, L1, smooth, masked, seg, wgan, or another cost of zoo train",
        ),
        Key("scale", "float", 1.0, "factor of the gradient"),
        Key("ratio", "float", 0.0, "Darknet's", unused=True),
        Key("noobj", "float", 1.0, "Darknet's", unused=True),
        Key("thresh", "float", 0.0, "Darknet's", unused=True),
    )

    type: str
    scale: float

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "a cost")

    def lower(self, *inputs: Shape) -> Operation | None:
        return Identity()

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return inputs[0]

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        if self.scale == 1:
            return (delta,)
        return (delta * delta.dtype.type(self.scale),)
