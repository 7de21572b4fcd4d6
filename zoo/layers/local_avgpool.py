"""Average pooling over windows."""

from __future__ import annotations

from zoo.layers.base import Array
from zoo.layers.pooling import PoolLayer
from zoo.plugins.base import Kernels
from zoo.program.operations import Operation, Pool
from zoo.shapes import Shape

__all__ = ["LocalAveragePool"]


class LocalAveragePool(PoolLayer):
    """y = mean of x over the cells of a window that lie inside the image.

    See :class:`zoo.layers.pooling.PoolLayer` for the windows. Each of the n cells
    of a window gets 1/n of its gradient.
    """

    summary = "mean of each window"

    def lower(self, *inputs: Shape) -> Operation | None:
        return Pool("average", self.geometry(inputs[0]))

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        if training:
            self._saved = x.shape
        return kernels.average_pool(x, self.geometry(Shape(*x.shape[1:])))

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape: tuple[int, ...] = self._recall()
        geometry = self.geometry(Shape(*shape[1:]))
        return (kernels.average_pool_backward(shape, delta, geometry),)
