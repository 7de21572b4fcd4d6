"""Parts of pictures: channels, rows and columns that are taken, joined or added.

What happens to rows and columns becomes a step ``index``, which says for every row
and column of the result the one it is taken from (-1: zeros). Steps in a row are
merged here; :mod:`zoo.graphs.passes.borders` makes [trim], [pad] and others of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import channels
from zoo.graphs.arrays import ints, slices, split_sizes
from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import channel_vector
from zoo.graphs.operators._pictures import picture_axes, regular
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, Value, View
from zoo.shapes import Shape

__all__ = ["OPERATORS", "concat", "pick", "picked_pixels"]

Indices = NDArray[np.int64]

MOST_PIXELS = 1 << 20
"""Along one axis; beyond it a file makes no sense, and would take all memory."""


def pick(t: Tracer, view: View, axis: int, indices: Indices) -> View:
    """The places of an axis that are listed; -1 makes zeros."""
    if len(indices) == view.shape[axis] and np.array_equal(
        indices, np.arange(len(indices))
    ):
        return view
    view, places = regular(t.draft, view)
    place = places[axis]
    lengths = list(view.shape)
    lengths[axis] = len(indices)
    if place == "hw":
        raise Untranslatable("a part of all pixels in one axis")
    if place:
        step = picked_pixels(
            t,
            view.step,
            indices if place == "h" else None,
            indices if place == "w" else None,
        )
        return View(step, picture_axes(step.shape, places, lengths))
    sizes = [1 if p else size for p, size in zip(places, view.shape, strict=True)]
    grid = np.arange(view.step.shape.channels).reshape(sizes)
    grid = np.concatenate([grid, np.full_like(grid.take([0], axis), -1)], axis)
    step = channels(t.draft, view.step, grid.take(indices, axis).reshape(-1))
    return View(step, picture_axes(step.shape, places, lengths))


def picked_pixels(
    t: Tracer, x: Step, rows: Indices | None, columns: Indices | None
) -> Step:
    """Rows and columns that are listed, merged with a step that did so before."""
    if rows is None:
        rows = np.arange(x.shape.height)
    if columns is None:
        columns = np.arange(x.shape.width)
    if x.kind == "index":
        rows = np.append(x.values["rows"], -1)[rows]
        columns = np.append(x.values["columns"], -1)[columns]
        x = x.only
    shape = Shape(len(rows), len(columns), x.shape.channels)
    if shape == x.shape and all(
        np.array_equal(part, np.arange(len(part))) for part in (rows, columns)
    ):
        return x
    return t.draft.add("index", [x], shape, rows=rows, columns=columns)


def _slice(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view: View = inputs[0]
    arguments = [
        None if x is None else t.const(x, "bounds of Slice").array for x in inputs[1:]
    ]
    parts = slices(view.shape, node.attributes, [view.like, *arguments])
    for axis, part in parts.items():
        view = pick(t, view, axis, np.arange(view.shape[axis])[part])
    return view


def _gather(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view: View = inputs[0]
    indices = t.const(inputs[1], "indices of Gather").array
    axis = node.attributes.get("axis", 0) % view.rank
    if indices.ndim > 1:
        raise Untranslatable("Gather with a table of indices")
    size = view.shape[axis]
    flat = indices.reshape(-1).astype(np.int64)
    if flat.size and (flat.min() < -size or flat.max() >= size):
        raise IndexError(f"index beyond {size}")
    view = pick(t, view, axis, flat % size)
    if indices.ndim:
        return view
    return View(view.step, view.axes[:axis] + view.axes[axis + 1 :])


def _gather_nd(t: Tracer, node: Node, inputs: list[Any]) -> View:
    """One index for each row of indices: a Gather of the first axis."""
    view: View = inputs[0]
    indices = t.const(inputs[1], "indices of GatherND").array
    if indices.shape[-1] != 1 or node.attributes.get("batch_dims"):
        raise Untranslatable("GatherND over several axes")
    flat = Const(indices[..., 0])
    return _gather(t, Node("Gather", (), (), {"axis": 0}), [view, flat])


def _compress(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view: View = inputs[0]
    if node.attributes.get("axis") is None:
        raise Untranslatable("Compress without an axis")
    kept = np.flatnonzero(t.const(inputs[1], "the condition of Compress").array)
    return pick(t, view, node.attributes["axis"] % view.rank, kept)


def _split(t: Tracer, node: Node, inputs: list[Any]) -> list[Value]:
    view: View = inputs[0]
    axis = node.attributes.get("axis", 0) % view.rank
    attributes = {**node.attributes, "outputs": len(node.outputs)}
    arrays = [view.like]
    arrays += [t.const(x, "sizes of Split").array for x in inputs[1:]]
    ends = np.cumsum(split_sizes(attributes, arrays, view.shape[axis]))
    places = np.split(np.arange(view.shape[axis]), ends[:-1])
    return [
        pick(t, view, axis, part) if name else view
        for part, name in zip(places, node.outputs, strict=True)
    ]


# -- joining -------------------------------------------------------------------


def _concat(t: Tracer, node: Node, inputs: list[Any]) -> View:
    rank = next(x.rank for x in inputs if isinstance(x, View))
    return concat(t, inputs, node.attributes.get("axis", 1) % rank)


def concat(t: Tracer, values: list[Any], axis: int) -> View:
    """Join views, and constants between them, along an axis of channels."""
    views = [x for x in values if isinstance(x, View)]
    model, places = regular(t.draft, max(views, key=lambda v: v.step.shape.size))
    if places[axis]:
        return _concat_pixels(t, values, axis)
    parts: list[View] = []
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
    return View(step, picture_axes(step.shape, places, lengths))


def _constant_part(t: Tracer, value: Const, model: View, axis: int) -> View:
    """Channels of a constant, as a picture."""
    blank = pick(t, model, axis, np.full(value.array.shape[axis], -1))
    blank, vector = channel_vector(t.draft, blank, value.array)
    return View(t.draft.affine(blank.step, 1, vector, value.origins), blank.axes)


def _concat_pixels(t: Tracer, values: list[Any], axis: int) -> View:
    """Rows or columns of one picture beside each other: a border made by hand."""
    sources = []
    for value in values:
        if not isinstance(value, View):
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
    return View(step, picture_axes(step.shape, places, lengths))


def _full(indices: Any, view: View, places: list[str], axis: int) -> Any:
    if indices is not None:
        return indices
    return np.arange(view.step.shape[1 if places[axis] == "h" else 0])


def _scatter_nd(t: Tracer, node: Node, inputs: list[Any]) -> View:
    """Writing to channels, or to a box, as what stays and what is written, joined."""
    view, indices, updates = inputs
    places = t.const(indices, "indices of ScatterND").array
    if not isinstance(view, View):
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
    if isinstance(updates, View):
        if updates.shape != shape:
            updates = View(updates.step, _drop_ones(updates, shape))
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


def _drop_ones(view: View, shape: tuple[int, ...]) -> Any:
    from zoo.graphs.view import reshape

    return reshape(view.axes, shape)


# -- borders --------------------------------------------------------------------


def _pad(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view, pads, value, axes = (*inputs, None, None, None)[:4]
    mode = node.attributes.get("mode", "constant")
    given = node.attributes.get("pads") or node.attributes.get("paddings")
    sizes = ints(t.const(pads, "pads").array) if given is None else list(given)
    named = range(view.rank) if axes is None else ints(t.const(axes, "axes").array)
    half = len(sizes) // 2
    filling = node.attributes.get("value", 0.0)
    if value is not None:
        filling = t.const(value, "the value of Pad").single
    filling = float(filling or 0.0)
    if filling and mode == "constant":
        view = View(t.draft.affine(view.step, 1, -filling), view.axes)
    for axis, before, after in zip(named, sizes[:half], sizes[half:], strict=True):
        if before or after:
            axis %= view.rank
            view = pick(t, view, axis, _border(view.shape[axis], before, after, mode))
    if filling and mode == "constant":
        view = View(t.draft.affine(view.step, 1, filling), view.axes)
    return view


_MODES: dict[str, Any] = {name: name for name in ("edge", "reflect", "symmetric")}


def _border(size: int, before: int, after: int, mode: str) -> Indices:
    if max(abs(before), abs(after)) > MOST_PIXELS:
        raise Untranslatable("Pad by more than a million pixels")
    if mode != "constant" and mode not in _MODES:
        raise Untranslatable(f"Pad with mode {mode[:20]}")
    places = np.arange(size)
    if before < 0:
        places = places[-before:]
    if after < 0:
        places = places[:after]
    widths = (max(before, 0), max(after, 0))
    if mode == "constant":
        return np.pad(places, widths, constant_values=-1)
    if mode in ("reflect", "symmetric") and max(widths) >= size:
        raise ValueError("a reflected border is larger than the picture")
    return np.pad(places, widths, mode=_MODES[mode])


def _crop_like(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view, like = inputs[:2]
    for axis, name in ((2, "top"), (3, "left")):
        size, wanted = view.shape[axis], like.shape[axis]
        start = node.attributes.get(name, 0)
        start = (size - wanted) // 2 if start < 0 else start
        if start + wanted > size:
            raise ValueError(f"{wanted} of {size} from {start}")
        view = pick(t, view, axis, np.arange(start, start + wanted))
    return view


def _reverse(t: Tracer, node: Node, inputs: list[Any]) -> View:
    view: View = inputs[0]
    return pick(t, view, 1, np.arange(view.shape[1])[::-1])


OPERATORS: dict[str, Operator] = {
    "Compress": _compress,
    "Concat": _concat,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "ScatterND": _scatter_nd,
    "Slice": _slice,
    "Split": _split,
    "zoo.CropLike": _crop_like,
    "zoo.ReverseChannels": _reverse,
}
