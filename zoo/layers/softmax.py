"""Softmax: values become probabilities."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Window, one_input
from zoo.layers.class_tree import TREE_KEY, TreeLayer, group_softmax
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Softmax"]


class Softmax(TreeLayer):
    """p_i = exp(x_i / T) / sum_j exp(x_j / T), T being the temperature.

    The sum runs over all values of an image or, with ``spatial``, over the channels
    of each pixel. With ``groups`` it runs over each of so many equal parts: of an
    image's values in Darknet's order (channel by channel), or of a pixel's channels.
    With ``tree`` it runs over each group of a class tree (:mod:`zoo.parsers.tree`).
    The largest x is subtracted first, so that nothing overflows.

    Gradient: dC/dx_i = p_i (delta_i - sum_j delta_j p_j) / T.
    """

    summary = "probabilities from values, over the image or per pixel"
    keys = (
        Key("groups", "int", 1, "equal parts, each with a sum of its own", minimum=1),
        Key("temperature", "float", 1.0, "T; large values level out", minimum=1e-6),
        Key("spatial", "bool", False, "over the channels of each pixel"),
        TREE_KEY,
        Key("noloss", "bool", False, "Darknet's", unused=True),
        *COMMON_KEYS,
    )

    groups: int
    temperature: float
    spatial: bool

    @property
    def is_special(self) -> bool:
        return bool(self.tree)

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
        if self.tree:
            groups = self.groups_of(rows.shape[-1])
            scaled = rows / x.dtype.type(self.temperature)
            output = self._unrows(group_softmax(scaled, groups), x.shape)
            if training:
                self._saved = output
            return output
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
        if self.tree:
            inner = np.empty_like(p)
            for first, last in self.groups_of(p.shape[-1]):
                part = slice(first, last)
                products = d[..., part] * p[..., part]
                inner[..., part] = products.sum(axis=-1, keepdims=True)
        else:
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
