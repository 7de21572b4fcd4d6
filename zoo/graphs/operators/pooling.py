"""Pooling over windows, over the whole picture, and over channels; shuffles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import shuffle, unshuffle
from zoo.graphs.arrays import ints
from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._pictures import picture_axes, regular
from zoo.graphs.operators.convolutions import pointwise
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import PictureView
from zoo.shapes import Shape

__all__ = ["OPERATORS", "reduced"]


def _two(node: Node, name: str, default: tuple[int, int]) -> tuple[int, int]:
    first, second = node.attributes.get(name) or default
    return int(first), int(second)


def _pool(mode: str) -> Operator:
    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        x = t.picture(inputs[0])
        size = _two(node, "kernel_shape", (1, 1))
        strides = _two(node, "strides", (1, 1))
        if _two(node, "dilations", (1, 1)) != (1, 1):
            raise Untranslatable(f"{node.op} with dilations")
        if len(node.outputs) > 1 and node.outputs[1]:
            raise Untranslatable(f"{node.op} with indices")
        ceil = bool(node.attributes.get("ceil_mode"))
        lengths, pads = [], []
        kind = str(node.attributes.get("auto_pad") or "NOTSET")
        given = [int(v) for v in node.attributes.get("pads") or (0, 0, 0, 0)]
        for i in (0, 1):
            before, after = given[i], given[i + 2]
            if kind == "VALID":
                before = after = 0
            elif kind != "NOTSET":
                total = (math.ceil(x.shape[i] / strides[i]) - 1) * strides[i]
                total = max(total + size[i] - x.shape[i], 0)
                before, after = total // 2, total - total // 2
                if kind == "SAME_LOWER":
                    before, after = after, before
            room = x.shape[i] + before + after - size[i]
            count = (-(-room // strides[i]) if ceil else room // strides[i]) + 1
            if ceil and (count - 1) * strides[i] >= x.shape[i] + before:
                count -= 1  # no window begins beyond the picture
            if count < 1:
                raise ValueError("nothing is left")
            lengths.append(count)
            if max(before, after) >= size[i]:
                raise ValueError("pads beyond the window")
            pads += [before, after]
        step = t.draft.add(
            "pool",
            [x],
            Shape(lengths[0], lengths[1], x.shape.channels),
            name=node.name,
            mode=mode,
            size=size,
            strides=strides,
            pads=tuple(pads),
            ceil=ceil,
            counts_border=mode == "average"
            and bool(node.attributes.get("count_include_pad")),
        )
        return t.shown(step)

    return apply


# -- reductions -----------------------------------------------------------------------


def reduced(
    t: Tracer, view: PictureView, axes: set[int], kind: str, keep: bool
) -> PictureView:
    """The mean, sum or maximum over axes of a view."""
    view, places = regular(t.draft, view)
    x = view.step
    roles = "".join(places[axis] for axis in axes)
    over_rows, over_columns = "h" in roles, "w" in roles
    pixels = x.shape.height * x.shape.width
    depth_axes = [i for i, place in enumerate(places) if place in ("", "chw")]
    sizes = [view.shape[i] // (pixels if places[i] else 1) for i in depth_axes]
    lost = [
        i for i, size in zip(depth_axes, sizes, strict=True) if i in axes and size > 1
    ]
    step = x
    if over_rows and over_columns:
        step = _over_picture(t, step, kind)
    elif over_rows or over_columns:
        step = _over_lines(t, step, kind, over_rows)
    if lost:
        step = _over_channels(t, step, kind, sizes, [i in axes for i in depth_axes])
    places = ["" if i in axes else place for i, place in enumerate(places)]
    lengths = [1 if i in axes else size for i, size in enumerate(view.shape)]
    result = picture_axes(step.shape, places, lengths)
    if not keep:
        result = tuple(axis for i, axis in enumerate(result) if i not in axes)
    return PictureView(step, result)


def _over_picture(t: Tracer, x: Step, kind: str) -> Step:
    shape = Shape(1, 1, x.shape.channels)
    if kind == "maximum":
        return t.draft.add("maximum", [x], shape)
    step = t.draft.add("mean", [x], shape)
    if kind == "sum":
        step = t.draft.affine(step, x.shape.height * x.shape.width, 0)
    return step


def _over_lines(t: Tracer, x: Step, kind: str, rows: bool) -> Step:
    """The mean over rows, or over columns: a whole one if the other came before."""
    if kind == "maximum":
        raise Untranslatable("a maximum over rows or columns alone")
    height, width, depth = x.shape
    factor = float(height if rows else width) if kind == "sum" else 1.0
    inner = x
    if inner.kind == "affine" and not inner.values["offset"].any():
        scale, inner = inner.values["scale"], inner.only
    else:
        scale = np.ones(depth)
    if inner.kind == ("mean_columns" if rows else "mean_rows"):
        step = t.draft.add("mean", [inner.only], Shape(1, 1, depth))
        return t.draft.affine(step, scale * factor, 0)
    shape = Shape(1 if rows else height, width if rows else 1, depth)
    step = t.draft.add("mean_rows" if rows else "mean_columns", [x], shape)
    return t.draft.affine(step, factor, 0)


def _over_channels(
    t: Tracer, x: Step, kind: str, sizes: list[int], lost: list[bool]
) -> Step:
    height, width, depth = x.shape
    kept = math.prod(s for s, gone in zip(sizes, lost, strict=True) if not gone)
    if kept == 1:
        name = "max_channels" if kind == "maximum" else "mean_channels"
        step = t.draft.add(name, [x], Shape(height, width, 1))
        return t.draft.affine(step, depth, 0) if kind == "sum" else step
    if kind == "maximum":
        raise Untranslatable("a maximum over a part of the channels")
    target: NDArray[Any] = np.arange(kept).reshape(
        [1 if gone else s for s, gone in zip(sizes, lost, strict=True)]
    )
    target = np.broadcast_to(target, sizes).reshape(-1)
    matrix = np.zeros((depth, kept), np.float32)
    matrix[np.arange(depth), target] = 1 if kind == "sum" else kept / depth
    return pointwise(t, x, matrix)


def _reduce(kind: str, before: str = "", after: str = "") -> Operator:
    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        view: PictureView = inputs[0]
        axes = node.attributes.get("axes")
        if len(inputs) > 1:
            axes = ints(t.const(inputs[1], "axes").array)
        if not axes:
            if node.attributes.get("noop_with_empty_axes"):
                return view
            axes = range(view.rank)
        if before:
            step = t.draft.add("unary", [view.step], view.step.shape, function=before)
            view = PictureView(step, view.axes)
        keep = bool(node.attributes.get("keepdims", 1))
        result = reduced(t, view, {int(a) % view.rank for a in axes}, kind, keep)
        if after:
            step = t.draft.add(
                "unary", [result.step], result.step.shape, function=after
            )
            result = PictureView(step, result.axes)
        return result

    return apply


def _reduce_min(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    negative = PictureView(t.draft.affine(view.step, -1, 0), view.axes)
    largest = _reduce("maximum")(t, node, [negative, *inputs[1:]])
    assert isinstance(largest, PictureView)
    return PictureView(t.draft.affine(largest.step, -1, 0), largest.axes)


def _global(kind: str) -> Operator:
    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        view: PictureView = inputs[0]
        return reduced(t, view, set(range(2, view.rank)), kind, True)

    return apply


# -- shuffles ---------------------------------------------------------------------------


def _depth_to_space(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    x = t.picture(inputs[0])
    scale = int(node.attributes["blocksize"])
    if scale < 1 or x.shape.channels % scale**2:
        raise ValueError(f"{x.shape.channels} channels and blocks of {scale}")
    order = str(node.attributes.get("mode") or "DCR").lower()
    return t.shown(shuffle(t.draft, x, scale, order))


def _space_to_depth(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    x = t.picture(inputs[0])
    scale = int(node.attributes["blocksize"])
    if scale < 1 or x.shape.height % scale or x.shape.width % scale:
        raise ValueError(f"{x.shape} pixels and blocks of {scale}")
    return t.shown(unshuffle(t.draft, x, scale, "dcr"))


OPERATORS: dict[str, Operator] = {
    "AveragePool": _pool("average"),
    "DepthToSpace": _depth_to_space,
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("maximum"),
    "MaxPool": _pool("max"),
    "ReduceL2": _reduce("sum", "square", "sqrt"),
    "ReduceMax": _reduce("maximum"),
    "ReduceMean": _reduce("mean"),
    "ReduceMin": _reduce_min,
    "ReduceSum": _reduce("sum"),
    "ReduceSumSquare": _reduce("sum", "square"),
    "SpaceToDepth": _space_to_depth,
}
