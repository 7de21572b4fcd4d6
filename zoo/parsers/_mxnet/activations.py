"""MXNet's activations in ONNX's words."""

from __future__ import annotations

from typing import Final

from zoo.parsers._mxnet.node import (
    OpNode,
    Untranslatable,
    Words,
    per_channel,
)

__all__ = ["ACTIVATIONS"]

_ACTIVATIONS: Final = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softrelu": "Softplus",
    "softsign": "Softsign",
    "mish": "Mish",
}


def _activation(self: OpNode) -> None:
    op = _ACTIVATIONS.get(self.node.text("act_type"))
    if op is None:
        raise Untranslatable
    self.add(op, [self.input], self.output)


def _leaky(self: OpNode) -> None:
    node = self.node
    kind, slope = node.text("act_type", "leaky"), node.number("slope", 0.25)
    if kind == "prelu":
        value, slopes = self.take(2)
        self.add("PRelu", [value, per_channel(self, slopes)], self.output)
        return
    value = self.take(1, 2)[0]
    if kind == "leaky":
        self.add("LeakyRelu", [value], self.output, alpha=slope)
    elif kind == "rrelu":  # outside training, the middle of its range
        middle = node.number("lower_bound", 0.125) + node.number("upper_bound", 0.334)
        self.add("LeakyRelu", [value], self.output, alpha=middle / 2)
    elif kind == "elu":
        self.add("Elu", [value], self.output, alpha=slope)
    elif kind == "selu":
        self.add("Selu", [value], self.output)
    elif kind == "gelu":
        self.add("Gelu", [value], self.output, approximate="none")
    else:
        raise Untranslatable


def _hard_sigmoid(self: OpNode) -> None:
    alpha, beta = self.node.number("alpha", 0.2), self.node.number("beta", 0.5)
    self.add("HardSigmoid", [self.input], self.output, alpha=alpha, beta=beta)


def _clip(self: OpNode) -> None:
    limits = [self.floating(self.node.number(key)) for key in ("a_min", "a_max")]
    self.add("Clip", [self.input, *limits], self.output)


ACTIVATIONS: Final[Words] = {
    "Activation": _activation,
    "LeakyReLU": _leaky,
    "clip": _clip,
    "hard_sigmoid": _hard_sigmoid,
}
"""Translations, by MXNet's names of operators."""
