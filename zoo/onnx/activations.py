"""Activations as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

__all__ = ["WRITERS", "Writer"]


class Writer(Protocol):
    """What writes the nodes; see :mod:`zoo.onnx.graph`."""

    def node(self, kind: str, *inputs: str, **keys: Any) -> str:
        """Add a node and return the name of its output."""

    def tensor(self, array: Any, dtype: Any = np.float32) -> str:
        """Add a tensor and return its name."""

    def number(self, value: float) -> str:
        """Name of a scalar; the same one for the same value."""


def _clip(low: float, high: float) -> Callable[[Writer, str], str]:
    return lambda w, x: w.node("Clip", x, w.number(low), w.number(high))


def _one(kind: str, **keys: Any) -> Callable[[Writer, str], str]:
    return lambda w, x: w.node(kind, x, **keys)


def _affine(w: Writer, x: str, factor: float, offset: float) -> str:
    return w.node("Add", w.node("Mul", x, w.number(factor)), w.number(offset))


def _where(w: Writer, condition: str, yes: str, no: str) -> str:
    return w.node("Where", condition, yes, no)


def _ramp(w: Writer, x: str) -> str:
    return w.node("Add", w.node("Relu", x), w.node("Mul", x, w.number(0.1)))


def _plse(w: Writer, x: str) -> str:
    low = _affine(w, x, 0.01, 0.04)
    high = _affine(w, x, 0.01, 0.96)
    middle = _affine(w, x, 0.125, 0.5)
    inner = _where(w, w.node("Greater", x, w.number(4)), high, middle)
    return _where(w, w.node("Less", x, w.number(-4)), low, inner)


def _stair(w: Writer, x: str) -> str:
    whole = w.node("Floor", x)
    half = w.node("Floor", w.node("Mul", x, w.number(0.5)))
    even = w.node("Equal", w.node("Mul", half, w.number(2)), whole)
    return _where(w, even, half, w.node("Add", w.node("Sub", x, whole), half))


def _lhtan(w: Writer, x: str) -> str:
    inner = _where(w, w.node("Greater", x, w.number(1)), _affine(w, x, 0.001, 0.999), x)
    low = w.node("Mul", x, w.number(0.001))
    return _where(w, w.node("Less", x, w.number(0)), low, inner)


def _swish(w: Writer, x: str) -> str:
    return w.node("Mul", x, w.node("Sigmoid", x))


def _mish(w: Writer, x: str) -> str:
    return w.node("Mul", x, w.node("Tanh", w.node("Softplus", x)))


def _leaky(w: Writer, x: str, slope: float) -> str:
    return w.node("LeakyRelu", x, alpha=slope)


def _gelu_erf(w: Writer, x: str) -> str:
    curve = w.node("Erf", w.node("Mul", x, w.number(float(np.sqrt(0.5)))))
    return w.node("Mul", x, _affine(w, curve, 0.5, 0.5))


def _gelu(w: Writer, x: str) -> str:
    cube = w.node("Mul", w.node("Mul", x, x), x)
    inner = w.node("Add", x, w.node("Mul", cube, w.number(0.044715)))
    root = w.number(float(np.sqrt(2 / np.pi)))
    curve = w.node("Tanh", w.node("Mul", inner, root))
    return w.node("Mul", x, _affine(w, curve, 0.5, 0.5))


def _hard_mish(w: Writer, x: str) -> str:
    square = w.node("Mul", w.node("Mul", x, x), w.number(0.5))
    bend = w.node("Add", square, x)
    inner = _where(w, w.node("Greater", x, w.number(-2)), bend, w.number(0))
    return _where(w, w.node("Greater", x, w.number(0)), x, inner)


def _share(w: Writer, values: str) -> str:
    """Each value over the sum of its pixel's channels, plus Darknet's epsilon."""
    total = w.node("ReduceSum", values, w.tensor([1], np.int64), keepdims=1)
    return w.node("Div", values, w.node("Add", total, w.number(1e-4)))


def _share_of_exp_minus_largest(w: Writer, x: str) -> str:
    largest = w.node("ReduceMax", x, w.tensor([1], np.int64), keepdims=1)
    return _share(w, w.node("Exp", w.node("Sub", x, largest)))


WRITERS: dict[str, Callable[..., str]] = {
    "logistic": _one("Sigmoid"),
    "loggy": lambda w, x: _affine(w, w.node("Sigmoid", x), 2, -1),
    "relu": _one("Relu"),
    "relu6": _clip(0, 6),
    "elu": _one("Elu"),
    "relie": _one("LeakyRelu", alpha=0.01),
    "ramp": _ramp,
    "tanh": _one("Tanh"),
    "plse": _plse,
    "leaky": _leaky,
    "revleaky": _leaky,
    "stair": _stair,
    "hardtan": _clip(-1, 1),
    "lhtan": _lhtan,
    "selu": _one("Selu", gamma=1.0507, alpha=1.6732),
    "softplus": _one("Softplus"),
    "softsign": _one("Softsign"),
    "elliot": lambda w, x: _affine(w, w.node("Softsign", x), 0.5, 0.5),
    "symmelliot": _one("Softsign"),
    "swish": _swish,
    "mish": _mish,
    "gelu": _gelu,
    "gelu_erf": _gelu_erf,
    "silu": _swish,
    "clip": lambda w, x, low, high: w.node("Clip", x, w.number(low), w.number(high)),
    "hard_mish": _hard_mish,
    "normalize_channels": lambda w, x: _share(w, w.node("Relu", x)),
    "normalize_channels_softmax": lambda w, x: _share(w, w.node("Exp", x)),
    "normalize_channels_softmax_maxval": _share_of_exp_minus_largest,
}
"""Every activation without slopes but linear: writes f(x), returns its name.

Those that have numbers take them after x.
"""
