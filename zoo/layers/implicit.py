"""A learned constant in place of a picture."""

from __future__ import annotations

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Implicit"]


class Implicit(Layer):
    """y = w whatever the picture is: ``atoms`` rows of one pixel with ``filters`` channels.

    Its gradient is the sum of delta over the batch. It reads the network's input only
    to know how many pictures there are. (Wang et al., "You only learn one
    representation", 2021; AlexeyAB's Darknet.)
    """

    summary = "a learned constant"
    keys = (
        Key("filters", "int", 128, "channels", minimum=1),
        Key("atoms", "int", 1, "rows", minimum=1),
        Key("mean", "float", 0.0, "around which the first values lie"),
        Key("std", "float", 0.2, "how far they lie from it at most", minimum=0),
        *COMMON_KEYS,
    )

    filters: int
    atoms: int
    mean: float
    std: float

    def sources(self, index: int) -> tuple[int, ...]:
        return (-1,)

    def output_shape(self, *inputs: Shape) -> Shape:
        return Shape(self.atoms, 1, self.filters)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        return {"weights": (self.atoms, 1, self.filters)}

    def initialize(self, rng: np.random.Generator) -> None:
        """Uniform within std of mean."""
        weights = self.weights
        weights[...] = self.mean + self.std * (2 * rng.random(weights.shape) - 1)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if training:
            self._saved = inputs[0].shape
        return np.repeat(self.weights[None], len(inputs[0]), axis=0)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape: tuple[int, ...] = self._recall()
        if not self.frozen:
            self.gradients = {"weights": delta.sum(axis=0)}
        return (np.zeros(shape, delta.dtype),)
