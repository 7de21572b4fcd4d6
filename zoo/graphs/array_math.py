"""ONNX's arithmetic on constants."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.errors import Damaged

__all__ = [
    "FUNCTIONS",
    "LARGEST",
    "Array",
    "Attributes",
    "Function",
    "Inputs",
    "bounded",
    "ints",
]

Array = NDArray[Any]
Attributes = Mapping[str, Any]
Inputs = Sequence[Any]
Function = Callable[[Attributes, Inputs], Sequence[Array]]

LARGEST = 1 << 26
"""Values that one constant may have, if it was computed."""


def bounded(count: int) -> int:
    """The count, if a constant may have as many values."""
    if count > LARGEST:
        raise Damaged(
            f"a constant of {count} values is to be computed, more than a network needs"
        )
    return count


def ints(array: Any) -> list[int]:
    """The values of a constant that lists lengths or axes."""
    return [int(value) for value in np.asarray(array).reshape(-1)]


def _pointwise(function: Callable[..., Any], keep: bool = True) -> Function:
    def apply(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
        shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
        bounded(math.prod(shape))
        with np.errstate(all="ignore"):
            result = np.asarray(function(*inputs))
        kind = np.asarray(inputs[0]).dtype
        return [result.astype(kind, copy=False) if keep else result]

    return apply


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        if not np.all(b):
            raise Damaged("a constant is divided by zero")
        result: Array = np.trunc(a / b) if a.dtype.itemsize < 8 else _truncated(a, b)
        return result
    return a / b


def _truncated(a: Array, b: Array) -> Array:
    quotient = np.abs(a) // np.abs(b)
    return quotient * np.sign(a) * np.sign(b)


def _mod(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    a, b = inputs
    if a.dtype.kind in "iu" and not np.all(b):
        raise Damaged("a constant is divided by zero")
    return [np.fmod(a, b) if attributes.get("fmod") else np.mod(a, b)]


def _erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x) if x.size else x


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _clip(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, low, high = (*inputs, None, None)[:3]
    low = attributes.get("min") if low is None else low
    high = attributes.get("max") if high is None else high
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    if high is not None:
        x = np.minimum(x, np.asarray(high, x.dtype))
    return [x]


def _folded(function: Callable[[Array, Array], Array]) -> Function:
    def apply(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
        result = inputs[0]
        for x in inputs[1:]:
            result = function(result, x)
        return [result]

    return apply


def _mean(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    return [sum(inputs[1:], inputs[0]) / np.asarray(len(inputs), inputs[0].dtype)]


def _matmul(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    a, b = inputs[:2]
    if a.ndim and b.ndim:
        bounded(a.size // max(a.shape[-1], 1) * (b.shape[-1] if b.ndim > 1 else 1))
    return [np.matmul(a, b)]


def _gemm(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    a, b = inputs[:2]
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    bounded(a.shape[0] * b.shape[-1])
    y = attributes.get("alpha", 1.0) * (a @ b)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + attributes.get("beta", 1.0) * inputs[2]
    return [y.astype(a.dtype)]


def _reduction(function: Callable[..., Any]) -> Function:
    def apply(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
        x = inputs[0]
        axes = attributes.get("axes")
        if len(inputs) > 1 and inputs[1] is not None:
            axes = ints(inputs[1])
        if not axes:
            if attributes.get("noop_with_empty_axes"):
                return [x]
            axes = range(x.ndim)
        keep = bool(attributes.get("keepdims", 1))
        result = function(x, axis=tuple(int(a) for a in axes), keepdims=keep)
        return [np.asarray(result).astype(x.dtype, copy=False)]

    return apply


def _l2(x: Array, **how: Any) -> Array:
    wide = np.asarray(x, np.float64)
    return np.asarray(np.sqrt(np.sum(wide * wide, **how)))


def _arg(function: Callable[..., Any]) -> Function:
    def apply(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
        axis = attributes.get("axis", 0)
        keep = bool(attributes.get("keepdims", 1))
        return [np.asarray(function(inputs[0], axis=axis, keepdims=keep), np.int64)]

    return apply


def _softmax(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    axis = attributes.get("axis", -1)
    shifted = np.exp(inputs[0] - inputs[0].max(axis=axis, keepdims=True))
    return [shifted / shifted.sum(axis=axis, keepdims=True)]


FUNCTIONS: dict[str, Function] = {
    "Abs": _pointwise(np.abs),
    "Add": _pointwise(np.add),
    "And": _pointwise(np.logical_and, False),
    "ArgMax": _arg(np.argmax),
    "ArgMin": _arg(np.argmin),
    "Ceil": _pointwise(np.ceil),
    "Clip": _clip,
    "Cos": _pointwise(np.cos),
    "Div": _pointwise(_divide),
    "Equal": _pointwise(np.equal, False),
    "Erf": _pointwise(_erf),
    "Exp": _pointwise(np.exp),
    "Floor": _pointwise(np.floor),
    "Gemm": _gemm,
    "Greater": _pointwise(np.greater, False),
    "GreaterOrEqual": _pointwise(np.greater_equal, False),
    "IsInf": _pointwise(np.isinf, False),
    "IsNaN": _pointwise(np.isnan, False),
    "Less": _pointwise(np.less, False),
    "LessOrEqual": _pointwise(np.less_equal, False),
    "Log": _pointwise(np.log),
    "MatMul": _matmul,
    "Max": _folded(np.maximum),
    "Mean": _mean,
    "Min": _folded(np.minimum),
    "Mod": _mod,
    "Mul": _pointwise(np.multiply),
    "Neg": _pointwise(np.negative),
    "Not": _pointwise(np.logical_not, False),
    "Or": _pointwise(np.logical_or, False),
    "Pow": _pointwise(np.power),
    "Reciprocal": _pointwise(np.reciprocal),
    "ReduceL1": _reduction(lambda x, **how: np.sum(np.abs(x), **how)),
    "ReduceL2": _reduction(_l2),
    "ReduceMax": _reduction(np.max),
    "ReduceMean": _reduction(np.mean),
    "ReduceMin": _reduction(np.min),
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum),
    "ReduceSumSquare": _reduction(lambda x, **how: np.sum(x * x, **how)),
    "Relu": _pointwise(lambda x: np.maximum(x, x.dtype.type(0))),
    "Round": _pointwise(np.round),
    "Sigmoid": _pointwise(_sigmoid),
    "Sign": _pointwise(np.sign),
    "Sin": _pointwise(np.sin),
    "Softmax": _softmax,
    "Sqrt": _pointwise(np.sqrt),
    "Sub": _pointwise(np.subtract),
    "Sum": _folded(np.add),
    "Tanh": _pointwise(np.tanh),
    "Where": _pointwise(lambda c, a, b: np.where(c, a, b), False),
    "Xor": _pointwise(np.logical_xor, False),
}
"""By ONNX's name."""
