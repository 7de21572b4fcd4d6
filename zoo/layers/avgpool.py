"""Average pooling over the whole image, or over windows where a size is given."""

from __future__ import annotations

import math

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Window
from zoo.layers.local_avgpool import LocalAveragePool
from zoo.layers.pooling import POOL_KEYS
from zoo.plugins.base import Kernels, PoolGeometry
from zoo.program.operations import Operation, Pool
from zoo.shapes import Shape

__all__ = ["AveragePool"]


class AveragePool(LocalAveragePool):
    """y = mean m of x over the whole image, per channel: 1 x 1 x C.

    With ``deviation=1`` it is the standard deviation of the population,
    y = sqrt(mean (x - m)^2), as the contrast-aware attention of IMDN takes it (Hui et
    al., "Lightweight image super-resolution with information multi-distillation
    network", 2019).

    A section with a ``size`` is a ``[local_avgpool]``; the other keys need it. Each
    of the n pixels gets 1/n of the gradient; of the deviation, (x - m) / (n y), and 0
    where y is 0.
    """

    summary = "mean or deviation of the image, or mean of each window of a size"
    keys = (
        *POOL_KEYS,
        Key("deviation", "bool", False, "1: standard deviation instead of the mean"),
    )

    deviation: bool

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.size and self.deviation:
            raise ValueError("has size beside deviation=1, which takes the whole image")
        if not self.size and (
            (self.stride, self.stride_x, self.stride_y) != (1, 0, 0)
            or self.padding >= 0
        ):
            raise ValueError(
                "has stride or padding but no size; give a size, "
                "or leave them out to average the whole image"
            )

    def geometry(self, shape: Shape) -> PoolGeometry:
        if self.size:
            return super().geometry(shape)
        return PoolGeometry((shape.height, shape.width), (1, 1))

    def window(self) -> tuple[Window, Window]:
        """Infinite where the whole image is averaged."""
        if self.size:
            return super().window()
        return Window(math.inf), Window(math.inf)

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.deviation:
            return Pool("deviation", self.geometry(inputs[0]))
        return super().lower(*inputs)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if not self.deviation:
            return super().forward(*inputs, kernels=kernels, training=training)
        (x,) = inputs
        y = kernels.deviation(x)
        if training:
            self._saved = x, y
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        if not self.deviation:
            return super().backward(delta, kernels=kernels)
        x, y = self._recall()
        count = y.dtype.type(x.shape[1] * x.shape[2])
        factor = np.where(y > 0, delta / (count * np.where(y > 0, y, 1)), 0)
        mean = x.mean((1, 2), dtype=np.float64, keepdims=True).astype(x.dtype)
        return ((x - mean) * factor,)
