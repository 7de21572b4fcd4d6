"""What layer and group normalization share: statistics of single pictures."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Standardized", "epsilon_key"]


def epsilon_key(default: float) -> Key:
    """The key ``eps``."""
    return Key(
        "eps", "float", default, "added to the variance inside the root", minimum=0
    )


class Standardized(Layer):
    """y = gamma (x - m) / sqrt(v + eps) + beta, with gamma and beta per channel.

    The mean m and the biased variance v are those of a set of values of x, which a
    subclass chooses; they are computed anew for every picture, in training and later.
    ``scales`` is gamma and ``biases`` beta. Backward, with z = (x - m) / sqrt(v + eps)
    and D = gamma delta, means over the set:

        dC/dbeta = sum delta,   dC/dgamma = sum delta z
        dC/dx = (D - mean D - z mean(D z)) / sqrt(v + eps)
    """

    keys = COMMON_KEYS
    axes: ClassVar[tuple[int, ...]]
    """Of N x H x W x groups x C / groups, those that a set runs along."""

    groups: int = 1
    eps: float

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, f"a {type(self).__name__.lower()} layer")

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        channels = self.output_shape(*inputs).channels
        return {"biases": (channels,), "scales": (channels,)}

    def operations(self, *inputs: Shape) -> int:
        return 8 * inputs[0].size

    def initialize(self, rng: np.random.Generator) -> None:
        self.parameters["biases"][...] = 0
        self.parameters["scales"][...] = 1

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        split = self._split(x)
        # Sums in float64: a set may have millions of values.
        mean = split.mean(self.axes, dtype=np.float64, keepdims=True)
        z = split - mean.astype(x.dtype)
        variance = np.square(z).mean(self.axes, dtype=np.float64, keepdims=True)
        divisor = np.sqrt(variance + self.eps).astype(x.dtype)
        z /= divisor
        normalized = z.reshape(x.shape)
        if training:
            self._saved = normalized, divisor
        return normalized * self._parameter("scales") + self.biases

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        z, divisor = self._recall()
        total, product = kernels.channel_products(delta, z, np.zeros_like(self.biases))
        self.gradients = {"biases": total, "scales": product}
        change, z = self._split(delta * self._parameter("scales")), self._split(z)
        mean = change.mean(self.axes, dtype=np.float64, keepdims=True)
        product = (change * z).mean(self.axes, dtype=np.float64, keepdims=True)
        by_x = change - mean.astype(z.dtype) - z * product.astype(z.dtype)
        by_x /= divisor
        return (by_x.reshape(delta.shape),)

    def _split(self, x: Array) -> Array:
        return x.reshape(*x.shape[:3], self.groups, -1)
