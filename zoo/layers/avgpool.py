"""Average pooling over the whole image, or over windows where a size is given."""

from __future__ import annotations

import math

from zoo.layers.base import Window
from zoo.layers.local_avgpool import LocalAveragePool
from zoo.plugins.base import PoolGeometry
from zoo.shapes import Shape

__all__ = ["AveragePool"]


class AveragePool(LocalAveragePool):
    """y = mean of x over the whole image, per channel: 1 x 1 x C.

    A section with a ``size`` is a ``[local_avgpool]``; the other keys need it.
    Each of the n pixels gets 1/n of the gradient.
    """

    summary = "mean of the image, or of each window where size is given"

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
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
