"""An activation function as a layer of its own."""

from __future__ import annotations

import numpy as np

from zoo.activations import ACTIVATIONS, NAMES
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Activate, Operation
from zoo.shapes import Shape

__all__ = ["Activation"]

_LEAKY_SLOPE = 0.1
_PRELU_START = 0.25  # He et al., "Delving deep into rectifiers", 2015


class Activation(Layer):
    """y = f(x), with gradient delta f'(x); f from :mod:`zoo.activations`.

    ``activation=prelu`` learns a slope per channel for negative values, in the
    parameter ``slopes``; ``activation=leaky`` has the fixed one of the key ``slope``.
    """

    summary = "an activation function, prelu with its learned slopes included"
    keys = (
        Key("activation", "str", "linear", "the function", choices=NAMES),
        Key("slope", "float", _LEAKY_SLOPE, "below zero, of leaky only"),
        *COMMON_KEYS,
    )

    activation: str
    slope: float

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.slope != _LEAKY_SLOPE and self.activation != "leaky":
            raise ValueError(
                f"has slope={self.slope}, which activation={self.activation} "
                f"does not use; only leaky does"
            )

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "an activation layer")

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if self.activation != "prelu":
            return {}
        return {"slopes": (one_input(inputs, "an activation layer").channels,)}

    def lower(self, *inputs: Shape) -> Operation | None:
        if ACTIVATIONS[self.activation].kind == "channels":
            return None
        like = np.empty(0, np.float32)
        return Activate(*self._function(inputs[0].channels, like))

    def initialize(self, rng: np.random.Generator) -> None:
        if self.activation == "prelu":
            self.parameters["slopes"][...] = _PRELU_START

    def _function(self, channels: int, like: Array) -> tuple[str, Array | None]:
        """Name and slopes to give to the kernels."""
        if self.activation == "prelu":
            return "prelu", self._parameter("slopes")
        if self.slope != _LEAKY_SLOPE:
            return "prelu", np.full(channels, self.slope, like.dtype)
        return self.activation, None

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        name, slopes = self._function(x.shape[3], x)
        y = kernels.activate(x, name, slopes)
        if training:
            self._saved = (x if ACTIVATIONS[name].from_x else y), y
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, y = self._recall()
        name, slopes = self._function(x.shape[3], x)
        by_x, by_slopes = kernels.activation_backward(x, y, delta, name, slopes)
        if self.activation == "prelu":
            assert by_slopes is not None
            self.gradients = {"slopes": by_slopes}
        return (by_x,)
