"""Softmax: values become probabilities."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Softmax"]


class Softmax(Layer):
    """p_i = exp(x_i / T) / sum_j exp(x_j / T), T being the temperature.

    The sum runs over all values of an image or, with ``spatial``, over the channels
    of each pixel. With ``groups`` it runs over each of so many equal parts: of an
    image's values in Darknet's order (channel by channel), or of a pixel's channels.
    The largest x is subtracted first, so that nothing overflows.

    Gradient: dC/dx_i = p_i (delta_i - sum_j delta_j p_j) / T.
    """

    summary = "probabilities from values, over the image or per pixel"
    keys = (
        Key("groups", "int", 1, "equal parts, each with a sum of its own", minimum=1),
        Key("temperature", "float", 1.0, "T; large values level out", minimum=1e-6),
        Key("spatial", "bool", False, "over the channels of each pixel"),
        Key("tree", "str", "", "file of Darknet's class tree; not supported"),
        Key("noloss", "bool", False, "Darknet's", unused=True),
        *COMMON_KEYS,
    )

    groups: int
    temperature: float
    spatial: bool
    tree: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.tree:
            raise ValueError(
                f"tree={self.tree} asks for a softmax over a class tree, which zoo "
                f"does not have; leave the key out for a plain softmax"
            )

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a softmax")
        count = shape.channels if self.spatial else shape.size
        if count % self.groups:
            raise ShapeError(
                f"the {count} {'channels' if self.spatial else 'values'} of {shape} "
                f"cannot be cut into {self.groups} groups"
            )
        return shape

    def window(self) -> tuple[Window, Window]:
        """Infinite unless ``spatial``."""
        sees = Window(1 if self.spatial else math.inf)
        return sees, sees

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        rows = self._rows(x)
        shifted = rows - rows.max(axis=-1, keepdims=True)
        shifted /= x.dtype.type(self.temperature)
        np.exp(shifted, out=shifted)
        shifted /= shifted.sum(axis=-1, keepdims=True)
        output = self._unrows(shifted, x.shape)
        if training:
            self._saved = output
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        p = self._rows(self._recall())
        d = self._rows(delta)
        inner = (d * p).sum(axis=-1, keepdims=True)
        gradient = p * (d - inner) / delta.dtype.type(self.temperature)
        return (self._unrows(gradient, delta.shape),)

    def _rows(self, x: Array) -> Array:
        """N x H x W x C to ... x values of one sum."""
        if self.spatial:
            return x.reshape(*x.shape[:3], self.groups, -1)
        return x.transpose(0, 3, 1, 2).reshape(len(x), self.groups, -1)

    def _unrows(self, rows: Array, shape: tuple[int, ...]) -> Array:
        """Undo :meth:`_rows`."""
        if self.spatial:
            return rows.reshape(shape)
        n, height, width, channels = shape
        image = rows.reshape(n, channels, height, width)
        return np.ascontiguousarray(image.transpose(0, 2, 3, 1))
