"""Maximum pooling."""

from __future__ import annotations

from zoo.layers.base import Array
from zoo.layers.pooling import PoolLayer
from zoo.plugins.base import Kernels
from zoo.program.operations import Operation, Pool
from zoo.shapes import Shape

__all__ = ["MaxPool"]


class MaxPool(PoolLayer):
    """y = max of x over a window, per channel.

    See :class:`zoo.layers.pooling.PoolLayer` for the windows. The gradient of an
    output goes to the cell it was taken from, the first in row-major order on a
    tie; gradients add up where windows overlap.
    """

    summary = "largest value of each window"

    def lower(self, *inputs: Shape) -> Operation | None:
        return Pool("max", self.geometry(inputs[0]))

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        if training:
            self._saved = x
        return kernels.max_pool(x, self.geometry(Shape(*x.shape[1:])))

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x: Array = self._recall()
        geometry = self.geometry(Shape(*x.shape[1:]))
        return (kernels.max_pool_backward(x, delta, geometry),)
