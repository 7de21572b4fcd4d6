"""What layers share that end in an activation function."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.activations import LEAKY_SLOPE, PARAMETER_FREE, activation, with_numbers
from zoo.keys import Key
from zoo.layers.base import Array, Layer

__all__ = ["SLOPE_KEY", "Activated", "activation_keys", "kept_for_derivative"]

SLOPE_KEY = Key("slope", "float", LEAKY_SLOPE, "of activation=leaky: factor below zero")


def activation_keys(
    default: str, meaning: str, choices: Sequence[str] = PARAMETER_FREE
) -> tuple[Key, ...]:
    """The keys that :class:`Activated` understands, for ``keys`` of its subclasses."""
    function = Key(
        "activation", "str", default, meaning, choices=choices, fallback="relu"
    )
    return function, SLOPE_KEY


class Activated(Layer):
    """A layer with the keys of :func:`activation_keys`."""

    activation: str
    slope: float

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.slope != LEAKY_SLOPE and self.activation != "leaky":
            raise ValueError(
                f"has slope={self.slope}, which activation={self.activation} "
                f"does not use; only leaky does"
            )

    @property
    def function(self) -> str:
        """What back ends are told to apply; see ``zoo.activations.with_numbers``."""
        if self.activation == "leaky":
            return with_numbers("leaky", self.slope)
        return self.activation


def kept_for_derivative(name: str, x: Array, y: Array) -> tuple[Array, Array] | None:
    """What backward needs of y = f(x) for ``Kernels.activation_backward``.

    None where f is linear; y in place of x where the derivative follows from y.
    """
    if name == "linear":
        return None
    return (x if activation(name).from_x else y), y
