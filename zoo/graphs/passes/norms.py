"""Means and variances that a file spells out: deviation, layer and group norm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.graphs.draft import Draft, Step
from zoo.shapes import Shape

__all__ = ["recognize"]


class _Variance(NamedTuple):
    """A mean of squared differences from the mean, and what is added to it."""

    x: Step
    over: str
    eps: float


def recognize(draft: Draft) -> None:
    """Replace what is spelled out by steps of their own."""
    for step in draft:
        if step.kind == "unary" and step.values["function"] == "sqrt":
            _deviation(draft, step)
    for step in draft:
        if step.kind in ("div", "mul"):
            _norm(draft, step)
    for step in draft:
        is_read = bool(step.readers) or step is draft.output
        if step.kind in ("div", "mul") and is_read:
            _length(draft, step)


def _variance(step: Step) -> _Variance | None:
    eps = 0.0
    if step.kind == "affine":
        scale, offset = step.values["scale"], step.values["offset"]
        if np.abs(scale - 1).max() > 1e-6 or np.ptp(offset) > 0 or offset[0] < 0:
            return None
        eps, step = float(offset[0]), step.only
    if step.activation == "relu":  # variances are made safe so
        step = step.only
    over, inner = _mean_of(step)
    if inner is None or inner.kind != "unary" or inner.values["function"] != "square":
        return None
    centred = _centred(inner.only)
    if centred is None or centred[1] != over:
        return None
    return _Variance(centred[0], over, eps)


def _mean_of(step: Step) -> tuple[str, Step | None]:
    """What a mean goes over ("mean", "mean_channels" or both), and of what."""
    if step.kind not in ("mean", "mean_channels"):
        return "", None
    inner = step.only
    if inner.kind in ("mean", "mean_channels") and inner.kind != step.kind:
        return "all", inner.only
    return step.kind, inner


def _centred(step: Step) -> tuple[Step, str] | None:
    """The x of x - mean(x), and what the mean goes over."""
    if step.kind != "add":
        return None
    (x, mean), factors = step.inputs, (step.values["alpha"], step.values["beta"])
    if factors == (-1.0, 1.0):
        x, mean = mean, x
    elif factors != (1.0, -1.0):
        return None
    over, of = _mean_of(mean)
    return (x, over) if of is x else None


def _deviation(draft: Draft, step: Step) -> None:
    found = _variance(step.only)
    if found is None or found.over != "mean" or found.eps > 1e-12:
        return
    made = draft.add("deviation", [found.x], step.shape)
    draft.replace(step, made)


def _norm(draft: Draft, step: Step) -> None:
    """(x - mean) / sqrt(variance + eps), or times its reciprocal."""
    centred, other = step.inputs
    if step.kind == "mul" and _centred(centred) is None:
        centred, other = other, centred
    found = _centred(centred)
    if found is None:
        return
    root = _root(other, step.kind == "div")
    variance = _variance(root) if root is not None else None
    eps = 0.0
    if root is not None and variance is None:
        return
    if variance is None or (variance.x, variance.over) != found:
        return
    eps = variance.eps
    x, over = found
    kind = "layernorm" if over == "mean_channels" else "groupnorm"
    channels = x.shape.channels
    made = draft.add(
        kind,
        [x],
        step.shape,
        eps=eps,
        scale=np.ones(channels),
        offset=np.zeros(channels),
    )
    if kind == "groupnorm":
        made.values["groups"] = 1 if over == "all" else channels
    draft.replace(step, made)


def _length(draft: Draft, step: Step) -> None:
    """x / sqrt(s mean(x^2) + eps) over channels: by the layer norm of x and -x.

    Their mean is zero, so that their variance is the mean of x^2.
    """
    for x, other in (step.inputs, step.inputs[::-1]):
        if step.kind == "div" and x is not step.inputs[0]:
            return
        if other.activation == "clip" and other.values["low"] <= 1e-6:
            other = other.only  # made safe against zero
        square = _root(other, step.kind == "div")
        factor, eps = 1.0, 0.0
        if square is not None and square.kind == "affine":
            scale, offset = square.values["scale"], square.values["offset"]
            factor, eps, square = float(scale[0]), float(offset[0]), square.only
        if square is None or square.kind != "mean_channels" or factor <= 0 or eps < 0:
            continue
        inner = square.only
        if inner.kind != "unary" or inner.values["function"] != "square":
            continue
        if inner.only is x:
            draft.replace(step, _by_layer_norm(draft, x, factor, eps))
            return


def _by_layer_norm(draft: Draft, x: Step, factor: float, eps: float) -> Step:
    height, width, channels = x.shape
    both = Shape(height, width, 2 * channels)
    joined = draft.add("concat", [x, draft.affine(x, -1, 0)], both)
    normed = draft.add(
        "layernorm",
        [joined],
        both,
        eps=max(eps / factor, 1e-24),
        scale=np.ones(2 * channels),
        offset=np.zeros(2 * channels),
    )
    picked = draft.add("channels", [normed], x.shape, indices=np.arange(channels))
    return draft.affine(picked, factor**-0.5, 0)


def _root(step: Step, divides: bool) -> Step | None:
    """What the square root is taken of, on the way to 1 / sqrt(variance)."""
    names: list[str] = []
    while step.kind == "unary" and len(names) < 2:
        names.append(step.values["function"])
        step = step.only
    wanted = (
        [["sqrt"]]
        if divides
        else [["rsqrt"], ["reciprocal", "sqrt"], ["sqrt", "reciprocal"]]
    )
    return step if names in wanted else None
