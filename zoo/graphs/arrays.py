"""ONNX's operators on constants: what does not depend on the picture is computed.

Each function takes the node's attributes and its inputs as arrays (None for one that
is not given) and returns the outputs. Results are bounded by a budget, since a file of
a few bytes may ask for any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.errors import Damaged, Untranslatable

__all__ = ["DTYPES", "FUNCTIONS", "ints", "resize_axes", "slices", "split_sizes"]

Array = NDArray[Any]
Attributes = Mapping[str, Any]
Inputs = Sequence[Any]
Function = Callable[[Attributes, Inputs], Sequence[Array]]

DTYPES: dict[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
}
"""NumPy's names of ONNX's element types that hold plain numbers."""

LARGEST = 1 << 26
"""Values that one constant may have, if it was computed."""


def _bounded(count: int) -> int:
    if count > LARGEST:
        raise Damaged(
            f"a constant of {count} values is to be computed, more than a network needs"
        )
    return count


def ints(array: Any) -> list[int]:
    """The values of a constant that lists lengths or axes."""
    return [int(value) for value in np.asarray(array).reshape(-1)]


# -- arithmetic -------------------------------------------------------------


def _pointwise(function: Callable[..., Any], keep: bool = True) -> Function:
    def apply(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
        shape = np.broadcast_shapes(*(np.shape(x) for x in inputs))
        _bounded(math.prod(shape))
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
        _bounded(a.size // max(a.shape[-1], 1) * (b.shape[-1] if b.ndim > 1 else 1))
    return [np.matmul(a, b)]


def _gemm(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    a, b = inputs[:2]
    a = a.T if attributes.get("transA") else a
    b = b.T if attributes.get("transB") else b
    _bounded(a.shape[0] * b.shape[-1])
    y = attributes.get("alpha", 1.0) * (a @ b)
    if len(inputs) > 2 and inputs[2] is not None:
        y = y + attributes.get("beta", 1.0) * inputs[2]
    return [y.astype(a.dtype)]


# -- reductions --------------------------------------------------------------


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


# -- shapes -------------------------------------------------------------------


def _shape(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    shape = inputs[0].shape[attributes.get("start", 0) : attributes.get("end", None)]
    return [np.array(shape, np.int64)]


def _reshape(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x = inputs[0]
    return [x.reshape(resize_axes(x.shape, ints(inputs[1]), attributes))]


def resize_axes(
    shape: Sequence[int], wanted: Sequence[int], attributes: Attributes
) -> list[int]:
    """The lengths that a Reshape asks for, 0 and -1 filled in."""
    lengths = list(wanted)
    if not attributes.get("allowzero"):
        for index, size in enumerate(lengths):
            if size == 0:
                if index >= len(shape):
                    raise Damaged("a Reshape copies the length of an axis beyond all")
                lengths[index] = shape[index]
    if -1 in lengths:
        rest = -math.prod(lengths)
        total = math.prod(shape)
        if rest <= 0 or total % rest:
            raise Damaged(
                f"a Reshape of {'x'.join(map(str, shape))} to "
                f"{'x'.join(map(str, wanted))}"
            )
        lengths[lengths.index(-1)] = total // rest
    if min(lengths, default=1) < 0:
        raise Damaged("a Reshape to a negative length")
    return lengths


def _transpose(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    return [np.transpose(inputs[0], attributes.get("perm"))]


def _axes(attributes: Attributes, inputs: Inputs) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return ints(inputs[1])
    axes = attributes.get("axes")
    return None if axes is None else [int(axis) for axis in axes]


def _squeeze(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    axes = _axes(attributes, inputs)
    return [np.squeeze(inputs[0], None if axes is None else tuple(axes))]


def _unsqueeze(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    return [np.expand_dims(inputs[0], tuple(_axes(attributes, inputs) or ()))]


def _flatten(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x = inputs[0]
    axis = attributes.get("axis", 1) % (x.ndim + 1)
    return [x.reshape(math.prod(x.shape[:axis]), -1)]


def _concat(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    _bounded(sum(x.size for x in inputs))
    return [np.concatenate(inputs, attributes.get("axis", 1))]


def split_sizes(attributes: Attributes, inputs: Inputs, size: int) -> list[int]:
    """Lengths of the parts of a Split of an axis of a length."""
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = ints(inputs[1])
    elif attributes.get("split") is not None:
        sizes = [int(part) for part in attributes["split"]]
    else:
        parts = int(attributes.get("num_outputs") or attributes["outputs"])
        each = -(-size // parts)
        sizes = [each] * (parts - 1) + [size - each * (parts - 1)]
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise Damaged(f"a Split of {size} values into {sizes}")
    return sizes


def _split(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    axis = attributes.get("axis", 0)
    sizes = split_sizes(attributes, inputs, inputs[0].shape[axis])
    return np.split(inputs[0], np.cumsum(sizes)[:-1], axis)


def slices(
    shape: Sequence[int], attributes: Attributes, inputs: Inputs
) -> dict[int, slice]:
    """What a Slice takes of each of its axes."""
    rank = len(shape)
    if len(inputs) > 1:
        starts, ends = ints(inputs[1]), ints(inputs[2])
        given = (*inputs, None, None)
        axes = range(len(starts)) if given[3] is None else ints(given[3])
        steps = [1] * len(starts) if given[4] is None else ints(given[4])
    else:
        starts, ends = list(attributes["starts"]), list(attributes["ends"])
        axes = attributes.get("axes", range(len(starts)))
        steps = [1] * len(starts)
    result = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = axis % rank
        size = shape[axis]
        if step == 0:
            raise Damaged("a Slice with a step of 0")
        if step > 0:
            first, last, _ = slice(start, end, step).indices(size)
            result[axis] = slice(first, max(first, last), step)
        else:
            first = min(start + size if start < 0 else start, size - 1)
            last = max(end + size if end < 0 else min(end, size), -1)
            result[axis] = slice(first, None if last < 0 else last, step)
    return result


def _slice(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x = inputs[0]
    parts = slices(x.shape, attributes, inputs)
    return [x[tuple(parts.get(axis, slice(None)) for axis in range(x.ndim))]]


def _gather(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, indices = inputs
    axis = attributes.get("axis", 0)
    _bounded(x.size // max(x.shape[axis], 1) * max(indices.size, 1))
    return [np.take(x, indices, axis)]


def _gather_nd(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, indices = inputs
    if attributes.get("batch_dims"):
        raise Untranslatable("GatherND with batch_dims")
    return [x[tuple(np.moveaxis(indices, -1, 0))]]


def _gather_elements(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    return [np.take_along_axis(inputs[0], inputs[1], attributes.get("axis", 0))]


def _scatter_nd(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, indices, updates = inputs
    result = x.copy()
    result[tuple(np.moveaxis(indices, -1, 0))] = updates
    return [result]


def _expand(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x = inputs[0]
    shape = np.broadcast_shapes(x.shape, tuple(ints(inputs[1])))
    _bounded(math.prod(shape))
    return [np.broadcast_to(x, shape)]


def _tile(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    repeats = ints(inputs[1])
    _bounded(inputs[0].size * math.prod(repeats))
    return [np.tile(inputs[0], repeats)]


def _constant_of_shape(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    shape = ints(inputs[0])
    if min(shape, default=0) < 0:
        raise Damaged("a constant of a negative length")
    _bounded(math.prod(shape))
    value = np.asarray(attributes.get("value", np.float32(0))).reshape(-1)[:1]
    return [np.broadcast_to(value, shape) if shape else value.reshape(())]


def _range(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    start, limit, step = (np.asarray(x).reshape(()) for x in inputs)
    if step == 0:
        raise Damaged("a Range with a step of 0")
    count = math.ceil((float(limit) - float(start)) / float(step))
    _bounded(count)
    return [(start + np.arange(max(count, 0)) * step).astype(start.dtype)]


def _cast(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    kind = DTYPES.get(attributes.get("to", 1))
    if kind is None:
        raise Untranslatable("a Cast to a type without plain numbers")
    with np.errstate(all="ignore"):
        return [inputs[0].astype(kind)]


def _pad(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x = inputs[0]
    pads = attributes.get("pads") or ints(inputs[1])
    if attributes.get("mode", "constant") != "constant" or min(pads) < 0:
        raise Untranslatable("a Pad of a constant that is not made of zeros")
    value = inputs[2] if len(inputs) > 2 and inputs[2] is not None else 0
    half = len(pads) // 2
    widths = [(pads[i], pads[i + half]) for i in range(half)]
    _bounded(math.prod(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)))
    filling = np.asarray(value).reshape(()).item()
    return [np.pad(x, widths, constant_values=filling)]


def _dequantize(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, scale, zero = (*inputs, None)[:3]
    axis = attributes.get("axis", 1)
    if scale.ndim == 1 and scale.size > 1:
        shape = [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)]
        scale = scale.reshape(shape)
        zero = None if zero is None else zero.reshape(shape)
    elif scale.ndim > 1:
        raise Untranslatable("weights quantised in blocks")
    offset = 0 if zero is None else zero.astype(np.float32)
    return [(x.astype(np.float32) - offset) * scale]


def _compress(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    x, condition = inputs
    return [np.compress(condition.astype(bool), x, attributes.get("axis"))]


def _trilu(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    shift = int(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else 0
    keep = np.triu if attributes.get("upper", 1) else np.tril
    return [keep(inputs[0], shift)]


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
    "Cast": _cast,
    "CastLike": lambda attributes, inputs: [inputs[0].astype(inputs[1].dtype)],
    "Ceil": _pointwise(np.ceil),
    "Clip": _clip,
    "Compress": _compress,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "Cos": _pointwise(np.cos),
    "CumSum": lambda attributes, inputs: [np.cumsum(inputs[0], int(inputs[1]))],
    "DequantizeLinear": _dequantize,
    "Div": _pointwise(_divide),
    "Dropout": lambda attributes, inputs: [inputs[0]],
    "Equal": _pointwise(np.equal, False),
    "Erf": _pointwise(_erf),
    "Exp": _pointwise(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _pointwise(np.floor),
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "Greater": _pointwise(np.greater, False),
    "GreaterOrEqual": _pointwise(np.greater_equal, False),
    "Identity": lambda attributes, inputs: [inputs[0]],
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
    "Pad": _pad,
    "Pow": _pointwise(np.power),
    "Range": _range,
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
    "Reshape": _reshape,
    "Round": _pointwise(np.round),
    "ScatterND": _scatter_nd,
    "Shape": _shape,
    "Sigmoid": _pointwise(_sigmoid),
    "Sign": _pointwise(np.sign),
    "Sin": _pointwise(np.sin),
    "Size": lambda attributes, inputs: [np.array(inputs[0].size, np.int64)],
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _pointwise(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _pointwise(np.subtract),
    "Sum": _folded(np.add),
    "Tanh": _pointwise(np.tanh),
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
    "Where": _pointwise(lambda c, a, b: np.where(c, a, b), False),
    "Xor": _pointwise(np.logical_xor, False),
}
"""By ONNX's name."""
