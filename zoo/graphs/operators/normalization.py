"""Normalisation by the picture's own mean and variance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._pictures import regular
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView

__all__ = ["OPERATORS"]


def _instance(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """Each index of axis 1 over all that lies in the axes after it."""
    view, scale, offset = inputs[:3]
    if view.axes[0]:
        raise Untranslatable("InstanceNormalization over a part of the batch")
    view, places = regular(t.draft, view)
    groups = view.shape[1]
    if places[1]:
        raise Untranslatable("InstanceNormalization over rows")
    return _grouped(t, node, view, groups, scale, offset)


def _grouped(
    t: Tracer, node: Node, view: PictureView, groups: int, scale: Any, offset: Any
) -> PictureView:
    x = view.step
    each = x.shape.channels // groups
    vectors = []
    for value in (scale, offset):
        if not isinstance(value, Const):
            raise Untranslatable(f"{node.op} with scales made from the picture")
        array = np.asarray(value.array, np.float64).reshape(-1)
        vectors.append(np.repeat(array, each) if array.size == groups else array)
    step = t.draft.add(
        "groupnorm",
        [x],
        x.shape,
        scale.origins | offset.origins,
        groups=groups,
        eps=float(node.attributes.get("epsilon", 1e-5)),
        scale=vectors[0],
        offset=vectors[1],
    )
    return PictureView(step, view.axes)


def _group(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view, scale, offset = inputs[:3]
    view, places = regular(t.draft, view)
    if places[0] or places[1]:
        raise Untranslatable("GroupNormalization over rows")
    return _grouped(t, node, view, int(node.attributes["num_groups"]), scale, offset)


def _layer(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view, scale, offset = (*inputs, None)[:3]
    first = int(node.attributes.get("axis", -1)) % view.rank
    view, places = regular(t.draft, view)
    if any(places[first:]):
        raise Untranslatable("LayerNormalization over rows and columns")
    if any(view.axes[i] for i in range(first) if not places[i]):
        raise Untranslatable("LayerNormalization over a part of the channels")
    size = math.prod(view.shape[first:])
    vectors: list[NDArray[Any]] = []
    origins: frozenset[str] = frozenset()
    for value, default in ((scale, 1.0), (offset, 0.0)):
        if value is None:
            vectors.append(np.full(size, default))
            continue
        if not isinstance(value, Const):
            raise Untranslatable(f"{node.op} with scales made from the picture")
        array = np.broadcast_to(value.array, view.shape[first:])
        vectors.append(np.asarray(array, np.float64).reshape(-1))
        origins |= value.origins
    step = t.draft.add(
        "layernorm",
        [view.step],
        view.step.shape,
        origins,
        eps=float(node.attributes.get("epsilon", 1e-5)),
        scale=vectors[0],
        offset=vectors[1],
    )
    return PictureView(step, view.axes)


OPERATORS: dict[str, Operator] = {
    "GroupNormalization": _group,
    "InstanceNormalization": _instance,
    "LayerNormalization": _layer,
}
