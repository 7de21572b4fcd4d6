"""Resize: whatever its rule, as the layer or the convolution that does the same."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import enlarge, same_size, shuffle
from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.interpolation import Rule, Taps, nearest, taps
from zoo.graphs.operators._pictures import picture_axes, regular
from zoo.graphs.operators.indexing import MOST_PIXELS, picked_pixels
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import LARGEST, PictureView
from zoo.shapes import Shape

__all__ = ["OPERATORS"]

_LARGEST_STRIDE = 16


def _rule(node: Node, opset: int) -> Rule:
    attributes = node.attributes
    mode = str(attributes.get("mode") or "nearest")
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(mode, mode)
    if mode not in ("nearest", "linear", "cubic"):
        raise Untranslatable(f"Resize with mode {mode[:20]}")
    old = node.op == "Upsample" or (opset < 11 and node.domain == "")
    return Rule(
        mode,
        "asymmetric"
        if old
        else str(attributes.get("coordinate_transformation_mode") or "half_pixel"),
        "floor" if old else str(attributes.get("nearest_mode") or "round_prefer_floor"),
        float(attributes.get("cubic_coeff_a", -0.75)),
        bool(attributes.get("antialias")),
        bool(attributes.get("exclude_outside")),
    )


def _resize(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    rule = _rule(node, t.graph.opset)
    scales, lengths = _wanted(t, node, inputs, view)
    return _resized(t, view, rule, scales, lengths)


def _resize_like(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view, like = inputs[:2]
    lengths = [*view.shape[:2], *like.shape[2:]]
    scales = [a / b for a, b in zip(lengths, view.shape, strict=True)]
    return _resized(t, view, _rule(node, 20), scales, lengths)


def _wanted(
    t: Tracer, node: Node, inputs: list[Any], view: PictureView
) -> tuple[list[float], list[int]]:
    """Factor and new length of every axis of the view."""
    attributes = node.attributes
    shape = view.shape
    old = node.op == "Upsample" or len(inputs) == 2
    given: Any = inputs[1] if old and len(inputs) > 1 else None
    if not old and len(inputs) > 2:
        given = inputs[2]
    sizes: Any = inputs[3] if len(inputs) > 3 else None
    if given is not None:
        given = t.const(given, "scales of Resize").array.reshape(-1)
    elif sizes is None:
        given = attributes.get("scales")
    axes = [int(a) % view.rank for a in attributes.get("axes") or range(view.rank)]
    scales, lengths = [1.0] * view.rank, list(shape)
    if sizes is not None:
        wanted = t.const(sizes, "sizes of Resize").array.reshape(-1)
        if str(attributes.get("keep_aspect_ratio_policy", "stretch")) != "stretch":
            raise Untranslatable("Resize that keeps the aspect ratio")
        for axis, size in zip(axes, wanted, strict=True):
            lengths[axis] = int(size)
            scales[axis] = int(size) / shape[axis]
        return scales, lengths
    if given is None or not len(given):
        raise ValueError("neither scales nor sizes")
    for axis, scale in zip(axes, given, strict=True):
        scales[axis] = float(scale)
        lengths[axis] = int(np.floor(shape[axis] * np.float32(scale)))
    return scales, lengths


def _resized(
    t: Tracer, view: PictureView, rule: Rule, scales: list[float], lengths: list[int]
) -> PictureView:
    if lengths == list(view.shape) and rule.place != "tf_crop_and_resize":
        return view
    if min(lengths) < 1:
        raise ValueError("nothing is left")
    if max(lengths) > MOST_PIXELS or math.prod(lengths) > LARGEST:
        raise Untranslatable("Resize to more than a million pixels")
    view, places = regular(t.draft, view)
    x = view.step
    changed = [i for i, size in enumerate(lengths) if size != view.shape[i]]
    if x.shape[:2] == (1, 1) and view.rank == 4 and changed == [2, 3]:
        step = enlarge(t.draft, x, lengths[2], lengths[3])
        return t.shown(step)
    if any(places[i] not in ("h", "w") for i in changed):
        raise Untranslatable("Resize of channels")
    size = [x.shape.height, x.shape.width]
    scale = [1.0, 1.0]
    for i in changed:
        axis = "hw".index(places[i])
        size[axis], scale[axis] = lengths[i], scales[i]
    step = (_nearest if rule.mode == "nearest" else _smooth)(t, x, rule, size, scale)
    return PictureView(step, picture_axes(step.shape, places, lengths))


def _nearest(
    t: Tracer, x: Step, rule: Rule, size: list[int], scale: list[float]
) -> Step:
    rows, columns = (nearest(rule, x.shape[i], size[i], scale[i]) for i in (0, 1))
    factor = size[0] // x.shape.height
    whole = [n * factor for n in x.shape[:2]] == size
    if whole and all(
        np.array_equal(found, np.arange(n) // factor)
        for found, n in ((rows, size[0]), (columns, size[1]))
    ):
        shape = Shape(size[0], size[1], x.shape.channels)
        return t.draft.add("resize", [x], shape, mode="nearest", scale=factor)
    if _is_ratio(x, size):  # pixels are skipped
        return picked_pixels(t, x, rows, columns)
    tables = [Taps(part[:, None], np.ones((len(part), 1))) for part in (rows, columns)]
    made = _as_convolution(t, x, tables, size)
    if made is not None:
        return made
    if all(
        np.array_equal(found, np.arange(n) * before // n)
        for found, n, before in (
            (rows, size[0], x.shape.height),
            (columns, size[1], x.shape.width),
        )
    ):
        return _like(t, x, "nearest", size, False)
    raise Untranslatable(f"Resize with mode nearest, {rule.place}, {rule.rounding}")


def _is_ratio(x: Step, size: list[int]) -> bool:
    """Whether pixels are skipped at a fixed step, which a convolution can do."""
    return all(
        before % after == 0 for before, after in zip(x.shape, size, strict=False)
    )


def _like(t: Tracer, x: Step, mode: str, size: list[int], corners: bool) -> Step:
    shape = Shape(size[0], size[1], x.shape.channels)
    try:
        like = same_size(t.draft, shape)
    except Untranslatable:
        factors = {
            Fraction(n, before) for n, before in zip(size, x.shape[:2], strict=True)
        }
        how = "by another factor for rows than for columns"
        if len(factors) == 1:
            how = "to a size that is no fixed multiple"
        raise Untranslatable(f"Resize with mode {mode} {how}") from None
    return t.draft.add("resize", [x, like], shape, mode=mode, align_corners=corners)


def _smooth(
    t: Tracer, x: Step, rule: Rule, size: list[int], scale: list[float]
) -> Step:
    if rule.place == "align_corners" and not rule.antialias:
        return _corners(t, x, rule, size)
    tables = [taps(rule, x.shape[i], size[i], scale[i]) for i in (0, 1)]
    name = {"linear": "bilinear", "cubic": "bicubic"}[rule.mode]
    factor = size[0] // x.shape.height
    plain = Rule(rule.mode, a=rule.a)
    if factor > 1 and [n * factor for n in x.shape[:2]] == size:
        ours = [taps(plain, x.shape[i], size[i], float(factor)) for i in (0, 1)]
        if all(
            _same(a, b, x.shape[i])
            for i, (a, b) in enumerate(zip(tables, ours, strict=True))
        ):
            shape = Shape(size[0], size[1], x.shape.channels)
            return t.draft.add("resize", [x], shape, mode=name, scale=factor, a=rule.a)
    made = _as_convolution(t, x, tables, size)
    if made is not None:
        return made
    ours = [taps(plain, x.shape[i], size[i], size[i] / x.shape[i]) for i in (0, 1)]
    if (rule.mode == "linear" or rule.a == -0.75) and all(
        _same(a, b, x.shape[i])
        for i, (a, b) in enumerate(zip(tables, ours, strict=True))
    ):
        return _like(t, x, name, size, False)
    more = ", antialias" * rule.antialias + ", exclude_outside" * rule.exclude_outside
    raise Untranslatable(f"Resize with mode {rule.mode}, {rule.place}{more}")


def _corners(t: Tracer, x: Step, rule: Rule, size: list[int]) -> Step:
    name = {"linear": "bilinear", "cubic": "bicubic"}[rule.mode]
    factor = size[0] // x.shape.height
    shape = Shape(size[0], size[1], x.shape.channels)
    if rule.mode == "cubic" and rule.a != -0.75:
        raise Untranslatable("Resize with mode cubic, align_corners")
    if factor > 1 and [n * factor for n in x.shape[:2]] == size:
        return t.draft.add(
            "resize",
            [x],
            shape,
            mode=name,
            scale=factor,
            a=rule.a,
            align_corners=True,
        )
    return _like(t, x, name, size, True)


def _matrix(table: Taps, before: int) -> NDArray[np.float64]:
    matrix = np.zeros((len(table.places), before))
    rows = np.arange(len(matrix))[:, None]
    np.add.at(matrix, (rows, table.places), table.weights)
    return matrix


def _same(a: Taps, b: Taps, before: int) -> bool:
    return bool(np.abs(_matrix(a, before) - _matrix(b, before)).max() < 1e-6)


def _as_convolution(
    t: Tracer, x: Step, tables: list[Taps], size: list[int]
) -> Step | None:
    """The convolution and shuffle that resizes by p/q, edges repeated, if one does."""
    ratios = {Fraction(size[i], x.shape[i]) for i in (0, 1)}
    if len(ratios) > 1:
        return None
    (ratio,) = ratios
    up, down = ratio.numerator, ratio.denominator
    if max(up, down) > _LARGEST_STRIDE:
        return None
    kernels = []
    for i in (0, 1):
        found = _periodic(_matrix(tables[i], x.shape[i]), up, down)
        if found is None:
            return None
        kernels.append(found)
    (first, rows), (start, columns) = kernels
    if first != start or rows.shape != columns.shape:
        return None
    span, depth = rows.shape[1], x.shape.channels
    kernel = np.einsum("iu,jv->uvij", rows, columns).reshape(span, span, 1, up * up)
    padded = [
        np.clip(np.arange(first, (n // down - 1) * down + first + span), 0, n - 1)
        for n in x.shape[:2]
    ]
    x = picked_pixels(t, x, *padded)
    shape = Shape(size[0] // up, size[1] // up, depth * up * up)
    step = t.draft.add(
        "conv",
        [x],
        shape,
        weights=np.tile(kernel, (1, 1, 1, depth)),
        biases=None,
        strides=(down, down),
        dilation=(1, 1),
        pads=(0, 0, 0, 0),
        same=False,
        mode="zero",
        groups=depth,
    )
    return step if up == 1 else shuffle(t.draft, step, up, "crd")


def _periodic(
    matrix: NDArray[np.float64], up: int, down: int
) -> tuple[int, NDArray[np.float64]] | None:
    """First input pixel, and weights up x span, of what every ``up`` rows repeat."""
    after, before = matrix.shape
    blocks = after // up
    middle = blocks // 2
    rows = matrix[middle * up : (middle + 1) * up]
    used = np.flatnonzero(np.abs(rows).max(axis=0) > 1e-9)
    if not used.size or after % up or before % down:
        return None
    first, span = int(used[0]) - middle * down, int(used[-1] - used[0]) + 1
    kernel = rows[:, used[0] : used[-1] + 1]
    places = np.arange(blocks)[:, None] * down + first + np.arange(span)
    again = np.zeros_like(matrix)
    lines = np.arange(blocks)[:, None] * up
    for phase in range(up):
        np.add.at(
            again,
            (lines + phase, np.clip(places, 0, before - 1)),
            np.broadcast_to(kernel[phase], places.shape),
        )
    return (first, kernel) if np.abs(again - matrix).max() < 1e-6 else None


OPERATORS: dict[str, Operator] = {
    "Resize": _resize,
    "Upsample": _resize,
    "zoo.ResizeLike": _resize_like,
}
