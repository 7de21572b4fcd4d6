"""Operators that only change how a picture is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.graphs.arrays import ints, resize_axes
from zoo.graphs.axes import join, reshape, spread
from zoo.graphs.errors import Damaged, WrongSize
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import with_shape
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView

__all__ = ["OPERATORS"]


def _same(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    return inputs[0]


def _transpose(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    order = node.attributes.get("perm") or range(view.rank)[::-1]
    if sorted(order) != list(range(view.rank)):
        raise ValueError(f"perm {order}")
    return PictureView(view.step, tuple(view.axes[axis] for axis in order))


def _reshape(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    if len(inputs) > 1:
        wanted = ints(t.const(inputs[1], "a shape").array)
    else:
        wanted = list(node.attributes["shape"])
    try:
        lengths = resize_axes(view.shape, wanted, node.attributes)
    except Damaged as error:
        raise WrongSize(str(error)) from None
    return PictureView(view.step, reshape(view.axes, lengths))


def _coded(t: Tracer, node: Node, inputs: list[Any]) -> PictureView | Const:
    """MXNet's Reshape."""
    value: PictureView | Const = inputs[0]
    if isinstance(value, Const):
        lengths = _decoded(value.array.shape, node.attributes["codes"])
        return Const(value.array.reshape(lengths), value.origins)
    lengths = _decoded(value.shape, node.attributes["codes"])
    return PictureView(value.step, reshape(value.axes, lengths))


def _decoded(shape: Sequence[int], given: Sequence[int]) -> list[int]:
    """Lengths that MXNet's codes ask for."""
    left = list(shape)
    lengths: list[int] = []
    codes = list(given)
    while codes:
        code = codes.pop(0)
        if code > 0:
            lengths.append(code)
            if left:
                left.pop(0)
        elif code == 0:
            lengths.append(left.pop(0))
        elif code == -1:
            lengths.append(-1)
            if left:
                left.pop(0)
        elif code == -2:
            lengths += left
            left = []
        elif code == -3:
            lengths.append(left.pop(0) * left.pop(0))
        elif code == -4:
            whole, one, two = left.pop(0), codes.pop(0), codes.pop(0)
            lengths += [
                whole // two if one == -1 else one,
                whole // one if two == -1 else two,
            ]
        else:
            raise ValueError(f"code {code}")
    if -1 in lengths:
        at = lengths.index(-1)
        lengths[at] = math.prod(shape) // -math.prod(lengths)
    return lengths


def _squeeze(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    axes = _axes(t, node, inputs)
    if axes is None:
        axes = [i for i, axis in enumerate(view.axes) if not axis]
    drop = {axis % view.rank for axis in axes}
    if any(view.axes[axis] for axis in drop):
        raise ValueError("an axis longer than 1 cannot be squeezed")
    return PictureView(
        view.step, tuple(x for i, x in enumerate(view.axes) if i not in drop)
    )


def _unsqueeze(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    axes = _axes(t, node, inputs) or []
    rank = view.rank + len(axes)
    new = {axis % rank for axis in axes}
    old = iter(view.axes)
    return PictureView(
        view.step, tuple(() if i in new else next(old) for i in range(rank))
    )


def _axes(t: Tracer, node: Node, inputs: list[Any]) -> list[int] | None:
    if len(inputs) > 1:
        return ints(t.const(inputs[1], "axes").array)
    axes = node.attributes.get("axes")
    return None if axes is None else list(axes)


def _flatten(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    axis = node.attributes.get("axis", 1) % (view.rank + 1)
    shape = (math.prod(view.shape[:axis]), math.prod(view.shape[axis:]))
    return PictureView(view.step, reshape(view.axes, shape))


def _expand(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    shape = tuple(ints(t.const(inputs[1], "a shape").array))
    return with_shape(view, np.broadcast_shapes(view.shape, shape))


def _tile(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    repeats = ints(t.const(inputs[1], "repeats").array)
    return PictureView(
        view.step,
        tuple(
            join((*spread(count), *axis))
            for axis, count in zip(view.axes, repeats, strict=True)
        ),
    )


OPERATORS: dict[str, Operator] = {
    "Dropout": _same,
    "Expand": _expand,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "zoo.Reshape": _coded,
}
