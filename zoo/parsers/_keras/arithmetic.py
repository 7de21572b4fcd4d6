"""Keras's merging layers, and those that do nothing outside training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from zoo.parsers._keras.layer import Layer, Writers, plainly

__all__ = ["ARITHMETIC"]


def _folded(op: str) -> Callable[[Layer], bool]:
    """An operation of two values, over any number of them."""

    def write(layer: Layer) -> bool:
        if len(layer.inputs) < 2:
            return False
        value = layer.inputs[0]
        for other in layer.inputs[1:-1]:
            value = layer.add(op, [value, other])
        return layer.give(op, [value, layer.inputs[-1]])

    return write


def _average(layer: Layer) -> bool:
    count = len(layer.inputs)
    if count < 2:
        return False
    part = layer.constant(np.float32(1 / count))
    return layer.give("Mul", [layer.add("AddN", layer.inputs), part])


def _concatenate(layer: Layer) -> bool:
    axis = layer.config.get("axis", -1)
    if type(axis) is not int:
        raise layer.error("axis is no whole number")
    where = layer.constant(np.int32(axis))
    return layer.give("ConcatV2", [*layer.inputs, where])


def _rescaling(layer: Layer) -> bool:
    scale, offset = layer.number("scale", 1), layer.number("offset", 0)
    value = layer.add("Mul", [layer.input, layer.constant(np.float32(scale))])
    return layer.give("Add", [value, layer.constant(np.float32(offset))])


def _multiply_beta(layer: Layer) -> bool:
    """The residual factor of UpscalerJS's ESRGAN models."""
    factor = layer.constant(np.float32(layer.number("beta", 0.2)))
    return layer.give("Mul", [layer.input, factor])


def _batchnorm(layer: Layer) -> bool:
    axis = layer.config.get("axis", -1)
    if axis not in (-1, 3, [3], [-1]):
        return False
    mean, variance = layer.weight("moving_mean"), layer.weight("moving_variance")
    gamma, beta = layer.weight_if_any("gamma"), layer.weight_if_any("beta")
    epsilon = layer.number("epsilon", 1e-3)
    return layer.give(
        "BatchNormalization",
        [layer.input, gamma or "", beta or "", mean, variance],
        epsilon=epsilon,
    )


ARITHMETIC: Final[Writers] = {
    "ActivityRegularization": plainly("Identity"),
    "Add": _folded("Add"),
    "Average": _average,
    "BatchNormalization": _batchnorm,
    "BatchNormalizationV1": _batchnorm,
    "Concatenate": _concatenate,
    "Dropout": plainly("Identity"),
    "GaussianDropout": plainly("Identity"),
    "GaussianNoise": plainly("Identity"),
    "Maximum": _folded("Maximum"),
    "Minimum": _folded("Minimum"),
    "Multiply": _folded("Mul"),
    "MultiplyBeta": _multiply_beta,
    "Rescaling": _rescaling,
    "SpatialDropout2D": plainly("Identity"),
    "Subtract": _folded("Sub"),
}
"""Layers by the name of their class."""
