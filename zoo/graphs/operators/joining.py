"""Pictures joined along an axis, and written into each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import channels
from zoo.graphs.axes import reshape
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import channel_vector
from zoo.graphs.operators._pictures import picture_axes, regular
from zoo.graphs.operators.indexing import pick, picked_pixels
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView
from zoo.shapes import Shape

__all__ = ["OPERATORS", "concat"]

Indices = NDArray[np.int64]


def _concat(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    rank = next(x.rank for x in inputs if isinstance(x, PictureView))
    return concat(t, inputs, node.attributes.get("axis", 1) % rank)


def concat(t: Tracer, values: list[Any], axis: int) -> PictureView:
    """Join views, and constants between them, along an axis of channels."""
    views = [x for x in values if isinstance(x, PictureView)]
    model, places = regular(t.draft, max(views, key=lambda v: v.step.shape.size))
    if places[axis]:
        return _concat_pixels(t, values, axis)
    parts: list[PictureView] = []
    for value in values:
        if isinstance(value, Const):
            if value.array.size:
                parts.append(_constant_part(t, value, model, axis))
            continue
        lengths = list(model.shape)
        lengths[axis] = value.shape[axis]
        if value.shape != tuple(lengths):
            raise ValueError(f"{value.shape} beside {model.shape}")
        part, own = regular(t.draft, value)
        if own != places:
            raise Untranslatable("a Concat of pictures of different axes")
        parts.append(part)
    if len(parts) == 1:
        return parts[0]
    sizes = [1 if p else size for p, size in zip(places, model.shape, strict=True)]
    grids, start = [], 0
    for part in parts:
        sizes[axis] = part.shape[axis]
        count = part.step.shape.channels
        grids.append(np.arange(start, start + count).reshape(sizes))
        start += count
    height, width = model.step.shape[:2]
    step = t.draft.add(
        "concat", [part.step for part in parts], Shape(height, width, start)
    )
    step = channels(t.draft, step, np.concatenate(grids, axis).reshape(-1))
    lengths = list(model.shape)
    lengths[axis] = sum(part.shape[axis] for part in parts)
    return PictureView(step, picture_axes(step.shape, places, lengths))


def _constant_part(
    t: Tracer, value: Const, model: PictureView, axis: int
) -> PictureView:
    """Channels of a constant, as a picture."""
    blank = pick(t, model, axis, np.full(value.array.shape[axis], -1))
    blank, vector = channel_vector(t.draft, blank, value.array)
    return PictureView(t.draft.affine(blank.step, 1, vector, value.origins), blank.axes)


def _concat_pixels(t: Tracer, values: list[Any], axis: int) -> PictureView:
    """Rows or columns of one picture beside each other: a border made by hand."""
    sources = []
    for value in values:
        if not isinstance(value, PictureView):
            raise Untranslatable("a Concat of rows or columns")
        view, places = regular(t.draft, value)
        step = view.step
        base = step.only if step.kind == "index" else step
        key = "rows" if places[axis] == "h" else "columns"
        size = step.shape[0 if places[axis] == "h" else 1]
        other = "columns" if key == "rows" else "rows"
        picked = step.values[key] if step.kind == "index" else np.arange(size)
        beside = step.values[other] if step.kind == "index" else None
        sources.append((base, picked, beside, view, places))
    base, _, beside, view, places = sources[0]
    for one, _, column, _, _ in sources:
        if one is not base or not np.array_equal(
            _full(column, view, places, axis), _full(beside, view, places, axis)
        ):
            raise Untranslatable("a Concat of rows or columns of several pictures")
    picked = np.concatenate([source[1] for source in sources])
    rows, columns = (picked, beside) if places[axis] == "h" else (beside, picked)
    step = picked_pixels(t, base, rows, columns)
    lengths = list(view.shape)
    lengths[axis] = len(picked)
    return PictureView(step, picture_axes(step.shape, places, lengths))


def _full(indices: Any, view: PictureView, places: list[str], axis: int) -> Any:
    if indices is not None:
        return indices
    return np.arange(view.step.shape[1 if places[axis] == "h" else 0])


def _scatter_nd(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """Writing to channels, or to a box, as what stays and what is written, joined."""
    view, indices, updates = inputs
    places = t.const(indices, "indices of ScatterND").array
    if not isinstance(view, PictureView):
        raise Untranslatable("ScatterND into a constant")
    depth = places.shape[-1]
    ranges = _box(places)
    if ranges is None:
        raise Untranslatable("ScatterND to scattered places")
    whole = view.shape
    changed = [
        axis
        for axis in range(depth)
        if not np.array_equal(ranges[axis], np.arange(whole[axis]))
    ]
    shape = (*(len(part) for part in ranges), *whole[depth:])
    if not changed:
        return updates
    if len(changed) > 1:
        raise Untranslatable("ScatterND to a part of several axes")
    (axis,) = changed
    if isinstance(updates, PictureView):
        if updates.shape != shape:
            updates = PictureView(updates.step, reshape(updates.axes, shape))
    else:
        updates = Const(np.broadcast_to(updates.array, shape), updates.origins)
    picked = ranges[axis]
    if len(picked) > 1 and not (np.diff(picked) == 1).all():
        raise Untranslatable("ScatterND to scattered places")
    first, last = int(picked[0]), int(picked[-1])
    parts: list[Any] = []
    if first > 0:
        parts.append(pick(t, view, axis, np.arange(first)))
    parts.append(updates)
    if last + 1 < whole[axis]:
        parts.append(pick(t, view, axis, np.arange(last + 1, whole[axis])))
    return concat(t, parts, axis)


def _box(places: NDArray[Any]) -> list[Indices] | None:
    """The range of each coordinate, if the places are the product of ranges."""
    depth = places.shape[-1]
    grid = places.shape[:-1]
    if depth == 1:
        return [places.reshape(-1)]
    if len(grid) != depth:
        return None
    ranges = []
    for axis in range(depth):
        values = places[..., axis]
        line = values[tuple(slice(None) if i == axis else 0 for i in range(depth))]
        shape = [-1 if i == axis else 1 for i in range(depth)]
        if not np.array_equal(np.broadcast_to(line.reshape(shape), grid), values):
            return None
        ranges.append(line)
    return ranges


OPERATORS: dict[str, Operator] = {
    "Concat": _concat,
    "ScatterND": _scatter_nd,
}
