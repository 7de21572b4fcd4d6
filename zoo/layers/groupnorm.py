"""Group normalization."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Window
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.standardized import Standardized, epsilon_key
from zoo.plugins.base import Kernels
from zoo.program.operations import NormalizeGroups, Operation
from zoo.shapes import Shape

__all__ = ["GroupNorm"]


class GroupNorm(Standardized):
    """Every group of channels with its mean and variance over the whole picture.

    See :class:`zoo.layers.standardized.Standardized`; it is PyTorch's GroupNorm, with
    as many groups as channels its InstanceNorm2d. A picture that is cut into parts
    would get other statistics in each. (Wu and He, "Group normalization", 2018.)
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
        scales = self._parameter("scales")
        return kernels.normalize_groups(
            inputs[0], self.groups, scales, self.biases, self.eps
        )

    def lower(self, *inputs: Shape) -> Operation | None:
        scales = self._parameter("scales")
        return NormalizeGroups(self.groups, scales, self.biases, self.eps)

    def window(self) -> tuple[Window, Window]:
        """Infinite: the statistics are those of the whole picture."""
        return Window(float("inf")), Window(float("inf"))
