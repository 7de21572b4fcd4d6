"""ncnn's joining, cutting, padding, pooling and resizing in ONNX's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from zoo.graphs.graph import GraphInput
from zoo.parsers._ncnn.layer import END, UNSET, Layer, Untranslatable, Words, pads, pair

__all__ = ["SHAPES"]


def _input(self: Layer) -> None:
    width, height, channels = (self.layer.integer(key) or None for key in (0, 1, 2))
    shape = (1, channels, height, width)
    for name in self.layer.outputs:
        self.graph.inputs.append(GraphInput(name, shape, layout="NCHW"))


def _split(self: Layer) -> None:
    for name in self.layer.outputs:
        self.add("Identity", [self.input], name)


def _concat(self: Layer) -> None:
    (axis,) = self.axes([self.layer.integer(0)])
    self.add("Concat", self.layer.inputs, self.output, axis=axis)


def _slice(self: Layer) -> None:
    layer = self.layer
    lengths, points = layer.integers(0), layer.integers(2)
    axis, names = layer.integer(1), layer.outputs
    if lengths and set(lengths) == {UNSET}:
        nodes = len(self.graph.nodes)
        self.add("Split", [self.input], names[0], axis=self.axes([axis])[0],
                 num_outputs=len(names))  # fmt: skip
        node = self.graph.nodes[nodes]
        self.graph.nodes[nodes] = type(node)(
            node.op, node.inputs, names, node.attributes, node.name
        )
        return
    if points:
        bounds = [0, *points, END]
    else:
        if UNSET in lengths[:-1]:
            raise Untranslatable
        bounds = [0]
        for length in lengths:
            bounds.append(END if length == UNSET else bounds[-1] + length)
    if len(bounds) != len(names) + 1:
        raise layer.error(f"{len(bounds) - 1} parts for {len(names)} outputs")
    for name, start, end in zip(names, bounds, bounds[1:], strict=False):
        self.slices(self.input, name, [start], [end], [axis])


def _crop(self: Layer) -> None:
    layer = self.layer
    across, down, channels = (layer.integer(key) for key in (0, 1, 2))
    if len(layer.inputs) == 2:
        if channels not in (0, UNSET):
            raise Untranslatable
        middle = across == down == UNSET
        top, left = (-1, -1) if middle else (down, across)
        self.add(
            "CropLike", layer.inputs, self.output, domain="zoo", top=top, left=left
        )
        return
    starts, ends = layer.integers(9), layer.integers(10)
    if starts and ends:
        axes = layer.integers(11) or tuple(range(len(starts)))
        if not len(starts) == len(ends) == len(axes):
            raise layer.error("the lists of starts, ends and axes differ in length")
        begin = [0 if start == UNSET else start for start in starts]
        stop = [END if end in (0, UNSET) else end for end in ends]
        self.slices(self.input, self.output, begin, stop, axes)
        return
    begin = [0 if start == UNSET else start for start in (channels, down, across)]
    sizes = [layer.integer(key) for key in (5, 4, 3)]
    cut = [layer.integer(key) for key in (8, 7, 6)]
    stop = [
        start + size if size > 0 else (-margin if margin > 0 else END)
        for start, size, margin in zip(begin, sizes, cut, strict=True)
    ]
    self.slices(self.input, self.output, begin, stop, (0, 1, 2))


def _padding(self: Layer) -> None:
    layer = self.layer
    kind = layer.integer(4)
    top, bottom, left, right, front, behind = (
        layer.integer(key) for key in (0, 1, 2, 3, 7, 8)
    )
    sides = (top, bottom, left, right, front, behind)
    if "values" in self.weights or kind not in (0, 1, 2) or min(sides) < 0:
        raise Untranslatable
    pads = np.array([0, front, top, left, 0, behind, bottom, right], np.int64)
    parts = [self.input, self.constant(pads)]
    if kind == 0:
        parts.append(self.constant(np.float32(layer.number(5))))
    mode = ("constant", "edge", "reflect")[kind]
    self.add("Pad", parts, self.output, mode=mode)


def _pooling(self: Layer) -> None:
    layer = self.layer
    kind = "Average" if layer.integer(0) else "Max"
    adaptive = layer.integer(7)
    if adaptive:
        side = layer.integer(8)
        if side != 1 or layer.integer(18, side) != 1:
            raise Untranslatable
    if layer.integer(4) or adaptive:
        self.add(f"Global{kind}Pool", [self.input], self.output)
        return
    mode = layer.integer(5)
    geometry: dict[str, Any] = {
        "kernel_shape": pair(layer, 1, 11, 0),
        "strides": pair(layer, 2, 12, 1),
    }
    if mode in (2, 3):
        geometry["auto_pad"] = "SAME_UPPER" if mode == 2 else "SAME_LOWER"
    else:
        geometry["pads"] = pads(layer, (3, 14, 13, 15))
        geometry["ceil_mode"] = int(mode == 0)
    if kind == "Average":
        geometry["count_include_pad"] = layer.integer(6)
    self.add(f"{kind}Pool", [self.input], self.output, **geometry)


_RESIZE: Final[Mapping[int, dict[str, Any]]] = {
    1: {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    2: {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    3: {
        "mode": "cubic",
        "coordinate_transformation_mode": "half_pixel",
        "cubic_coeff_a": -0.75,
    },
}


def _interp(self: Layer) -> None:
    layer = self.layer
    how = _RESIZE.get(layer.integer(0))
    if how is None or 9 in layer.params:
        raise Untranslatable
    how = dict(how)
    if layer.integer(6) and how["mode"] != "nearest":
        how["coordinate_transformation_mode"] = "align_corners"
    if len(layer.inputs) == 2:
        self.add("ResizeLike", layer.inputs, self.output, domain="zoo", **how)
        return
    rows, columns = layer.integer(3), layer.integer(4)
    if rows > 0 and columns > 0:
        if layer.inputs and rows == columns == 1:
            raise Untranslatable
        shape = self.add("Shape", [self.input], start=0, end=2)
        size = self.constant(np.array([rows, columns], np.int64))
        sizes = self.add("Concat", [shape, size], axis=0)
        self.add("Resize", [self.input, "", "", sizes], self.output, **how)
        return
    scales = np.array([1, 1, layer.number(1, 1), layer.number(2, 1)], np.float32)
    if min(scales) <= 0:
        raise layer.error("a scale is not above 0")
    self.add("Resize", [self.input, "", self.constant(scales)], self.output, **how)


def _pixel_shuffle(self: Layer) -> None:
    mode = "DCR" if self.layer.integer(1) else "CRD"
    block = self.layer.integer(0, 1)
    self.add("DepthToSpace", [self.input], self.output, blocksize=block, mode=mode)


def _reorg(self: Layer) -> None:
    """Pixel unshuffle; with mode 0 a channel's pixels stay together."""
    block = self.layer.integer(0, 1)
    if self.layer.integer(1):
        self.add("SpaceToDepth", [self.input], self.output, blocksize=block)
        return
    value = self.add("SpaceToDepth", [self.input], blocksize=block)
    _transpose_channels(self, value, block * block)


