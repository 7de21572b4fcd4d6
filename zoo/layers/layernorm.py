"""Layer normalization, as transformers on pictures have it."""

from __future__ import annotations

from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.standardized import Standardized, epsilon_key
from zoo.plugins.base import Kernels
from zoo.program.operations import Normalize, Operation
from zoo.shapes import Array, Shape

__all__ = ["LayerNorm"]


class LayerNorm(Standardized):
    """Every pixel with the mean and the variance of its own channels.

    See :class:`zoo.layers.standardized.Standardized`. Of N x H x W x C arrays it is
    PyTorch's LayerNorm(C), of N x C x H x W ones what is there called LayerNorm2d.
    (Ba et al., "Layer normalization", 2016.)
    """

    summary = "layer normalization: zero mean and unit variance of each pixel"
    keys = (epsilon_key(1e-6), *COMMON_KEYS)
    axes = (4,)

    def lower(self, *inputs: Shape) -> Operation | None:
        return Normalize(self._parameter("scales"), self.biases, self.eps)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if training:
            return super().forward(*inputs, kernels=kernels, training=True)
        scales = self._parameter("scales")
        return kernels.normalize_pixels(inputs[0], scales, self.biases, self.eps)
