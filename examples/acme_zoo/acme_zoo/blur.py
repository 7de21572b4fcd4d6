"""A layer that blurs."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers import Array, Layer, Window
from zoo.plugins import Kernels
from zoo.shapes import Shape


class Blur(Layer):
    """y[i] = (x[i-1] + 2 x[i] + x[i+1]) / 4 along rows, then along columns.

    The edge pixel is repeated beyond the edge. So written as a matrix the blur is
    symmetric, and the gradient of the input is the blurred gradient of the output.
    """

    summary = "binomial blur, 1-2-1 along both axes"
    keys = (Key("times", "int", 1, "how often to blur", minimum=1, maximum=1000),)
    times: int

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 1:
            raise ShapeError("a blur has one input")
        return inputs[0]

    def operations(self, *inputs: Shape) -> int:
        return 2 * 4 * self.times * inputs[0].size

    def window(self) -> tuple[Window, Window]:
        sees = Window(size=2 * self.times + 1)
        return sees, sees

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return self._blur(inputs[0])

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (self._blur(delta),)

    def _blur(self, x: Array) -> Array:
        for _ in range(self.times):
            wide = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
            rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
            x = (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4
        return x
