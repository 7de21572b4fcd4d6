"""The middle of a picture, brought to Darknet's range of values."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Crop"]


class Crop(Layer):
    """y = 2 x - 1 of the middle crop_height x crop_width pixels; x with ``noadjust``.

    The odd pixel is cut off at the bottom and right. Darknet's training takes another
    part each time and mirrors it; here training takes the middle too. The gradient of
    what was cut off is zero.
    """

    summary = "the middle of a picture, its values from 0..1 to -1..1"
    keys = (
        Key("crop_height", "int", 1, "rows that stay", minimum=1),
        Key("crop_width", "int", 1, "columns that stay", minimum=1),
        Key("noadjust", "bool", False, "1: values stay as they are"),
        Key("flip", "bool", False, "Darknet's, in training", unused=True),
        Key("angle", "float", 0.0, "Darknet's, in training", unused=True),
        Key("saturation", "float", 1.0, "Darknet's, in training", unused=True),
        Key("exposure", "float", 1.0, "Darknet's, in training", unused=True),
        Key("shift", "float", 0.0, "Darknet's, in training", unused=True),
        *COMMON_KEYS,
    )

    crop_height: int
    crop_width: int
    noadjust: bool

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a crop")
        if self.crop_height > shape.height or self.crop_width > shape.width:
            raise ShapeError(
                f"{self.crop_height}x{self.crop_width} pixels (rows x columns) cannot "
                f"be cut out of {shape}"
            )
        return Shape(self.crop_height, self.crop_width, shape.channels)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if training:
            self._saved = x.shape
        y = np.ascontiguousarray(x[self._middle(x.shape)])
        if self.noadjust:
            return y
        return y * x.dtype.type(2) - x.dtype.type(1)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape: tuple[int, ...] = self._recall()
        gradient = np.zeros(shape, delta.dtype)
        factor = delta.dtype.type(1 if self.noadjust else 2)
        gradient[self._middle(shape)] = delta * factor
        return (gradient,)

    def _middle(self, shape: tuple[int, ...]) -> tuple[slice, ...]:
        top = (shape[1] - self.crop_height) // 2
        left = (shape[2] - self.crop_width) // 2
        return (
            slice(None),
            slice(top, top + self.crop_height),
            slice(left, left + self.crop_width),
        )
