"""Vectors of channels brought to a sum of one."""

from __future__ import annotations

import numpy as np

from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["L1Norm"]


class L1Norm(Layer):
    """y = x / sum(abs(x)) over the channels of each pixel; 0 where all are 0.

    Gradient, with s the sum: (delta - sign(x) (y . delta)) / s.
    """

    summary = "channels of each pixel divided by the sum of their absolute values"
    keys = COMMON_KEYS

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "an l1norm")

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        total = np.abs(x).sum(axis=3, keepdims=True)
        total[total == 0] = 1
        y = x / total
        if training:
            self._saved = np.sign(x), y, total
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        signs, y, total = self._recall()
        along = (y * delta).sum(axis=3, keepdims=True)
        return ((delta - signs * along) / total,)
