"""ncnn's convolutions in ONNX's words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from zoo.parsers._ncnn.layer import Layer, Untranslatable, Words, pads, pair
from zoo.parsers._ncnn.param import NcnnLayer

__all__ = ["CONVOLUTIONS"]


def _geometry(layer: NcnnLayer) -> dict[str, Any]:
    """Attributes that convolutions and their transposes share."""
    group = layer.integer(7, 1) if "DepthWise" in layer.op else 1
    sides = pads(layer, (4, 15, 14, 16))
    shared: dict[str, Any] = {
        "kernel_shape": pair(layer, 1, 11, 0),
        "strides": pair(layer, 3, 13, 1),
        "dilations": pair(layer, 2, 12, 1),
        "group": group,
    }
    if sides[1] == -233:
        return {**shared, "auto_pad": "SAME_UPPER"}
    if sides[1] == -234:
        return {**shared, "auto_pad": "SAME_LOWER"}
    return {**shared, "pads": sides}


def _convolution(self: Layer) -> None:
    layer = self.layer
    if "weight" not in self.weights or layer.number(18):
        raise Untranslatable  # weights made at run time; padding with a value
    parts = [self.input, self.constant(self.weights["weight"], "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    value = self.add("Conv", parts, **_geometry(layer))
    self.activate(value, layer.integer(9), layer.numbers(10))


def _deconvolution(self: Layer) -> None:
    layer = self.layer
    if "weight" not in self.weights or layer.integer(20) or layer.integer(21):
        raise Untranslatable  # weights made at run time; a fixed size
    shared = _geometry(layer)
    if "auto_pad" in shared:
        raise Untranslatable
    weights, group = self.weights["weight"], shared["group"]
    filters, channels = weights.shape[:2]
    # ncnn: each group O/g x I/g; ONNX: I x O/g.
    grouped = weights.reshape(group, filters // group, channels, *weights.shape[2:])
    turned = np.ascontiguousarray(grouped.swapaxes(1, 2))
    turned = turned.reshape(group * channels, filters // group, *weights.shape[2:])
    parts = [self.input, self.constant(turned, "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    right = layer.integer(18)
    extra = (layer.integer(19, right), right)
    value = self.add("ConvTranspose", parts, output_padding=extra, **shared)
    self.activate(value, layer.integer(9), layer.numbers(10))


def _inner_product(self: Layer) -> None:
    layer = self.layer
    weights = self.weights["weight"]
    # A map would be laid flat; the Reshape fits only what is as long as the weights.
    shape = self.constant(np.array([1, weights.shape[1], 1, 1], np.int64))
    value = self.add("Reshape", [self.input, shape])
    parts = [value, self.constant(weights[:, :, None, None], "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    value = self.add("Conv", parts, kernel_shape=(1, 1))
    self.activate(value, layer.integer(9), layer.numbers(10))


CONVOLUTIONS: Final[Words] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Deconvolution": _deconvolution,
    "DeconvolutionDepthWise": _deconvolution,
    "InnerProduct": _inner_product,
}
"""Translations, by ncnn's names of layers."""
