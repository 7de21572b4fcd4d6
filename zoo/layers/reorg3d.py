"""Pixel unshuffle: pixels become channels."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels, ShuffleOrder
from zoo.program.operations import Operation, Shuffle, Unshuffle
from zoo.shapes import Shape

__all__ = ["Reorg3d"]


class Reorg3d(Layer):
    """rH x rW x C to H x W x (C r^2): y[h, w, k] = x[r h + i, r w + j, c].

    It undoes a [shuffler], whose orders its own are: ``dcr``, k = (i r + j) C + c, is
    Darknet's and TensorFlow's space_to_depth, ``crd``, k = c r^2 + i r + j, PyTorch's
    PixelUnshuffle. ``reverse=1`` is the shuffler itself. The gradient is the inverse
    permutation. Darknet's ``[reorg]`` is another permutation.
    """

    summary = "pixel unshuffle: r x r pixels become r^2 times as many channels"
    keys = (
        Key(
            "stride",
            "int",
            1,
            "r, the divisor of height and width",
            minimum=1,
            maximum=256,
        ),
        Key(
            "order",
            "str",
            "dcr",
            "order of the channels: dcr as TensorFlow, crd as PyTorch",
            choices=("dcr", "crd"),
        ),
        Key("reverse", "bool", False, "1: channels become pixels, as in [shuffler]"),
        *COMMON_KEYS,
    )

    stride: int
    order: ShuffleOrder
    reverse: bool

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = shape = one_input(inputs, "a reorg3d")
        r = self.stride
        if self.reverse:
            if channels % r**2:
                raise ShapeError(
                    f"a reorg3d of stride {r} with reverse=1 needs a multiple of "
                    f"{r**2} channels, not {channels}"
                )
            return Shape(height * r, width * r, channels // r**2)
        if height % r or width % r:
            raise ShapeError(f"a reorg3d cannot cut {shape} into cells of {r}x{r}")
        return Shape(height // r, width // r, channels * r**2)

    def window(self) -> tuple[Window, Window]:
        r = self.stride
        seen = Window(scale=r) if self.reverse else Window(size=r, stride=r)
        return seen, seen

    def lower(self, *inputs: Shape) -> Operation | None:
        return (Shuffle if self.reverse else Unshuffle)(self.stride, self.order)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return self._moved(inputs[0], kernels, self.reverse)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (self._moved(delta, kernels, not self.reverse),)

    def _moved(self, x: Array, kernels: Kernels, to_pixels: bool) -> Array:
        move = kernels.depth_to_space if to_pixels else kernels.space_to_depth
        return move(x, self.stride, self.order)
