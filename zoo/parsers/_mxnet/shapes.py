"""MXNet's slicing, joining, padding, pooling and reshaping in ONNX's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from zoo.graphs.graph import Node
from zoo.parsers._mxnet.node import (
    END,
    OpNode,
    Untranslatable,
    Words,
    value_name,
)

__all__ = ["LOSSES", "SHAPES"]


def _identity(self: OpNode) -> None:
    self.add("Identity", self.take(1, 8)[:1], self.output)


def _concat(self: OpNode) -> None:
    self.add("Concat", self.inputs, self.output, axis=self.node.integer("dim", 1))


def _split(self: OpNode) -> None:
    node = self.node
    count, axis = node.integer("num_outputs"), node.integer("axis", 1)
    if node.flag("squeeze_axis") or not self.room.has(count):
        raise Untranslatable
    names = tuple(value_name(node, index) for index in range(count))
    attributes = {"axis": axis, "num_outputs": count}
    self.graph.nodes.append(Node("Split", (self.input,), names, attributes, node.name))


def _reshape(self: OpNode) -> None:
    codes = self.node.pair("shape", ())
    if not codes or self.node.flag("reverse"):
        raise Untranslatable
    self.reshape(self.input, *codes, output=self.output)


def _transpose(self: OpNode) -> None:
    axes = self.node.pair("axes", ())
    if not axes:
        raise Untranslatable
    self.add("Transpose", [self.input], self.output, perm=axes)


def _flatten(self: OpNode) -> None:
    self.add("Flatten", [self.input], self.output, axis=1)


def _expand_dims(self: OpNode) -> None:
    axis = self.integers(self.node.integer("axis"))
    self.add("Unsqueeze", [self.input, axis], self.output)


def _squeeze(self: OpNode) -> None:
    axes = self.node.pair("axis", ())
    where = [self.integers(*axes)] if axes else []
    self.add("Squeeze", [self.input, *where], self.output)


def _slice_axis(self: OpNode) -> None:
    node = self.node
    begin, end = node.integer("begin"), node.integers("end")
    stop = end[0] if end and end[0] is not None else END
    _append_slice(self, [begin], [stop], [node.integer("axis")])


def _slice(self: OpNode) -> None:
    begin, end = self.node.integers("begin"), self.node.integers("end")
    step = self.node.integers("step") or (None,) * len(begin)
    if not len(begin) == len(end) == len(step):
        raise self.node.error("begin, end and step differ in length")
    steps = [1 if item is None else item for item in step]
    if min(steps) < 0 and any(item is not None and item < 0 for item in (*begin, *end)):
        raise Untranslatable
    starts = [
        (0 if by > 0 else END) if item is None else item
        for item, by in zip(begin, steps, strict=True)
    ]
    stops = [
        (END if by > 0 else -END) if item is None else item
        for item, by in zip(end, steps, strict=True)
    ]
    _append_slice(self, starts, stops, range(len(steps)), steps)


def _append_slice(
    self: OpNode,
    starts: Sequence[int],
    stops: Sequence[int],
    axes: Sequence[int],
    steps: Sequence[int] = (),
) -> None:
    parts = [self.integers(*part) for part in (starts, stops, axes, steps) if part]
    self.add("Slice", [self.input, *parts], self.output)


def _reverse(self: OpNode) -> None:
    axes = self.node.pair("axis", ())
    if axes == (1,):
        self.add("ReverseChannels", [self.input], self.output, domain="zoo")
        return
    if not axes:
        raise Untranslatable
    count = len(axes)
    _append_slice(self, [END] * count, [-END] * count, axes, [-1] * count)


def _slice_like(self: OpNode) -> None:
    axes = self.node.pair("axes", ())
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise Untranslatable
    self.add("CropLike", self.take(2), self.output, domain="zoo", top=0, left=0)


def _crop(self: OpNode) -> None:
    node = self.node
    down, across = (*node.pair("offset", (0, 0)), 0, 0)[:2]
    if len(self.inputs) == 2:
        if node.flag("center_crop"):
            down = across = -1
        self.add(
            "CropLike", self.inputs, self.output, domain="zoo", top=down, left=across
        )
        return
    size = node.pair("h_w", ())
    if len(size) != 2 or node.flag("center_crop"):
        raise Untranslatable
    _append_slice(self, (down, across), (down + size[0], across + size[1]), (2, 3))


def _pad(self: OpNode) -> None:
    node = self.node
    mode, widths = node.text("mode"), node.pair("pad_width", ())
    if mode not in ("constant", "edge", "reflect") or len(widths) % 2:
        raise Untranslatable
    parts = [self.input, self.integers(*widths[::2], *widths[1::2])]
    if mode == "constant":
        parts.append(self.floating(node.number("constant_value")))
    self.add("Pad", parts, self.output, mode=mode)


def _pooling(self: OpNode) -> None:
    node = self.node
    kind = {"max": "Max", "avg": "Average"}.get(node.text("pool_type", "max"))
    if kind is None or node.text("layout", "NCHW") not in ("NCHW", "None"):
        raise Untranslatable
    if node.flag("global_pool"):
        self.add(f"Global{kind}Pool", [self.input], self.output)
        return
    convention = node.text("pooling_convention", "valid")
    if convention not in ("valid", "full"):
        raise Untranslatable
    geometry: dict[str, Any] = {
        "kernel_shape": node.pair("kernel", ()),
        "strides": node.pair("stride", (1, 1)),
        "pads": node.pair("pad", (0, 0)) * 2,
        "ceil_mode": int(convention == "full"),
    }
    if kind == "Average":
        geometry["count_include_pad"] = int(node.flag("count_include_pad", True))
    self.add(f"{kind}Pool", [self.input], self.output, **geometry)


def _adaptive_pool(self: OpNode) -> None:
    size = self.node.pair("output_size", ())
    if set(size) - {1}:
        raise Untranslatable
    self.add("GlobalAveragePool", [self.input], self.output)


def _depth_to_space(self: OpNode) -> None:
    block = self.node.integer("block_size")
    self.add("DepthToSpace", [self.input], self.output, blocksize=block, mode="DCR")


def _space_to_depth(self: OpNode) -> None:
    block = self.node.integer("block_size")
    self.add("SpaceToDepth", [self.input], self.output, blocksize=block)


def _upsampling(self: OpNode) -> None:
    node = self.node
    if node.text("sample_type") != "nearest" or len(self.inputs) != 1:
        raise Untranslatable
    scale = node.integer("scale")
    scales = self.graph.constant(np.array([1, 1, scale, scale], np.float32))
    self.add(
        "Resize",
        [self.input, "", scales],
        self.output,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _bilinear(self: OpNode) -> None:
    node = self.node
    corners = node.flag("align_corners", True)
    how = {
        "mode": "linear",
        "coordinate_transformation_mode": (
            "align_corners" if corners else "half_pixel"
        ),
    }
    if node.text("mode", "size") == "like" and len(self.inputs) == 2:
        self.add("ResizeLike", self.inputs, self.output, domain="zoo", **how)
        return
    factors = [node.number("scale_height"), node.number("scale_width")]
    if node.text("mode", "size") != "size" or min(factors) <= 0:
        raise Untranslatable
    scales = self.graph.constant(np.array([1, 1, *factors], np.float32))
    self.add("Resize", [self.input, "", scales], self.output, **how)


# The first input of these is the network's output, the others are labels.
LOSSES: Final = frozenset(
    [
        "LinearRegressionOutput",
        "MAERegressionOutput",
        "LogisticRegressionOutput",
        "SoftmaxOutput",
        "MakeLoss",
        "BlockGrad",
    ]
)


SHAPES: Final[Words] = {
    **dict.fromkeys(LOSSES, _identity),
    "Concat": _concat,
    "concat": _concat,
    "Crop": _crop,
    "Flatten": _flatten,
    "flatten": _flatten,
    "Pad": _pad,
    "pad": _pad,
    "Pooling": _pooling,
    "Pooling_v1": _pooling,
    "Reshape": _reshape,
    "reshape": _reshape,
    "SliceChannel": _split,
    "split": _split,
    "UpSampling": _upsampling,
    "_contrib_AdaptiveAvgPooling2D": _adaptive_pool,
    "_contrib_BilinearResize2D": _bilinear,
    "depth_to_space": _depth_to_space,
    "expand_dims": _expand_dims,
    "flip": _reverse,
    "reverse": _reverse,
    "slice": _slice,
    "slice_axis": _slice_axis,
    "slice_like": _slice_like,
    "space_to_depth": _space_to_depth,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
"""Translations, by MXNet's names of operators."""
