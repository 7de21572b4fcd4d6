"""The logistic function as Darknet's last layer."""

from __future__ import annotations

from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Activate, Operation
from zoo.shapes import Shape

__all__ = ["Logistic"]


class Logistic(Layer):
    """y = 1 / (1 + e^-x), with gradient delta y (1 - y).

    In pjreddie's Darknet it brings the binary cross-entropy along; here that is
    ``cost=logistic`` of zoo train.
    """

    summary = "1 / (1 + e^-x) of every value"
    keys = COMMON_KEYS

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "a logistic layer")

    def lower(self, *inputs: Shape) -> Operation | None:
        return Activate("logistic")

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        y = kernels.activate(inputs[0], "logistic")
        if training:
            self._saved = y
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        y: Array = self._recall()
        return (kernels.activation_backward(y, y, delta, "logistic")[0],)
