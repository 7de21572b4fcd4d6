"""Dropout: random zeros while training, nothing otherwise."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Identity, Operation
from zoo.shapes import Shape

__all__ = ["Dropout"]


class Dropout(Layer):
    """Identity at inference; in training y = m x, gradient m delta.

    Each m is 0 with the given probability p, else 1 / (1 - p), so that the mean of y
    is x ("inverted" dropout; Srivastava et al., 2014). With p = 1 all is zero.

    Attributes
    ----------
    rng : numpy.random.Generator
        Draws the masks. Starts from the key ``seed``; ``initialize`` replaces it by
        one that depends on the network's seed, so that two layers differ. A trainer
        that resumes exactly saves and restores ``rng.bit_generator.state``.
    """

    summary = "random zeros while training; identity at inference"
    keys = (
        Key(
            "probability",
            "float",
            0.5,
            "part of the values that become zero",
            minimum=0,
            maximum=1,
        ),
        Key("seed", "int", 0, "start of the random numbers", minimum=0),
        Key("dropblock", "bool", False, "Darknet's", unused=True),
        Key("dropblock_size_rel", "float", 0.0, "Darknet's", unused=True),
        Key("dropblock_size_abs", "int", 0, "Darknet's", unused=True),
        *COMMON_KEYS,
    )
    dialects: ClassVar = {
        "alexeyab": {"probability": 0.2},
        "pjreddie": {"probability": 0.5},
    }

    probability: float
    seed: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.rng = np.random.default_rng(self.seed)

    def initialize(self, rng: np.random.Generator) -> None:
        self.rng = np.random.default_rng([self.seed, int(rng.integers(2**62))])

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "a dropout")

    def lower(self, *inputs: Shape) -> Operation | None:
        return Identity()

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if not training:
            return x
        kept = self.rng.random(x.shape, np.float32) >= self.probability
        factor = 1 / (1 - self.probability) if self.probability < 1 else 0.0
        mask = kept * x.dtype.type(factor)
        self._saved = mask
        return x * mask

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        return (delta * self._recall(),)
