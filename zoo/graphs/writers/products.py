"""Sums and products of two pictures, and what can be made of those."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.sections import Sections, Writer, short
from zoo.shapes import Shape

__all__ = ["WRITERS"]


def _whole(s: Sections, x: Step, shape: Shape, like: Step) -> int:
    """The layer of a picture, with channels and pixels repeated to a shape."""
    index = s.at[x]
    if x.shape.channels < shape.channels:
        index = s.pointwise(index, np.ones((1, shape.channels), np.float32))
    if x.shape[:2] != shape[:2]:
        s.after(index)
        index = s.add("upsample", {"like": s.back(s.at[like]), "mode": "nearest"})
    return index


def _both(s: Sections, step: Step) -> tuple[int, int]:
    x, y = step.inputs
    tallest = max(x, y, key=lambda one: one.shape[:2])
    return _whole(s, x, step.shape, tallest), _whole(s, y, step.shape, tallest)


def _shortcut(
    s: Sections,
    first: int,
    second: int,
    alpha: float,
    beta: float,
    activation: str = "linear",
    more: dict[str, Any] | None = None,
) -> int:
    """alpha times one layer plus beta times another."""
    if second == s.last and first != s.last:
        first, second, alpha, beta = second, first, beta, alpha
    if first == second:
        s.after(first)
        first = s.last
    s.after(first)
    keys: dict[str, Any] = {"from": s.back(second)}
    if alpha != 1:
        keys["alpha"] = short(alpha)
    if beta != 1:
        keys["beta"] = short(beta)
    return s.add("shortcut", {**keys, "activation": activation, **(more or {})})


def _add(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    first, second = _both(s, step)
    alpha, beta = step.values["alpha"], step.values["beta"]
    return _shortcut(s, first, second, alpha, beta, activation, more)


def _mul(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    x, y = step.inputs
    if x.shape[:2] == y.shape[:2]:
        first, second = s.at[x], s.at[y]
        if second == s.last:
            first, second = second, first
        s.after(first)
        return s.add("sam", {"from": s.back(second)})
    if x.shape[:2] == (1, 1):
        x, y = y, x
    big = _whole(s, x, Shape(*x.shape[:2], step.shape.channels), x)
    small = _whole(s, y, Shape(1, 1, step.shape.channels), y)
    s.after(small)
    return s.add("scale_channels", {"from": s.back(big)})


def _largest(sign: float) -> Writer:
    """max(x, y) = x + relu(y - x); min(x, y) = x - relu(x - y)."""

    def write(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
        first, second = _both(s, step)
        other = _shortcut(s, second, first, sign, -sign, "relu")
        return _shortcut(s, other, first, sign, 1.0)

    return write


def _unary(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    name, index = step.values["function"], s.at[step.only]
    if name == "square":
        s.after(index)
        return s.add("sam", {"from": s.back(index)})
    if name == "abs":  # relu(x) + relu(-x)
        channels = step.shape.channels
        s.after(index)
        positive = s.add("activation", {"activation": "relu"})
        minus = np.full((1, channels), -1, np.float32)
        s.pointwise(index, minus, channels)
        s.add("activation", {"activation": "relu"})
        return _shortcut(s, s.last, positive, 1.0, 1.0)
    raise Untranslatable(_NAMES.get(name, name.capitalize()))


_NAMES = {
    "positive": "Greater than what it is compared with",
    "rsqrt": "Pow with the exponent -0.5",
    "to uint8": "Cast to uint8 within the network",
    "to integers": "Cast to integers within the network",
}


def _division(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    raise Untranslatable("Div of two values")


WRITERS: dict[str, Writer] = {
    "add": _add,
    "div": _division,
    "max": _largest(1.0),
    "min": _largest(-1.0),
    "mul": _mul,
    "unary": _unary,
}
