"""Vectors of channels brought to length one."""

from __future__ import annotations

import numpy as np

from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["L2Norm"]


class L2Norm(Layer):
    """y = ``x / |x|`` for the vector x of the channels of each pixel; 0 where x is 0.

    Gradient: ``(delta - y (y . delta)) / |x|``. (pjreddie's Darknet,
    ``l2normalize_cpu``, which gives NaN for a zero vector.)
    """

    summary = "channels of each pixel divided by the root of their sum of squares"
    keys = COMMON_KEYS

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "an l2norm")

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        length = np.sqrt(np.square(x).sum(axis=3, keepdims=True))
        length[length == 0] = 1
        y = x / length
        if training:
            self._saved = y, length
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        y, length = self._recall()
        along = (y * delta).sum(axis=3, keepdims=True)
        return ((delta - y * along) / length,)
