"""Sums, products and what else takes two values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo.graphs.axes import Axes, length
from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import channel_vector
from zoo.graphs.operators._pictures import as_picture, picture_axes, role
from zoo.graphs.operators.activations import clip
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView
from zoo.shapes import Shape

__all__ = ["OPERATORS", "aligned", "binary"]


def binary(
    t: Tracer, kind: str, a: PictureView, b: PictureView, **values: Any
) -> PictureView:
    """A step of two views, broadcast against each other."""
    first, second, axes = aligned(t, a, b)
    shape = Shape(*map(max, first.shape, second.shape))
    return PictureView(t.draft.add(kind, [first, second], shape, **values), axes)


def aligned(t: Tracer, a: PictureView, b: PictureView) -> tuple[Step, Step, Axes]:
    """Two views as pictures of one order, and how the graph sees the result.

    The pictures have one shape, but that one may have 1 x 1 pixels or one channel.
    """
    rank = max(a.rank, b.rank)
    left, right = (((),) * (rank - view.rank) + view.axes for view in (a, b))
    if left == right and a.step.shape == b.step.shape:
        return a.step, b.step, left
    for x, y in zip(left, right, strict=True):
        if x and y and length(x) != length(y):
            raise ValueError(f"lengths {length(x)} and {length(y)}")
    places = [role(x) or role(y) for x, y in zip(left, right, strict=True)]
    lengths = [max(length(x), length(y)) for x, y in zip(left, right, strict=True)]
    left, right = _unrepeated(left, right, places), _unrepeated(right, left, places)
    first = as_picture(t.draft, a.step, left, right, places)
    second = as_picture(t.draft, b.step, right, left, places)
    shape = Shape(*map(max, first.shape, second.shape))
    for picture in (first, second):
        if picture.shape[:2] not in (shape[:2], (1, 1)):
            raise Untranslatable("arithmetic on single rows or columns")
    return first, second, picture_axes(shape, places, lengths)


def _unrepeated(own: Axes, beside: Axes, places: list[str]) -> Axes:
    """Axes without the repetition of a single channel beside channels that are there."""
    channels_ = [i for i, place in enumerate(places) if not place]
    repeats = all(atom.axis == "-" for i in channels_ for atom in own[i])
    solid = all(atom.axis == "c" for i in channels_ for atom in beside[i]) and all(
        length(own[i]) <= length(beside[i]) for i in channels_
    )
    if not (repeats and solid):
        return own
    return tuple(() if i in channels_ else axis for i, axis in enumerate(own))


# -- with constants --------------------------------------------------------------


def _with_constant(
    t: Tracer, view: PictureView, constant: Const, name: str, reversed_: bool
) -> PictureView:
    """A view and a constant: a factor and an offset, or a power, or bounds."""
    if name in ("max", "min"):
        return _bounded(t, view, constant, name)
    if name == "pow":
        return _power(t, view, constant, reversed_)
    view, vector = channel_vector(t.draft, view, constant.array)
    step = view.step
    if name == "div" and reversed_:
        step = t.draft.add("unary", [step], step.shape, function="reciprocal")
        name = "mul"
    scale: Any = 1.0
    offset: Any = 0.0
    if name == "add":
        offset = vector
    elif name == "sub":
        scale, offset = (-1.0, vector) if reversed_ else (1.0, -vector)
    elif name == "mul":
        scale = vector
    else:
        if not vector.all():
            raise Untranslatable("a division by zero")
        scale = 1 / vector
    return PictureView(t.draft.affine(step, scale, offset, constant.origins), view.axes)


def _bounded(t: Tracer, view: PictureView, constant: Const, name: str) -> PictureView:
    single = constant.single
    if single is not None:
        t.stated |= constant.origins
        low, high = (single, np.inf) if name == "max" else (-np.inf, single)
        return clip(t, view, low, high)
    # max(x, c) = relu(x - c) + c; min(x, c) = c - relu(c - x)
    view, vector = channel_vector(t.draft, view, constant.array)
    sign = 1.0 if name == "max" else -1.0
    step = t.draft.affine(view.step, sign, -sign * vector, constant.origins)
    step = t.draft.function(step, "relu")
    step = t.draft.affine(step, sign, vector, constant.origins)
    return PictureView(step, view.axes)


_POWERS = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal", -0.5: "rsqrt"}


def _power(
    t: Tracer, view: PictureView, constant: Const, reversed_: bool
) -> PictureView:
    single = constant.single
    if reversed_ or single is None:
        raise Untranslatable("Pow with an exponent made from the picture")
    t.stated |= constant.origins
    if single == 1:
        return view
    if single == 3:
        square = t.draft.add("unary", [view.step], view.step.shape, function="square")
        step = t.draft.add("mul", [square, view.step], view.step.shape)
        return PictureView(step, view.axes)
    name = _POWERS.get(single)
    if name is None:
        raise Untranslatable(f"Pow with the exponent {single:.6g}")
    step = t.draft.add("unary", [view.step], view.step.shape, function=name)
    return PictureView(step, view.axes)


# -- operators ---------------------------------------------------------------------


def _pair(t: Tracer, a: Any, b: Any, name: str) -> PictureView:
    if isinstance(b, Const):
        return _with_constant(t, a, b, name, False)
    if isinstance(a, Const):
        return _with_constant(t, b, a, name, True)
    if name == "add":
        return binary(t, "add", a, b, alpha=1.0, beta=1.0)
    if name == "sub":
        return binary(t, "add", a, b, alpha=1.0, beta=-1.0)
    if name == "pow":
        raise Untranslatable("Pow with an exponent made from the picture")
    return binary(t, name, a, b)


def _operator(name: str) -> Operator:
    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        if node.attributes.get("broadcast") and len(inputs) == 2:
            inputs = _old_broadcast(node, inputs)
        result = inputs[0]
        for other in inputs[1:]:
            if isinstance(result, Const) and isinstance(other, Const):
                result = _both(name)(result, other)
            else:
                result = _pair(t, result, other, name)
        return result

    return apply


def _both(name: str) -> Callable[[Const, Const], Const]:
    function = {"add": np.add, "max": np.maximum, "min": np.minimum}[name]
    return lambda a, b: Const(function(a.array, b.array), a.origins | b.origins)


def _old_broadcast(node: Node, inputs: list[Any]) -> list[Any]:
    """Up to opset 6 the second operand was aligned at an axis that was named."""
    a, b = inputs
    axis = node.attributes.get("axis")
    if isinstance(b, Const) and isinstance(a, PictureView) and axis is not None:
        after = a.rank - axis % a.rank - b.array.ndim
        b = Const(b.array.reshape(b.array.shape + (1,) * max(after, 0)), b.origins)
    return [a, b]


def _mean(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    total = _operator("add")(t, node, inputs)
    assert isinstance(total, PictureView)
    step = t.draft.affine(total.step, 1 / len(inputs), 0)
    return PictureView(step, total.axes)


def _greater(sign: float) -> Operator:
    """a > b as a step that is 1 where a - b is positive, else 0."""

    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        difference = _pair(t, inputs[0], inputs[1], "sub")
        step = difference.step
        if sign < 0:
            step = t.draft.affine(step, -1, 0)
        step = t.draft.add("unary", [step], step.shape, function="positive")
        return PictureView(step, difference.axes)

    return apply


def _not(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    return PictureView(t.draft.affine(view.step, -1, 1), view.axes)


def _where(t: Tracer, node: Node, inputs: list[Any]) -> Any:
    """b + condition (a - b)."""
    condition, a, b = inputs
    if isinstance(condition, Const):
        single = condition.single
        if single is None:
            raise Untranslatable("Where with a condition for each pixel")
        return a if single else b
    if isinstance(a, Const) and isinstance(b, Const):
        difference: Any = Const(np.asarray(a.array - b.array), a.origins | b.origins)
    else:
        difference = _pair(t, a, b, "sub")
    return _pair(t, _pair(t, condition, difference, "mul"), b, "add")


def _neg(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    return PictureView(t.draft.affine(view.step, -1, 0), view.axes)


OPERATORS: dict[str, Operator] = {
    "Add": _operator("add"),
    "Div": _operator("div"),
    "Greater": _greater(1),
    "GreaterOrEqual": _greater(1),
    "Less": _greater(-1),
    "LessOrEqual": _greater(-1),
    "Max": _operator("max"),
    "Mean": _mean,
    "Min": _operator("min"),
    "Mul": _operator("mul"),
    "Neg": _neg,
    "Not": _not,
    "Pow": _operator("pow"),
    "Sub": _operator("sub"),
    "Sum": _operator("add"),
    "Where": _where,
}
