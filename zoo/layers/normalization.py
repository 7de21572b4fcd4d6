"""Local response normalization across channels, as Darknet computes it."""

from __future__ import annotations

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["LocalResponseNormalization"]


class LocalResponseNormalization(Layer):
    """y_k = x_k n_k^-beta, n_k = kappa + alpha sum_j M_kj x_j^2, at each pixel.

    M_kj is 1 for the ``size`` channels j from k - (size - 1)/2 to k + size/2 (rounded
    down), as far as they exist, but 0 for j = size/2 in every row: both Darknets begin
    the sum that slides over the channels with one channel too few, and so miss that
    one's square from beginning to end (``forward_normalization_layer``); where the
    window has passed it, they subtract it though it was never added. M_kj is -1 there.

    Gradient: delta_j n_j^-beta - 2 alpha beta x_j sum_k M_kj delta_k x_k n_k^(-beta-1),
    the exact one; Darknet's is an approximation. (Krizhevsky et al., 2012.)
    """

    summary = "local response normalization across channels"
    keys = (
        Key("alpha", "float", 1e-4, "factor of the sum of squares"),
        Key("beta", "float", 0.75, "the exponent"),
        Key("kappa", "float", 1.0, "added to the sum"),
        Key("size", "int", 5, "channels in the sum", minimum=1),
        *COMMON_KEYS,
    )

    alpha: float
    beta: float
    kappa: float
    size: int

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "a normalization")

    def window_matrix(self, channels: int) -> Array:
        """M of the class's description, channels x channels."""
        row, column = np.ogrid[:channels, :channels]
        first, last = row - (self.size - 1) // 2, row + self.size // 2
        inside = (column >= first) & (column <= last)
        matrix = inside.astype(np.float32)
        missed = self.size // 2
        if missed < channels:
            matrix[:, missed] -= 1
        return matrix

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        kind = x.dtype.type
        matrix = self.window_matrix(x.shape[3]).astype(x.dtype)
        sums = kind(self.kappa) + kind(self.alpha) * (np.square(x) @ matrix.T)
        if training:
            self._saved = x, sums
        with np.errstate(invalid="ignore"):  # what was never added is subtracted
            return x * sums ** kind(-self.beta)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, sums = self._recall()
        kind = x.dtype.type
        matrix = self.window_matrix(x.shape[3]).astype(x.dtype)
        spread = (delta * x * sums ** kind(-self.beta - 1)) @ matrix
        factor = kind(2 * self.alpha * self.beta)
        return (delta * sums ** kind(-self.beta) - factor * x * spread,)
