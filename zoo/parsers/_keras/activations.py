"""Keras's activations."""

from __future__ import annotations

from typing import Final

import numpy as np

from zoo.parsers._keras.layer import Layer, Writers, plainly

__all__ = ["ACTIVATIONS"]


def _activation(layer: Layer) -> bool:
    return layer.activate(layer.input, layer.config.get("activation"))


def _relu(layer: Layer) -> bool:
    slope, threshold = layer.number("negative_slope", 0), layer.number("threshold", 0)
    highest = layer.number("max_value", np.inf)
    if threshold or (slope and highest < np.inf):
        return False
    if slope:
        return layer.give("LeakyRelu", [layer.input], alpha=slope)
    if highest == np.inf:
        return layer.give("Relu", [layer.input])
    limits = [layer.constant(np.float32(limit)) for limit in (0, highest)]
    return layer.give("ClipByValue", [layer.input, *limits])


def _leaky(layer: Layer) -> bool:
    slope = layer.number("negative_slope", layer.number("alpha", 0.3))
    return layer.give("LeakyRelu", [layer.input], alpha=slope)


def _prelu(layer: Layer) -> bool:
    return layer.give("Prelu", [layer.input, layer.weight("alpha")])


def _elu(layer: Layer) -> bool:
    if layer.number("alpha", 1) != 1:
        return False
    return layer.give("Elu", [layer.input])


ACTIVATIONS: Final[Writers] = {
    "Activation": _activation,
    "ELU": _elu,
    "LeakyReLU": _leaky,
    "PReLU": _prelu,
    "ReLU": _relu,
    "Softmax": plainly("Softmax"),
}
"""Layers by the name of their class."""
