"""ONNX's operators on constants: what does not depend on the picture is computed.

Each function takes the node's attributes and its inputs as arrays (None for one that
is not given) and returns the outputs. Results are bounded by a budget, since a file of
a few bytes may ask for any size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.graphs.array_math import FUNCTIONS as ARITHMETIC
from zoo.graphs.array_math import Array, Attributes, Function, Inputs, bounded, ints
from zoo.graphs.errors import Damaged, Untranslatable

__all__ = ["DTYPES", "FUNCTIONS", "ints", "resize_axes", "slices", "split_sizes"]


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
    bounded(sum(x.size for x in inputs))
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
    bounded(x.size // max(x.shape[axis], 1) * max(indices.size, 1))
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
    bounded(math.prod(shape))
    return [np.broadcast_to(x, shape)]


def _tile(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    repeats = ints(inputs[1])
    bounded(inputs[0].size * math.prod(repeats))
    return [np.tile(inputs[0], repeats)]


def _constant_of_shape(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    shape = ints(inputs[0])
    if min(shape, default=0) < 0:
        raise Damaged("a constant of a negative length")
    bounded(math.prod(shape))
    value = np.asarray(attributes.get("value", np.float32(0))).reshape(-1)[:1]
    return [np.broadcast_to(value, shape) if shape else value.reshape(())]


def _range(attributes: Attributes, inputs: Inputs) -> Sequence[Array]:
    start, limit, step = (np.asarray(x).reshape(()) for x in inputs)
    if step == 0:
        raise Damaged("a Range with a step of 0")
    count = math.ceil((float(limit) - float(start)) / float(step))
    bounded(count)
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
    bounded(math.prod(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True)))
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


FUNCTIONS: dict[str, Function] = {
    **ARITHMETIC,
    "Cast": _cast,
    "CastLike": lambda attributes, inputs: [inputs[0].astype(inputs[1].dtype)],
    "Compress": _compress,
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "CumSum": lambda attributes, inputs: [np.cumsum(inputs[0], int(inputs[1]))],
    "DequantizeLinear": _dequantize,
    "Dropout": lambda attributes, inputs: [inputs[0]],
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "Identity": lambda attributes, inputs: [inputs[0]],
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ScatterND": _scatter_nd,
    "Shape": _shape,
    "Size": lambda attributes, inputs: [np.array(inputs[0].size, np.int64)],
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
"""By ONNX's name."""
