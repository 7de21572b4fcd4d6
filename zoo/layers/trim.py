"""Rows and columns cut off around the image."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.layers.base import Array, one_input
from zoo.layers.darknet_keys import STOP_KEY
from zoo.layers.sides import Sided, side_keys
from zoo.plugins.base import Kernels, Padding
from zoo.program.operations import Operation, Pad
from zoo.shapes import Shape

__all__ = ["Trim"]


class Trim(Sided):
    """The image without its border: what [pad] adds, this cuts off.

    The gradient of a pixel that was cut off is zero.
    """

    summary = "cuts a border off"
    keys = (*side_keys("cut off"), STOP_KEY)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a trim")
        top, bottom, left, right = self.sides
        height, width = shape.height - top - bottom, shape.width - left - right
        if height < 1 or width < 1:
            raise ShapeError(
                f"a trim of {top}, {bottom}, {left} and {right} pixels at the top, "
                f"bottom, left and right leaves nothing of {shape}"
            )
        return Shape(height, width, shape.channels)

    def lower(self, *inputs: Shape) -> Operation | None:
        return Pad(Padding(*(-side for side in self.sides)), "zero")

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if training:
            self._saved = x.shape
        return np.ascontiguousarray(x[self._inner(x.shape)])

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape: tuple[int, ...] = self._recall()
        gradient = np.zeros(shape, delta.dtype)
        gradient[self._inner(shape)] = delta
        return (gradient,)

    def _inner(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        """What is left of an image."""
        top, bottom, left, right = self.sides
        rows = slice(top, shape[1] - bottom)
        return slice(None), rows, slice(left, shape[2] - right)
