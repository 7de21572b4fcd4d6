"""Functions of one value."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import channel_vector
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import PictureView

__all__ = ["OPERATORS", "clip"]


def _function(name: str) -> Operator:
    """An activation without arguments."""

    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        view: PictureView = inputs[0]
        return PictureView(t.draft.function(view.step, name), view.axes)

    return apply


def _unary(name: str) -> Operator:
    """A function that only patterns make something of."""

    def apply(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
        view: PictureView = inputs[0]
        step = t.draft.add("unary", [view.step], view.step.shape, function=name)
        return PictureView(step, view.axes)

    return apply


def _leaky(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    slope = float(node.attributes.get("alpha", 0.01))
    return PictureView(t.draft.function(view.step, "leaky", slope=slope), view.axes)


def _prelu(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    slopes = inputs[1]
    if isinstance(slopes, PictureView):
        raise Untranslatable("PRelu with slopes made from the picture")
    view, vector = channel_vector(t.draft, view, slopes.array)
    step = t.draft.function(view.step, "prelu", slopes=vector)
    step.origins |= slopes.origins
    return PictureView(step, view.axes)


def clip(t: Tracer, view: PictureView, low: float, high: float) -> PictureView:
    """Values kept within bounds; infinite ones are no bounds."""
    if low == -np.inf and high == np.inf:
        return view
    before = view.step
    if before.activation in ("relu", "clip"):  # two bounds after each other
        first = before.values.get("low", 0.0), before.values.get("high", np.inf)
        low, high = (min(max(bound, low), high) for bound in first)
        view = PictureView(before.only, view.axes)
    if (low, high) == (0, np.inf):
        return PictureView(t.draft.function(view.step, "relu"), view.axes)
    return PictureView(
        t.draft.function(view.step, "clip", low=low, high=high), view.axes
    )


def _clip(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view, low, high = (*inputs, None, None)[:3]
    bounds = []
    for value, attribute, default in (
        (low, "min", -np.inf),
        (high, "max", np.inf),
    ):
        if value is not None:
            single = t.const(value, "bounds of Clip").single
            if single is None:
                raise Untranslatable("Clip with several bounds")
        else:
            single = float(node.attributes.get(attribute, default))
        # The largest finite number stands for no bound in old files.
        bounds.append(default if abs(single) > 3.4e38 else single)
    return clip(t, view, bounds[0], bounds[1])


def _elu(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    if node.attributes.get("alpha", 1.0) != 1.0:
        raise Untranslatable("Elu with alpha other than 1")
    return _function("elu")(t, node, inputs)  # type: ignore[return-value]


def _selu(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """As gamma (max(x, 0) + min(alpha e^x - alpha, 0)), from [activation] elu."""
    view: PictureView = inputs[0]
    alpha = float(node.attributes.get("alpha", 1.67326319217681884765625))
    gamma = float(node.attributes.get("gamma", 1.05070102214813232421875))
    draft = t.draft
    positive = draft.function(view.step, "relu")
    below = draft.affine(draft.function(draft.affine(view.step, -1, 0), "relu"), -1, 0)
    curved = draft.affine(draft.function(below, "elu"), gamma * alpha, 0)
    step = draft.add("add", [positive, curved], view.step.shape, alpha=gamma, beta=1.0)
    return PictureView(step, view.axes)


def _hard_sigmoid(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    alpha = float(node.attributes.get("alpha", 0.2))
    beta = float(node.attributes.get("beta", 0.5))
    step = t.draft.affine(view.step, alpha, beta)
    return clip(t, PictureView(step, view.axes), 0.0, 1.0)


def _hard_swish(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    gate = t.draft.affine(view.step, 1 / 6, 0.5)
    gate = clip(t, PictureView(gate, view.axes), 0.0, 1.0).step
    step = t.draft.add("mul", [view.step, gate], view.step.shape)
    return PictureView(step, view.axes)


def _gelu(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    name = "gelu" if node.attributes.get("approximate") == "tanh" else "gelu_erf"
    return _function(name)(t, node, inputs)  # type: ignore[return-value]


def _swish(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    alpha = float(node.attributes.get("alpha", 1.0))
    inner = view.step if alpha == 1 else t.draft.affine(view.step, alpha, 0)
    gate = t.draft.function(inner, "logistic")
    return PictureView(
        t.draft.add("mul", [view.step, gate], view.step.shape), view.axes
    )


def _thresholded(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    if node.attributes.get("alpha", 1.0) != 0:
        raise Untranslatable("ThresholdedRelu")
    return _function("relu")(t, node, inputs)  # type: ignore[return-value]


OPERATORS: dict[str, Operator] = {
    "Abs": _unary("abs"),
    "Cast": lambda t, node, inputs: _cast(t, node, inputs),
    "CastLike": lambda t, node, inputs: inputs[0],
    "Ceil": _unary("ceil"),
    "Clip": _clip,
    "Cos": _unary("cos"),
    "Elu": _elu,
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Floor": _unary("floor"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _leaky,
    "Log": _unary("log"),
    "Mish": _function("mish"),
    "PRelu": _prelu,
    "Reciprocal": _unary("reciprocal"),
    "Relu": _function("relu"),
    "Round": _unary("round"),
    "Selu": _selu,
    "Sigmoid": _function("logistic"),
    "Sign": _unary("sign"),
    "Sin": _unary("sin"),
    "Softplus": _function("softplus"),
    "Softsign": _function("softsign"),
    "Sqrt": _unary("sqrt"),
    "Swish": _swish,
    "Tanh": _function("tanh"),
    "ThresholdedRelu": _thresholded,
}

_FLOATS = (1, 10, 11, 16)


def _cast(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """Between floats nothing happens; to integers is known at the output only."""
    kind = node.attributes.get("to", 1)
    if kind in _FLOATS:
        return inputs[0]
    view: PictureView = inputs[0]
    name = "to uint8" if kind == 2 else "to integers"
    step = t.draft.add("unary", [view.step], view.step.shape, function=name)
    return PictureView(step, view.axes)
