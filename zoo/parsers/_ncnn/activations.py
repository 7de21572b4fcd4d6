"""ncnn's activations and normalizations in ONNX's words."""

from __future__ import annotations

from typing import Final

import numpy as np

from zoo.parsers._ncnn.layer import Layer, Untranslatable, Words, plainly

__all__ = ["ACTIVATIONS"]


def _relu(self: Layer) -> None:
    slope = self.layer.number(0)
    if slope:
        self.add("LeakyRelu", [self.input], self.output, alpha=slope)
    else:
        self.add("Relu", [self.input], self.output)


def _prelu(self: Layer) -> None:
    self.add("PRelu", [self.input, self.along_channels("slope")], self.output)


def _clip(self: Layer) -> None:
    low = self.layer.number(0, -np.finfo(np.float32).max)
    high = self.layer.number(1, np.finfo(np.float32).max)
    limits = [self.constant(np.float32(limit)) for limit in (low, high)]
    self.add("Clip", [self.input, *limits], self.output)


def _swish(self: Layer) -> None:
    self.add("Mul", [self.input, self.add("Sigmoid", [self.input])], self.output)


def _hard_sigmoid(self: Layer) -> None:
    alpha, beta = self.layer.number(0, 0.2), self.layer.number(1, 0.5)
    self.add("HardSigmoid", [self.input], self.output, alpha=alpha, beta=beta)


def _hard_swish(self: Layer) -> None:
    self.hard_swish(self.input, self.layer.number(0, 0.2), self.layer.number(1, 0.5))


def _elu(self: Layer) -> None:
    self.add("Elu", [self.input], self.output, alpha=self.layer.number(0, 0.1))


def _gelu(self: Layer) -> None:
    form = "tanh" if self.layer.integer(0) else "none"
    self.add("Gelu", [self.input], self.output, approximate=form)


def _softmax(self: Layer) -> None:
    (axis,) = self.axes([self.layer.integer(0)])
    self.add("Softmax", [self.input], self.output, axis=axis)


def _dropout(self: Layer) -> None:
    factor = self.constant(np.float32(self.layer.number(0, 1)))
    self.add("Mul", [self.input, factor], self.output)


# -- normalization ------------------------------------------------------------


def _batchnorm(self: Layer) -> None:
    roles = ("slope", "bias", "mean", "variance")
    parts = [self.constant(self.weights[role], role) for role in roles]
    epsilon = self.layer.number(1)
    self.add("BatchNormalization", [self.input, *parts], self.output, epsilon=epsilon)


def _groupnorm(self: Layer) -> None:
    layer = self.layer
    if layer.op == "GroupNorm":
        groups, channels, epsilon = layer.integer(0, 1), layer.integer(1), 2
    else:
        groups = channels = layer.integer(0)
        epsilon = 1
    if channels < 1 or groups < 1:
        raise Untranslatable
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if "gamma" in self.weights:
        gamma = self.constant(self.weights["gamma"], "gamma")
        beta = self.constant(self.weights["beta"], "beta")
    else:
        gamma, beta = self.constant(ones), self.constant(zeros)
    self.add(
        "GroupNormalization",
        [self.input, gamma, beta],
        self.output,
        num_groups=groups,
        epsilon=layer.number(epsilon, 0.001),
    )


ACTIVATIONS: Final[Words] = {
    "BatchNorm": _batchnorm,
    "Clip": _clip,
    "Dropout": _dropout,
    "ELU": _elu,
    "Erf": plainly("Erf"),
    "GELU": _gelu,
    "GroupNorm": _groupnorm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "InstanceNorm": _groupnorm,
    "Mish": plainly("Mish"),
    "PReLU": _prelu,
    "ReLU": _relu,
    "SELU": plainly("Selu"),
    "Sigmoid": plainly("Sigmoid"),
    "Softmax": _softmax,
    "Softplus": plainly("Softplus"),
    "Swish": _swish,
    "TanH": plainly("Tanh"),
}
"""Translations, by ncnn's names of layers."""
