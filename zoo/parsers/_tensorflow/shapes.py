"""TensorFlow's slicing, joining, padding and reshaping in ONNX's vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from zoo.parsers._tensorflow.node import END, TfNode, Untranslatable

__all__ = ["SHAPES"]

# ONNX's numbers of types, by TensorFlow's names.
_TYPES: Final = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float16": 10,
    "float64": 11,
    "bfloat16": 16,
}


def _cast(self: TfNode) -> None:
    kind = _TYPES.get(self.text("DstT"))
    if kind is None:
        raise Untranslatable
    self.add("Cast", [self.input], self.output, to=kind)


def _reshape(self: TfNode) -> None:
    # ONNX copies a length where the target is 0, which TensorFlow does not.
    self.add("Reshape", self.take(2)[:2], self.output, allowzero=1)


def _transpose(self: TfNode) -> None:
    perm = tuple(self.fixed_integers(1))
    self.add("Transpose", [self.input], self.output, perm=perm)


def _expand(self: TfNode) -> None:
    axis = self.integers(*self.fixed_integers(1))
    self.add("Unsqueeze", [self.input, axis], self.output)


def _squeeze(self: TfNode) -> None:
    axes = self.numbers("squeeze_dims", ()) or self.numbers("axis", ())
    where = [self.integers(*axes)] if axes else []
    self.add("Squeeze", [self.input, *where], self.output)


def _shape(self: TfNode) -> None:
    self.add("Shape", [self.input], self.output)


def _concat(self: TfNode) -> None:
    *values, axis = self.take(2)
    del axis
    (where,) = self.fixed_integers(len(values))
    self.add("Concat", values, self.output, axis=where)


def _old_concat(self: TfNode) -> None:
    (where,) = self.fixed_integers(0)
    self.add("Concat", self.take(2)[1:], self.output, axis=where)


def _pack(self: TfNode) -> None:
    axis = self.whole("axis")
    where = self.integers(axis)
    parts = [self.add("Unsqueeze", [value, where]) for value in self.take(1)]
    self.add("Concat", parts, self.output, axis=axis)


def _unpack(self: TfNode) -> None:
    count, axis = self.whole("num"), self.whole("axis")
    where = self.integers(axis)
    if not self.room.has(count):
        raise Untranslatable
    for index in range(count):
        name = f"{self.output}:{index}" if index else self.output
        part = self.add("Gather", [self.input, self.integers(index)], axis=axis)
        self.add("Squeeze", [part, where], name)


def _split(self: TfNode) -> None:
    """Split(axis, x) into equal parts."""
    (axis,) = self.fixed_integers(0)
    count = self.whole("num_split")
    if not self.room.has(count):
        raise Untranslatable
    self.add_many("Split", [self.take(2)[1]], count, axis=axis, num_outputs=count)


def _split_unequal(self: TfNode) -> None:
    """SplitV(x, lengths, axis)."""
    lengths, (axis,) = self.fixed_integers(1), self.fixed_integers(2)
    if min(lengths, default=-1) < 0:
        raise Untranslatable
    parts = [self.input, self.integers(*lengths)]
    self.add_many("Split", parts, len(lengths), axis=axis)


def _slice(self: TfNode) -> None:
    """Slice(x, begin, size); -1 is the rest."""
    begin, size = self.fixed_integers(1), self.fixed_integers(2)
    if len(begin) != len(size):
        raise self.error("begin and size differ in length")
    ends = [
        END if length < 0 else start + length
        for start, length in zip(begin, size, strict=True)
    ]
    axes = self.integers(*range(len(begin)))
    parts = [self.integers(*begin), self.integers(*ends), axes]
    self.add("Slice", [self.input, *parts], self.output)


def _strided_slice(self: TfNode) -> None:
    """StridedSlice(x, begin, end, strides) and its masks, a bit per axis."""
    begin, end, strides = (self.fixed_integers(index) for index in (1, 2, 3))
    masks = {
        name: self.whole(f"{name}_mask")
        for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    if not len(begin) == len(end) == len(strides) or 0 in strides:
        raise self.error("begin, end and strides make no sense")
    rows: list[tuple[int, int, int, int]] = []
    shrunk: list[int] = []
    added: list[int] = []
    # Axes behind an ellipsis are counted from the end.
    count = len(begin)
    for index in range(count):
        bit = 1 << index
        if masks["ellipsis"] & bit:
            behind = [
                other
                for other in range(index + 1, count)
                if not masks["new_axis"] >> other & 1
            ]
            if masks["new_axis"] >> (index + 1):
                raise Untranslatable
            for axis, other in enumerate(behind, -len(behind)):
                rows.append(_row(begin, end, strides, masks, other, axis))
                if masks["shrink_axis"] >> other & 1:
                    shrunk.append(axis)
            break
        if masks["new_axis"] & bit:
            added.append(index)
            continue
        axis = index - len(added)
        rows.append(_row(begin, end, strides, masks, index, axis))
        if masks["shrink_axis"] & bit:
            shrunk.append(axis)
    if added and shrunk:
        raise Untranslatable
    value = self.input
    if rows:
        parts = [self.integers(*column) for column in zip(*rows, strict=True)]
        value = self.add("Slice", [value, *parts])
    if shrunk:
        value = self.add("Squeeze", [value, self.integers(*shrunk)])
    if added:
        value = self.add("Unsqueeze", [value, self.integers(*added)])
    self.add("Identity", [value], self.output)


def _row(
    begin: list[int],
    end: list[int],
    strides: list[int],
    masks: Mapping[str, int],
    index: int,
    axis: int,
) -> tuple[int, int, int, int]:
    """Start, end, axis and step of one axis, as ONNX orders them."""
    start, stop, step = begin[index], end[index], strides[index]
    if masks["shrink_axis"] >> index & 1:
        return start, (END if start == -1 else start + 1), axis, 1
    if masks["begin"] >> index & 1:
        start = 0 if step > 0 else END
    if masks["end"] >> index & 1:
        stop = END if step > 0 else -END
    return start, stop, axis, step


def _pads(self: TfNode) -> str:
    """ONNX lists all begins, then all ends; TensorFlow pairs them by axis."""
    widths = self.fixed(1)
    if widths.dtype.kind not in "iu" or widths.ndim != 2 or widths.shape[1] != 2:
        raise self.error("the paddings are no pairs of whole numbers")
    return self.graph.constant(widths.astype(np.int64).T.reshape(-1))


def _pad(self: TfNode) -> None:
    more = self.take(2)[2:3]
    self.add("Pad", [self.input, _pads(self), *more], self.output, mode="constant")


def _mirror_pad(self: TfNode) -> None:
    mode = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}.get(self.text("mode"))
    if mode is None:
        raise Untranslatable
    self.add("Pad", [self.input, _pads(self)], self.output, mode=mode)


def _gather(self: TfNode) -> None:
    value, picks = self.take(2)[:2]
    axis = self.fixed_integers(2)[0] if len(self.inputs) > 2 else 0
    if self.whole("batch_dims"):
        raise Untranslatable
    self.add("Gather", [value, picks], self.output, axis=axis)


def _reverse(self: TfNode) -> None:
    axes = self.fixed_integers(1)
    count = len(axes)
    parts = [
        self.integers(*[END] * count),
        self.integers(*[-END] * count),
        self.integers(*axes),
        self.integers(*[-1] * count),
    ]
    self.add("Slice", [self.input, *parts], self.output)


def _fill(self: TfNode) -> None:
    """Fill(shape, value)."""
    shape, value = self.take(2)[:2]
    self.add("Expand", [value, shape], self.output)


def _tile(self: TfNode) -> None:
    self.add("Tile", self.take(2)[:2], self.output)


def _like(value: float) -> Callable[[TfNode], None]:
    """ZerosLike and OnesLike."""

    def word(self: TfNode) -> None:
        shape = self.add("Shape", [self.input])
        self.add("Expand", [self.floating(value), shape], self.output)

    return word


def _broadcast(self: TfNode) -> None:
    self.add("Expand", self.take(2)[:2], self.output)


def _range(self: TfNode) -> None:
    self.add("Range", self.take(3)[:3], self.output)


SHAPES: Final[Mapping[str, Callable[[TfNode], None]]] = {
    "BroadcastTo": _broadcast,
    "Cast": _cast,
    "Concat": _old_concat,
    "ConcatV2": _concat,
    "ExpandDims": _expand,
    "Fill": _fill,
    "Gather": _gather,
    "GatherV2": _gather,
    "MirrorPad": _mirror_pad,
    "OnesLike": _like(1),
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "ReverseV2": _reverse,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "SplitV": _split_unequal,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
    "ZerosLike": _like(0),
}
"""Translations, by TensorFlow's words."""
