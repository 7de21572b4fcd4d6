"""Pixel shuffle: channels become pixels."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import REQUIRED, Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import STOP_KEY
from zoo.plugins.base import Kernels, ShuffleOrder
from zoo.program.operations import Operation, Shuffle
from zoo.shapes import Shape

__all__ = ["Shuffler"]


class Shuffler(Layer):
    """H x W x (C r^2) to rH x rW x C: y[r h + i, r w + j, c] = x[h, w, k].

    The order says which channel k holds row i and column j of the r x r cell:

    * ``crd``: k = c r^2 + i r + j. PyTorch's PixelShuffle; the default.
    * ``dcr``: k = (i r + j) C + c. TensorFlow's depth_to_space, Darknet's
      ``[reorg] reverse=1``, NumPyNet.

    Nothing in a file tells one from the other, so a cfg for converted weights should
    name the order. The gradient is the inverse permutation. (Shi et al., "Real-time
    single image and video super-resolution using an efficient sub-pixel
    convolutional neural network", 2016.)
    """

    summary = "pixel shuffle: r^2 channels become r x r pixels"
    keys = (
        Key(
            "scale",
            "int",
            REQUIRED,
            "r, the factor of height and width",
            minimum=1,
            maximum=256,
            aliases=("stride", "block_size", "upscale_factor"),
        ),
        Key(
            "order",
            "str",
            "crd",
            "order of the channels: crd as PyTorch, dcr as TensorFlow",
            choices=("crd", "dcr"),
        ),
        STOP_KEY,
    )

    scale: int
    order: ShuffleOrder

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a shuffler")
        cell = self.scale**2
        if shape.channels % cell:
            raise ShapeError(
                f"a shuffler of scale {self.scale} needs a multiple of {cell} "
                f"channels, not {shape.channels}"
            )
        return Shape(
            shape.height * self.scale,
            shape.width * self.scale,
            shape.channels // cell,
        )

    def window(self) -> tuple[Window, Window]:
        return Window(scale=self.scale), Window(scale=self.scale)

    def lower(self, *inputs: Shape) -> Operation | None:
        return Shuffle(self.scale, self.order)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        return kernels.depth_to_space(inputs[0], self.scale, self.order)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (kernels.space_to_depth(delta, self.scale, self.order),)
