"""Product of two layers, value by value."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import REQUIRED, Key
from zoo.layers.activated import Activated, activation_keys, kept_for_derivative
from zoo.layers.base import Array
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Multiply, Operation
from zoo.shapes import Shape

__all__ = ["FROM_KEY", "Product", "Sam"]

FROM_KEY = Key(
    "from",
    "int",
    REQUIRED,
    "the other layer; negative counts back from this layer",
    aliases=("index",),
    attribute="origin",
)


class Product(Activated):
    """f(a b) for the previous layer a and the layer b of ``from``, broadcast.

    A subclass says which shapes fit. An input that was repeated over pixels or
    channels gets the sum of the gradients of its copies.
    """

    origin: int

    def sources(self, index: int) -> tuple[int, ...]:
        # Relative references may reach -1, the network's input.
        return index - 1, self.origin if self.origin >= 0 else index + self.origin

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        a, b = inputs
        if not training:
            return kernels.multiply(a, b, self.function)
        product = output = kernels.multiply(a, b)
        if self.function != "linear":
            output = kernels.activate(product, self.function)
        self._saved = a, b, kept_for_derivative(self.function, product, output)
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        a, b, activated = self._recall()
        if activated is not None:
            x, y = activated
            delta, _ = kernels.activation_backward(x, y, delta, self.function)
        return (
            _summed(kernels.multiply(delta, b), a.shape),
            _summed(kernels.multiply(delta, a), b.shape),
        )


def _summed(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Gradient of what was repeated along some axes to a gradient's shape."""
    axes = tuple(
        axis
        for axis, (length, own) in enumerate(zip(gradient.shape, shape, strict=True))
        if own != length
    )
    if not axes:
        return gradient
    total = gradient.sum(axes, dtype=np.float64, keepdims=True)
    return np.asarray(total).astype(gradient.dtype)


class Sam(Product):
    """y = f(a b), value by value: a spatial attention module, in Darknet's words.

    a is the layer before, b that of ``from``. Both are of one size and have as many
    channels, or one of them has a single channel, which multiplies all of the
    other's. Gradients, with D = delta f': b D for a and a D for b, summed over the
    channels where there is one. (Woo et al., "CBAM: Convolutional block attention
    module", 2018.)
    """

    summary = "product of the previous layer and an earlier one"
    keys = (
        FROM_KEY,
        *activation_keys("linear", "applied to the product"),
        *COMMON_KEYS,
    )

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"a sam takes two inputs, not {len(inputs)}")
        a, b = inputs
        channels = {a.channels, b.channels} - {1}
        if a[:2] != b[:2] or len(channels) > 1:
            raise ShapeError(
                f"a sam cannot multiply {a} by {b}: height and width must be equal, "
                f"the channels too unless one has 1"
            )
        return a if a.channels >= b.channels else b

    def lower(self, *inputs: Shape) -> Operation | None:
        return Multiply(self.function)
