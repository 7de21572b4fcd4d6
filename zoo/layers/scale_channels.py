"""Channels of a layer, each times a factor that was computed."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.activated import activation_keys
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.sam import FROM_KEY, Product
from zoo.program.operations import Multiply, Operation, Scale
from zoo.shapes import Shape

__all__ = ["ScaleChannels"]


class ScaleChannels(Product):
    """y[i, j, c] = f(a[c] x[i, j, c]), or f(a[i, j] x[i, j, c]) with ``scale_wh=1``.

    a is the layer before, a single pixel of as many channels as x, which is the layer
    of ``from``; with ``scale_wh=1`` a has the size of x and one channel. Gradients,
    with D = delta f': a D for x, and for a the sum of x D over what a was repeated
    for. (Hu et al., "Squeeze-and-excitation networks", 2018; Darknet's keys.)
    """

    summary = "an earlier layer, every channel times a value of the previous one"
    keys = (
        FROM_KEY,
        Key("scale_wh", "bool", False, "1: a factor per pixel, not per channel"),
        *activation_keys("linear", "applied to the product"),
        *COMMON_KEYS,
    )

    scale_wh: bool

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"a scale_channels takes two inputs, not {len(inputs)}")
        factors, x = inputs
        if self.scale_wh:
            wanted = Shape(x.height, x.width, 1)
        else:
            wanted = Shape(1, 1, x.channels)
        if factors != wanted:
            raise ShapeError(
                f"a scale_channels of {x} needs {wanted} from the layer before, "
                f"not {factors}"
            )
        return x

    def lower(self, *inputs: Shape) -> Operation | None:
        return Multiply(self.function) if self.scale_wh else Scale(self.function)
