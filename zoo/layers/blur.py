"""AlexeyAB's antialiasing: a strided layer becomes a dense one and a blur with strides.

(Zhang, "Making convolutional networks shift-invariant again", 2019.)
"""

from __future__ import annotations

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, window_output
from zoo.plugins.base import ConvGeometry, Kernels, Padding
from zoo.shapes import Shape

__all__ = ["ANTIALIASING_KEY", "Blur"]

ANTIALIASING_KEY = Key(
    "antialiasing",
    "int",
    0,
    "1: no strides, then a blur by 1 2 1 with them; 2: by 1 1",
    minimum=0,
    maximum=2,
)


class Blur:
    """Blur of every channel, with strides.

    Parameters
    ----------
    kind : int
        1: 3 x 3 pixels weighted 1 2 1 each way, zeros around; 2: 2 x 2 equal ones,
        nothing around.
    strides : tuple of int
        Along height and width.
    """

    def __init__(self, kind: int, strides: tuple[int, int]) -> None:
        line = np.array([1, 2, 1] if kind == 1 else [1, 1], np.float32)
        self.weights = np.outer(line, line) / line.sum() ** 2
        self.pad = 1 if kind == 1 else 0
        self.strides = strides

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the result; a side is 0 or less where nothing is left."""
        height, width = (
            window_output(length, len(self.weights), stride, self.pad, self.pad)
            for length, stride in zip(shape[:2], self.strides, strict=True)
        )
        return Shape(height, width, shape.channels)

    def forward(self, x: Array, kernels: Kernels) -> Array:
        """Blur N x H x W x C."""
        return kernels.conv2d(x, self._kernel(x), None, self._geometry(x))

    def backward(self, delta: Array, size: tuple[int, int], kernels: Kernels) -> Array:
        """Gradient by an x of this height and width."""
        geometry = self._geometry(delta)
        return kernels.conv2d_transpose(delta, self._kernel(delta), geometry, size)

    def _kernel(self, x: Array) -> Array:
        """The weights once for every channel, each a group of its own."""
        weights = self.weights.astype(x.dtype)[..., None, None]
        return np.ascontiguousarray(np.repeat(weights, x.shape[3], axis=3))

    def _geometry(self, x: Array) -> ConvGeometry:
        sides = Padding(*[self.pad] * 4)
        return ConvGeometry(self.strides, padding=sides, groups=x.shape[3])
