"""Maximum pooling."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.adaptive import adaptive_max, adaptive_max_backward
from zoo.layers.base import Array, Window, one_input
from zoo.layers.blur import ANTIALIASING_KEY, Blur
from zoo.layers.darknet_keys import refuse, unsupported
from zoo.layers.pooling import POOL_KEYS, PoolLayer
from zoo.plugins.base import Kernels, Padding, PoolGeometry
from zoo.program.operations import Operation, Pool
from zoo.shapes import Shape

__all__ = ["MaxPool"]

_UNSUPPORTED = unsupported("maxpool_zero_nonmax")


class MaxPool(PoolLayer):
    """y = max of x over a window, per channel.

    See :class:`zoo.layers.pooling.PoolLayer` for the windows. The gradient of an
    output goes to the cell it was taken from, the first in row-major order on a
    tie; gradients add up where windows overlap.

    With ``adaptive=1`` there are floor(L / stride) windows along an axis, spread evenly
    over it, as PyTorch's adaptive pooling has them: neighbours share a row or column
    where the stride does not divide the picture.

    With ``maxpool_depth=1`` channel g of the ``out_channels`` that are left is the
    largest of the channels g, g + out_channels, g + 2 out_channels, ... of the same
    pixel, and there are no windows.
    """

    summary = "largest value of each window"
    keys = (
        *POOL_KEYS,
        Key("maxpool_depth", "bool", False, "1: over channels in place of windows"),
        Key("out_channels", "int", 1, "channels that maxpool_depth leaves", minimum=1),
        Key("adaptive", "bool", False, "1: windows of stride, spread over the picture"),
        ANTIALIASING_KEY,
        *_UNSUPPORTED,
    )

    maxpool_depth: bool
    out_channels: int
    adaptive: bool
    antialiasing: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        refuse(self, _UNSUPPORTED)
        if self.maxpool_depth and self.antialiasing:
            raise ValueError("has antialiasing beside maxpool_depth; use one of them")
        if self.adaptive and (
            self.maxpool_depth
            or self.antialiasing
            or self.size not in (0, self.stride)
            or self.padding > 0
            or max(self.stride_x, self.stride_y)
        ):
            raise ValueError("has adaptive=1 beside a key other than stride")

    @property
    def strides(self) -> tuple[int, int]:
        """Stride along height and width; 1 where a blur follows that has them."""
        return (1, 1) if self.antialiasing else super().strides

    @property
    def _blur(self) -> Blur | None:
        return Blur(self.antialiasing, super().strides) if self.antialiasing else None

    @property
    def is_special(self) -> bool:
        return self.maxpool_depth or self.antialiasing > 0 or self.adaptive

    def output_shape(self, *inputs: Shape) -> Shape:
        if self.maxpool_depth:
            shape = one_input(inputs, "a pooling layer")
            if self.out_channels > shape.channels:
                raise ShapeError(
                    f"{shape} has fewer channels than out_channels={self.out_channels}"
                )
            return shape._replace(channels=self.out_channels)
        if self.adaptive:
            shape = one_input(inputs, "a pooling layer")
            rows, columns = (length // self.stride for length in shape[:2])
            if rows < 1 or columns < 1:
                raise ShapeError(f"a window of {self.stride} does not fit into {shape}")
            return Shape(rows, columns, shape.channels)
        dense = super().output_shape(*inputs)
        return self._blur.output_shape(dense) if self._blur else dense

    def window(self) -> tuple[Window, Window]:
        if self.maxpool_depth:
            return Window(), Window()
        if self.adaptive:
            # Of a picture just too small for two windows, one sees all.
            window = Window(2 * self.stride - 1, self.stride)
            return window, window
        if self._blur is None:
            return super().window()
        size = self.window_size + len(self._blur.weights) - 1
        rows, columns = super().strides
        return Window(size, rows), Window(size, columns)

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.maxpool_depth or self._blur:
            return None
        if self.adaptive and not self._divides(inputs[0]):
            return None
        return Pool("max", self.geometry(inputs[0]))

    def geometry(self, shape: Shape) -> PoolGeometry:
        if not self.adaptive:
            return super().geometry(shape)
        return PoolGeometry((self.stride,) * 2, self.strides, Padding(0, 0, 0, 0))

    def _divides(self, shape: Shape) -> bool:
        """Whether windows of the stride cover a picture without sharing rows."""
        return not (shape.height % self.stride or shape.width % self.stride)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        if training:
            self._saved = x, None
        if self.maxpool_depth:
            return self._over_channels(x).max(axis=3)
        if self.adaptive and not self._divides(Shape(*x.shape[1:])):
            size = self.output_shape(Shape(*x.shape[1:]))
            return adaptive_max(x, (size.height, size.width))
        geometry = self.geometry(Shape(*x.shape[1:]))
        if training:
            y, places = kernels.max_pool_places(x, geometry)
            self._saved = x, places
        else:
            y = kernels.max_pool(x, geometry)
        return self._blur.forward(y, kernels) if self._blur else y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, places = self._recall()
        if self.maxpool_depth:
            return (self._back_to_channels(x, delta),)
        if self.adaptive and not self._divides(Shape(*x.shape[1:])):
            return (adaptive_max_backward(x, delta),)
        geometry = self.geometry(Shape(*x.shape[1:]))
        if self._blur:
            dense = super().output_shape(Shape(*x.shape[1:]))
            delta = self._blur.backward(delta, dense[:2], kernels)
        if places is not None:
            return (kernels.max_pool_backward_at(places, x.shape, delta, geometry),)
        return (kernels.max_pool_backward(x, delta, geometry),)

    def _over_channels(self, x: Array) -> Array:
        """N x H x W x rounds x out_channels, what is missing of a round at -infinity."""
        missing = -x.shape[3] % self.out_channels
        ends = ((0, 0), (0, 0), (0, 0), (0, missing))
        full = np.pad(x, ends, constant_values=-np.inf)
        return full.reshape(*x.shape[:3], -1, self.out_channels)

    def _back_to_channels(self, x: Array, delta: Array) -> Array:
        rounds = self._over_channels(x)
        gradient = np.zeros_like(rounds)
        largest = rounds.argmax(axis=3)[:, :, :, None]
        np.put_along_axis(gradient, largest, delta[:, :, :, None], axis=3)
        flat = gradient.reshape(*x.shape[:3], -1)
        return np.ascontiguousarray(flat[..., : x.shape[3]])
