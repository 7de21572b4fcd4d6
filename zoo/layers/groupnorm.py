"""Group normalization."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Window
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.standardized import Standardized, epsilon_key
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["GroupNorm"]


class GroupNorm(Standardized):
    """Every group of channels with its mean and variance over the whole picture.

    See :class:`zoo.layers.standardized.Standardized`; it is PyTorch's GroupNorm, with
    as many groups as channels its InstanceNorm2d. A picture that is cut into parts
    would get other statistics in each, so a plan needs all rows of it at once. (Wu
    and He, "Group normalization", 2018.)
    """

    summary = "group normalization: zero mean and unit variance of groups of channels"
    keys = (
        Key("groups", "int", 4, "parts of the channels, normalized apart", minimum=1),
        epsilon_key(1e-5),
        *COMMON_KEYS,
    )
    axes = (1, 2, 4)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = super().output_shape(*inputs)
        if shape.channels % self.groups:
            raise ShapeError(
                f"{shape.channels} channels do not divide into groups={self.groups}"
            )
        return shape

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if training:
            return super().forward(*inputs, kernels=kernels, training=True)
        (x,) = inputs
        y = np.empty_like(x)
        for image, result in zip(x, y, strict=True):
            mean, divisor = self._statistics(*kernels.channel_moments(image))
            factor = self._parameter("scales") / divisor
            result[...] = kernels.normalize(image, mean, factor, self.biases)
        return y

    def _statistics(self, mean: Array, variance: Array) -> tuple[Array, Array]:
        """m and sqrt(v + eps) of each channel's group, from each channel's m and v."""
        means = mean.reshape(self.groups, -1)
        middle = means.mean(1, keepdims=True, dtype=np.float64)
        spread = variance.reshape(means.shape) + (means - middle) ** 2
        divisor = np.sqrt(spread.mean(1, keepdims=True, dtype=np.float64) + self.eps)
        m, d = (
            np.broadcast_to(each, means.shape).reshape(-1).astype(mean.dtype)
            for each in (middle, divisor)
        )
        return m, d

    def window(self) -> tuple[Window, Window]:
        """Infinite: the statistics are those of the whole picture."""
        return Window(float("inf")), Window(float("inf"))
