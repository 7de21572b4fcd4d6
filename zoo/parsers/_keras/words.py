"""Words that Keras's layers need beside TensorFlow's operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from zoo.parsers._tensorflow.node import TfNode, Untranslatable

__all__ = ["KERAS_WORDS"]


def _upsampling(self: TfNode) -> None:
    """Resize by whole factors."""
    rows, columns = self.numbers("size", ())
    how: dict[str, Any]
    match self.text("interpolation"):
        case "nearest":
            how = {
                "mode": "nearest",
                "coordinate_transformation_mode": "asymmetric",
                "nearest_mode": "floor",
            }
        case "bilinear":
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        case _:
            raise Untranslatable
    scales = self.graph.constant(np.array([1, 1, rows, columns], np.float32))
    value = self.graph.channels_first(self.input)
    self.graph.channels_last(
        self.add("Resize", [value, "", scales], **how), self.output
    )


def _batchnorm(self: TfNode) -> None:
    """Factors and offsets may be left out."""
    value, gamma, beta, mean, variance = self.take(5)
    length = self.fixed(3).shape
    gamma = gamma or self.graph.constant(np.ones(length, np.float32))
    beta = beta or self.graph.constant(np.zeros(length, np.float32))
    made = self.add(
        "BatchNormalization",
        [self.graph.channels_first(value), gamma, beta, mean, variance],
        epsilon=self.number("epsilon"),
    )
    self.graph.channels_last(made, self.output)


def _swish(self: TfNode) -> None:
    gate = self.add("Sigmoid", [self.input])
    self.add("Mul", [self.input, gate], self.output)


def _gelu(self: TfNode) -> None:
    self.add("Gelu", [self.input], self.output, approximate="none")


def _hard_sigmoid(self: TfNode) -> None:
    self.add("HardSigmoid", [self.input], self.output, alpha=0.2, beta=0.5)


KERAS_WORDS: Final[Mapping[str, Callable[[TfNode], None]]] = {
    "BatchNormalization": _batchnorm,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "Swish": _swish,
    "UpSampling2D": _upsampling,
}
"""Translations, as in :mod:`zoo.parsers._tensorflow.graph`."""
