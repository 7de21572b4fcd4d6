"""MXNet's arithmetic, reductions and normalizations in ONNX's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from zoo.parsers._mxnet.node import (
    OpNode,
    Untranslatable,
    Words,
    plainly,
)

__all__ = ["ARITHMETIC"]


def _binary(op: str) -> Callable[[OpNode], None]:
    """An operator of two values."""

    def word(self: OpNode) -> None:
        self.add(op, self.take(2), self.output)

    return word


def _scalar(op: str, reverse: bool = False) -> Callable[[OpNode], None]:
    """An operator of a value and a number."""

    def word(self: OpNode) -> None:
        operands = [self.input, self.floating(self.node.number("scalar"))]
        self.add(op, operands[::-1] if reverse else operands, self.output)

    return word


def _sum(self: OpNode) -> None:
    if len(self.inputs) == 1:
        self.add("Identity", self.inputs, self.output)
        return
    value, *rest = self.take(2, 1 << 12)
    for other in rest[:-1]:
        value = self.add("Add", [value, other])
    self.add("Add", [value, rest[-1]], self.output)


def _square(self: OpNode) -> None:
    self.add("Mul", [self.input, self.input], self.output)


def _rsqrt(self: OpNode) -> None:
    self.add("Reciprocal", [self.add("Sqrt", [self.input])], self.output)


def _reduce(op: str) -> Callable[[OpNode], None]:
    """A sum, mean or extreme over axes."""

    def word(self: OpNode) -> None:
        axes = self.node.pair("axis", ())
        if not axes or self.node.flag("exclude"):
            raise Untranslatable
        keep = int(self.node.flag("keepdims"))
        self.add(op, [self.input, self.integers(*axes)], self.output, keepdims=keep)

    return word


# -- normalization ------------------------------------------------------------


def _batchnorm(self: OpNode) -> None:
    node = self.node
    if node.integer("axis", 1) != 1:
        raise Untranslatable
    value, gamma, beta, mean, variance = self.take(5)
    if node.flag("fix_gamma", True):
        if beta not in self.arrays:
            raise Untranslatable
        ones = np.ones(self.arrays[beta].shape, np.float32)
        gamma = self.graph.constant(ones, origin=gamma)
    parts = [value, gamma, beta, mean, variance]
    epsilon = node.number("eps", 1e-3)
    self.add("BatchNormalization", parts, self.output, epsilon=epsilon)


def _instancenorm(self: OpNode) -> None:
    epsilon = self.node.number("eps", 1e-3)
    self.add("InstanceNormalization", self.take(3), self.output, epsilon=epsilon)


_BINARIES: Final = {
    "Add": "broadcast_add broadcast_plus elemwise_add _plus _Plus _add _grad_add",
    "Sub": "broadcast_sub broadcast_minus elemwise_sub _minus _Minus _sub",
    "Mul": "broadcast_mul elemwise_mul _mul _Mul",
    "Div": "broadcast_div elemwise_div _div _Div",
    "Max": "broadcast_maximum _maximum _Maximum",
    "Min": "broadcast_minimum _minimum _Minimum",
    "Pow": "broadcast_power _power _Power",
}
_SCALARS: Final = {
    "Add": "_plus_scalar _PlusScalar",
    "Sub": "_minus_scalar _MinusScalar",
    "Mul": "_mul_scalar _MulScalar",
    "Div": "_div_scalar _DivScalar",
    "Max": "_maximum_scalar _MaximumScalar",
    "Min": "_minimum_scalar _MinimumScalar",
    "Pow": "_power_scalar _PowerScalar",
}
_REVERSED: Final = {
    "Sub": "_rminus_scalar _RMinusScalar",
    "Div": "_rdiv_scalar _RDivScalar",
    "Pow": "_rpower_scalar _RPowerScalar",
}
_UNARIES: Final = {
    "Abs": "abs",
    "Erf": "erf",
    "Exp": "exp",
    "Identity": "identity _copy Dropout Cast amp_cast BlockGrad stop_gradient",
    "Log": "log",
    "Neg": "negative _np_negative",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round rint",
    "Sigmoid": "sigmoid",
    "Softsign": "softsign",
    "Sqrt": "sqrt",
    "Tanh": "tanh",
}
_REDUCTIONS: Final = {
    "ReduceMean": "mean",
    "ReduceSum": "sum sum_axis",
    "ReduceMax": "max max_axis",
    "ReduceMin": "min min_axis",
}


ARITHMETIC: Final[Words] = {
    **{word: plainly(op) for op, words in _UNARIES.items() for word in words.split()},
    **{word: _binary(op) for op, words in _BINARIES.items() for word in words.split()},
    **{word: _scalar(op) for op, words in _SCALARS.items() for word in words.split()},
    **{
        word: _scalar(op, reverse=True)
        for op, words in _REVERSED.items()
        for word in words.split()
    },
    **{
        word: _reduce(op) for op, words in _REDUCTIONS.items() for word in words.split()
    },
    "BatchNorm": _batchnorm,
    "BatchNorm_v1": _batchnorm,
    "ElementWiseSum": _sum,
    "InstanceNorm": _instancenorm,
    "add_n": _sum,
    "rsqrt": _rsqrt,
    "square": _square,
}
"""Translations, by MXNet's names of operators."""
