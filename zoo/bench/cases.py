"""Single layers to be timed: the founding thesis's experiment, and our own.

This module imports NumPy alone: the processes that are measured use it too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

__all__ = ["CASES", "OPERATIONS", "THESIS", "Data", "LayerCase", "data", "sampled"]

_SAMPLES = 1 << 14


@dataclass(frozen=True)
class LayerCase:
    """One layer with the size of its input.

    Attributes
    ----------
    name : str
    kind : {"conv", "maxpool", "shuffle", "add"} or the name of an activation
    size : int
        Of the window; of a shuffle, its scale.
    stride : int
    channels : int
        Of the input.
    filters, groups : int
        Of a convolution.
    batch, height, width : int
        Of the input.
    """

    name: str
    kind: str
    size: int
    channels: int
    filters: int = 0
    stride: int = 1
    groups: int = 1
    batch: int = 16
    height: int = 512
    width: int = 512

    @property
    def input(self) -> tuple[int, int, int, int]:
        """N x H x W x C."""
        return self.batch, self.height, self.width, self.channels

    @property
    def output(self) -> tuple[int, int, int, int]:
        """N x H' x W' x C'. Convolutions and pooling pad as SAME does."""
        if self.kind == "shuffle":
            height, width = self.height * self.size, self.width * self.size
            return self.batch, height, width, self.channels // self.size**2
        height, width = -(-self.height // self.stride), -(-self.width // self.stride)
        return self.batch, height, width, self.filters or self.channels

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """kh x kw x (C / groups) x K of a convolution."""
        return self.size, self.size, self.channels // self.groups, self.filters

    @property
    def margin(self) -> tuple[int, int]:
        """Rows or columns that pooling pads before and after the image."""
        return (self.size - 1) // 2, self.size // 2

    @property
    def work(self) -> int:
        """Operations of a convolution, forward; bytes that others read and write."""
        read, written = prod(self.input), prod(self.output)
        if self.kind == "conv":
            return 2 * written * prod(self.weights[:3])
        return 4 * ((2 if self.kind == "add" else 1) * read + written)

    def memory(self, direction: str) -> int:
        """Bytes that one engine needs for it, about: arrays and what it keeps."""
        x, y = prod(self.input), prod(self.output)
        floats = x + y if direction == "forward" else 2 * x + y
        if self.kind == "maxpool":
            floats += 2 * y  # PyTorch makes indices of 8 bytes, TensorFlow reads y
        return 4 * floats * 5 // 4

    def sized(self, batch: int, height: int, width: int) -> LayerCase:
        """The same layer on other images."""
        return replace(self, batch=batch, height=height, width=width)


def _named(*cases: LayerCase) -> dict[str, LayerCase]:
    return {case.name: case for case in cases}


THESIS = _named(
    LayerCase("conv3", "conv", 3, 3, 100),
    LayerCase("conv3s2", "conv", 3, 3, 100, stride=2),
    LayerCase("maxpool3", "maxpool", 3, 3),
    LayerCase("maxpool30", "maxpool", 30, 3),
    LayerCase("shuffle2", "shuffle", 2, 12),
    LayerCase("shuffle4", "shuffle", 4, 48),
    LayerCase("shuffle6", "shuffle", 6, 108),
)
"""The thesis's cases: 3x3 convolution with 100 filters, maximum, pixel shuffle."""

OPERATIONS = _named(
    LayerCase("conv3x3_3to64", "conv", 3, 3, 64),
    LayerCase("conv3x3_32to192", "conv", 3, 32, 192),
    LayerCase("conv3x3_192to32", "conv", 3, 192, 32),
    LayerCase("conv3x3_64to64", "conv", 3, 64, 64),
    LayerCase("conv3x3_256to256", "conv", 3, 256, 256),
    LayerCase("conv3x3_64to3", "conv", 3, 64, 3),
    LayerCase("conv3x3s2_64to64", "conv", 3, 64, 64, stride=2),
    LayerCase("conv5x5_3to48", "conv", 5, 3, 48),
    LayerCase("conv1x1_64to256", "conv", 1, 64, 256),
    LayerCase("depthwise3x3_64", "conv", 3, 64, 64, groups=64),
    LayerCase("depthwise5x5_64", "conv", 5, 64, 64, groups=64),
    LayerCase("depthwise7x7_64", "conv", 7, 64, 64, groups=64),
    LayerCase("conv17x17_16to16", "conv", 17, 16, 16),
    LayerCase("maxpool3_64", "maxpool", 3, 64),
    LayerCase("maxpool30_64", "maxpool", 30, 64),
    LayerCase("shuffle2_256", "shuffle", 2, 256),
    LayerCase("shuffle6_108", "shuffle", 6, 108),
    LayerCase("add_64", "add", 1, 64),
    LayerCase("relu_64", "relu", 1, 64),
    LayerCase("leaky_64", "leaky", 1, 64),
    LayerCase("tanh_64", "tanh", 1, 64),
    LayerCase("mish_64", "mish", 1, 64),
)
"""What super-resolution networks are made of, and the thesis's pooling."""

CASES = THESIS | {
    name: case
    for name, case in OPERATIONS.items()
    if case.kind in ("conv", "maxpool", "shuffle") and case.groups == 1
}
"""What :mod:`zoo.bench.layer_peers` can do, forward and backward."""


@dataclass(frozen=True)
class Data:
    """Arrays for a case, equal in every process.

    ``other`` is the second input of an addition, ``delta`` is for backward only.
    """

    x: NDArray[np.float32]
    weights: NDArray[np.float32] | None = None
    biases: NDArray[np.float32] | None = None
    other: NDArray[np.float32] | None = None
    delta: NDArray[np.float32] | None = None


def data(case: LayerCase, direction: str) -> Data:
    """Make the arrays of a case. All values of ``x`` differ, or nearly so."""
    rng = np.random.default_rng(1)

    def numbers(shape: tuple[int, ...]) -> NDArray[np.float32]:
        values = rng.random(shape, np.float32)
        values -= np.float32(0.5)
        return values

    is_conv = case.kind == "conv"
    needs_x = direction == "forward" or case.kind != "shuffle"
    return Data(
        numbers(case.input if needs_x else (1, 1, 1, case.channels)),
        numbers(case.weights) if is_conv else None,
        numbers((case.filters,)) if is_conv else None,
        numbers(case.input) if case.kind == "add" else None,
        numbers(case.output) if direction == "backward" else None,
    )


def sampled(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some thousand values of an array, always from the same places."""
    if array.size <= _SAMPLES:
        return np.ascontiguousarray(array).ravel()
    places = np.random.default_rng(2).integers(0, array.size, _SAMPLES)
    # Not through ravel: the array may be a view in another order.
    return array[np.unravel_index(places, array.shape)]
