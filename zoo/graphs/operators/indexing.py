"""Parts of pictures: channels, rows and columns that are taken or added.

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
from zoo.graphs.operators._pictures import picture_axes, regular
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView, Value
from zoo.shapes import Shape

__all__ = ["MOST_PIXELS", "OPERATORS", "pick", "picked_pixels"]

Indices = NDArray[np.int64]

MOST_PIXELS = 1 << 20
"""Along one axis; beyond it a file makes no sense, and would take all memory."""


def pick(t: Tracer, view: PictureView, axis: int, indices: Indices) -> PictureView:
    """The places of an axis that are listed; -1 makes zeros."""
    if len(indices) == view.shape[axis] and np.array_equal(
        indices, np.arange(len(indices))
    ):
        return view
    if not len(indices):
        raise ValueError("nothing is left")
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
        return PictureView(step, picture_axes(step.shape, places, lengths))
    sizes = [1 if p else size for p, size in zip(places, view.shape, strict=True)]
    grid = np.arange(view.step.shape.channels).reshape(sizes)
    grid = np.concatenate([grid, np.full_like(grid.take([0], axis), -1)], axis)
    step = channels(t.draft, view.step, grid.take(indices, axis).reshape(-1))
    return PictureView(step, picture_axes(step.shape, places, lengths))


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


def _slice(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    arguments = [
        None if x is None else t.const(x, "bounds of Slice").array for x in inputs[1:]
    ]
    parts = slices(view.shape, node.attributes, [view.like, *arguments])
    for axis, part in parts.items():
        view = pick(t, view, axis, np.arange(view.shape[axis])[part])
    return view


def _gather(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
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
    return PictureView(view.step, view.axes[:axis] + view.axes[axis + 1 :])


def _gather_nd(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """One index for each row of indices: a Gather of the first axis."""
    view: PictureView = inputs[0]
    indices = t.const(inputs[1], "indices of GatherND").array
    if indices.shape[-1] != 1 or node.attributes.get("batch_dims"):
        raise Untranslatable("GatherND over several axes")
    flat = Const(indices[..., 0])
    return _gather(t, Node("Gather", (), (), {"axis": 0}), [view, flat])


def _compress(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    if node.attributes.get("axis") is None:
        raise Untranslatable("Compress without an axis")
    kept = np.flatnonzero(t.const(inputs[1], "the condition of Compress").array)
    return pick(t, view, node.attributes["axis"] % view.rank, kept)


def _split(t: Tracer, node: Node, inputs: list[Any]) -> list[Value]:
    view: PictureView = inputs[0]
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


# -- borders --------------------------------------------------------------------


def _pad(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
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
        view = PictureView(t.draft.affine(view.step, 1, -filling), view.axes)
    for axis, before, after in zip(named, sizes[:half], sizes[half:], strict=True):
        if before or after:
            axis %= view.rank
            view = pick(t, view, axis, _border(view.shape[axis], before, after, mode))
    if filling and mode == "constant":
        view = PictureView(t.draft.affine(view.step, 1, filling), view.axes)
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


def _crop_like(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view, like = inputs[:2]
    for axis, name in ((2, "top"), (3, "left")):
        size, wanted = view.shape[axis], like.shape[axis]
        start = node.attributes.get(name, 0)
        start = (size - wanted) // 2 if start < 0 else start
        if start + wanted > size:
            raise ValueError(f"{wanted} of {size} from {start}")
        view = pick(t, view, axis, np.arange(start, start + wanted))
    return view


def _reverse(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    return pick(t, view, 1, np.arange(view.shape[1])[::-1])


OPERATORS: dict[str, Operator] = {
    "Compress": _compress,
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Pad": _pad,
    "Slice": _slice,
    "Split": _split,
    "zoo.CropLike": _crop_like,
    "zoo.ReverseChannels": _reverse,
}
