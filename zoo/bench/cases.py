"""Single layers to be timed, after the founding thesis's experiment.

This module imports NumPy alone: the processes that are measured use it too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["CASES", "Case", "Data", "data", "sampled"]

_SAMPLES = 1 << 14


@dataclass(frozen=True)
class Case:
    """One layer with the size of its input.

    Attributes
    ----------
    name : str
    kind : {"conv", "maxpool", "shuffle"}
    size : int
        Of the window; of a shuffle, its scale.
    stride : int
    channels : int
        Of the input.
    filters : int
        Of a convolution.
    batch, height, width : int
        Of the input.
    """

    name: str
    kind: str
    size: int
    channels: int
    stride: int = 1
    filters: int = 0
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
        """kh x kw x C x K of a convolution."""
        return self.size, self.size, self.channels, self.filters

    @property
    def margin(self) -> tuple[int, int]:
        """Rows or columns that pooling pads before and after the image."""
        return (self.size - 1) // 2, self.size // 2

    @property
    def operations(self) -> int:
        """Floating-point operations of a convolution, forward."""
        return 2 * int(np.prod(self.output)) * int(np.prod(self.weights[:3]))

    def memory(self, direction: str) -> int:
        """Bytes that one engine needs for it, about: arrays and what it keeps."""
        x, y = (int(np.prod(shape)) for shape in (self.input, self.output))
        floats = x + y if direction == "forward" else 2 * x + y
        if self.kind == "maxpool":
            floats += 2 * y  # PyTorch makes indices of 8 bytes, TensorFlow reads y
        return 4 * floats * 5 // 4

    def sized(self, batch: int, height: int, width: int) -> Case:
        """The same layer on other images."""
        return replace(self, batch=batch, height=height, width=width)


CASES = {
    case.name: case
    for case in (
        Case("conv3", "conv", 3, 3, filters=100),
        Case("conv3s2", "conv", 3, 3, stride=2, filters=100),
        Case("maxpool3", "maxpool", 3, 3),
        Case("maxpool30", "maxpool", 30, 3),
        Case("shuffle2", "shuffle", 2, 12),
        Case("shuffle4", "shuffle", 4, 48),
        Case("shuffle6", "shuffle", 6, 108),
    )
}
"""The thesis's cases: 3x3 convolution with 100 filters, maximum, pixel shuffle."""


@dataclass(frozen=True)
class Data:
    """Arrays for a case, equal in every process; ``delta`` for backward only."""

    x: NDArray[np.float32]
    weights: NDArray[np.float32] | None
    biases: NDArray[np.float32] | None
    delta: NDArray[np.float32] | None


def data(case: Case, direction: str) -> Data:
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
        numbers(case.output) if direction == "backward" else None,
    )


def sampled(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some thousand values of an array, always from the same places."""
    if array.size <= _SAMPLES:
        return np.ascontiguousarray(array).ravel()
    places = np.random.default_rng(2).integers(0, array.size, _SAMPLES)
    # Not through ravel: the array may be a view in another order.
    return array[np.unravel_index(places, array.shape)]
