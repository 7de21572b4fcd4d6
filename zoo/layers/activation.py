"""An activation function as a layer of its own."""

from __future__ import annotations

import numpy as np

from zoo.activations import NAMES, activation, with_numbers
from zoo.keys import Key
from zoo.layers.activated import Activated, activation_keys
from zoo.layers.base import Array, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Activate, Operation
from zoo.shapes import Shape

__all__ = ["Activation"]

_PRELU_START = 0.25  # He et al., "Delving deep into rectifiers", 2015


class Activation(Activated):
    """y = f(x), with gradient delta f'(x); f from :mod:`zoo.activations`.

    ``activation=prelu`` learns a slope per channel for negative values, in the
    parameter ``slopes``; ``activation=leaky`` has the fixed one of the key ``slope``,
    ``activation=clip`` the bounds of the keys ``low`` and ``high``.
    """

    summary = "an activation function, prelu with its learned slopes included"
    keys = (
        *activation_keys("linear", "the function", NAMES),
        Key("low", "float", 0.0, "of activation=clip: the smallest value"),
        Key("high", "float", 1.0, "of activation=clip: the largest value"),
        *COMMON_KEYS,
    )

    low: float
    high: float

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if (self.low, self.high) != (0, 1) and self.activation != "clip":
            raise ValueError(
                f"has low={self.low:g} or high={self.high:g}, which "
                f"activation={self.activation} does not use; only clip does"
            )
        if self.low > self.high:
            raise ValueError(f"has low={self.low:g} above high={self.high:g}")

    @property
    def function(self) -> str:
        if self.activation == "clip":
            return with_numbers("clip", self.low, self.high)
        return super().function

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "an activation layer")

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if self.activation != "prelu":
            return {}
        return {"slopes": (one_input(inputs, "an activation layer").channels,)}

    def lower(self, *inputs: Shape) -> Operation | None:
        if activation(self.function).kind == "channels":
            return None
        return Activate(self.function, self.parameters.get("slopes"))

    def initialize(self, rng: np.random.Generator) -> None:
        if self.activation == "prelu":
            self.parameters["slopes"][...] = _PRELU_START

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        y = kernels.activate(x, self.function, self.parameters.get("slopes"))
        if training:
            self._saved = (x if activation(self.function).from_x else y), y
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, y = self._recall()
        by_x, by_slopes = kernels.activation_backward(
            x, y, delta, self.function, self.parameters.get("slopes")
        )
        if self.activation == "prelu":
            assert by_slopes is not None
            self.gradients = {"slopes": by_slopes}
        return (by_x,)