def _shuffle_channel(self: Layer) -> None:
    group = self.layer.integer(0, 1)
    if self.layer.integer(1):
        raise Untranslatable
    _transpose_channels(self, self.input, group)


def _transpose_channels(self: Layer, value: str, rows: int) -> None:
    """The channels as a matrix of so many rows, turned."""
    value = self.add("Reshape", [value], domain="zoo", codes=(0, -4, rows, -1, -2))
    value = self.add("Transpose", [value], perm=(0, 2, 1, 3, 4))
    self.add("Reshape", [value], self.output, domain="zoo", codes=(0, -3, -2))


def _reshape(self: Layer) -> None:
    layer = self.layer
    width, height, channels = (layer.integer(key, UNSET) for key in (0, 1, 2))
    if layer.integer(3) or layer.integer(11, UNSET) != UNSET or 6 in layer.params:
        raise Untranslatable
    if len(layer.inputs) != 1 or (height != UNSET) != (channels != UNSET):
        raise Untranslatable
    target = [1, width, 1, 1] if height == UNSET else [1, channels, height, width]
    if height == UNSET and width == 0:
        raise Untranslatable
    shape = self.constant(np.array(target, np.int64))
    self.add("Reshape", [self.input, shape], self.output)


def _flatten(self: Layer) -> None:
    shape = self.constant(np.array([1, -1, 1, 1], np.int64))
    self.add("Reshape", [self.input, shape], self.output)


def _permute(self: Layer) -> None:
    orders = ("whc", "hwc", "wch", "cwh", "hcw", "chw")
    kind = self.layer.integer(0)
    if not 0 <= kind < len(orders):
        raise Untranslatable
    # ncnn names the innermost axis first.
    perm = tuple("_chw".index(letter) for letter in reversed(orders[kind]))
    self.add("Transpose", [self.input], self.output, perm=(0, *perm))


_REDUCTIONS: Final = {0: "ReduceSum", 3: "ReduceMean", 4: "ReduceMax", 5: "ReduceMin"}


def _reduction(self: Layer) -> None:
    layer = self.layer
    op = _REDUCTIONS.get(layer.integer(0))
    axes = self.axes(layer.integers(3))
    spatial = sorted(axis % 4 for axis in axes) == [2, 3]
    all_axes = bool(layer.integer(1, 1))
    if op is None or not (all_axes or axes):
        raise Untranslatable
    if not layer.integer(4) and (all_axes or not spatial):
        raise Untranslatable  # what is left would be a matrix or a single number
    if not all_axes and not layer.integer(5):
        raise Untranslatable  # written by an ncnn that counted axes otherwise
    if all_axes:
        axes = [1, 2, 3]
    where = self.constant(np.array(axes, np.int64))
    value = self.add(op, [self.input, where], keepdims=1)
    factor = self.constant(np.float32(layer.number(2, 1)))
    self.add("Mul", [value, factor], self.output)


SHAPES: Final[Words] = {
    "Concat": _concat,
    "Crop": _crop,
    "Flatten": _flatten,
    "Input": _input,
    "Interp": _interp,
    "Padding": _padding,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "Pooling": _pooling,
    "Reduction": _reduction,
    "Reorg": _reorg,
    "Reshape": _reshape,
    "ShuffleChannel": _shuffle_channel,
    "Slice": _slice,
    "Split": _split,
}
"""Translations, by ncnn's names of layers."""
