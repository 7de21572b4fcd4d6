"""Whether a layer sees as much of its input as it says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.layers.base import Layer
from zoo.plugins.base import Kernels
from zoo.shapes import Shape
from zoo.testing.values import random_inputs

__all__ = ["check_window"]

# Beyond every threshold, so that a maximum or a rectifier is seen to move.
_LARGE = np.float32(1e3)


def check_window(layer: Layer, shapes: Sequence[Shape], kernels: Kernels) -> None:
    """Change one row or column of an input and look how far it is seen.

    Parameters
    ----------
    layer : Layer
        Built, with values.
    shapes : sequence of Shape
        Of its inputs; each is changed by itself.
    kernels : Kernels

    Raises
    ------
    AssertionError
        If an output pixel sees more of an input than ``window`` says, or all of them
        see less.
    """
    name = type(layer).__name__
    for axis, window in enumerate(layer.window(), start=1):
        side = ("rows", "columns")[axis - 1]
        for number, shape in enumerate(shapes):
            seen = _seen(layer, shapes, number, axis, kernels)
            widest = max(map(_extent, seen.T), default=0)
            of = f"of input {number}" if number else "of the input"
            assert widest <= np.ceil(window.size), (
                f"{name}: an output pixel sees {widest} {side} {of} and window() says "
                f"{window.size:g}"
            )
            # Of several inputs some may only say a size.
            least = min(np.floor(window.size), shape[axis - 1] / 2)
            assert len(shapes) > 1 or not widest or widest >= least, (
                f"{name}: no output pixel sees more than {widest} {side} of the input "
                f"and window() says {window.size:g}"
            )


def _seen(
    layer: Layer, shapes: Sequence[Shape], number: int, axis: int, kernels: Kernels
) -> NDArray[np.bool_]:
    """Which places along an axis of an input, the rows, each place of the output sees."""
    inputs = random_inputs(shapes, batch=1, seed=5)
    rng = np.random.default_rng(6)
    before = layer.forward(*inputs, kernels=kernels)
    length = inputs[number].shape[axis]
    seen = np.zeros((length, before.shape[axis]), bool)
    others = tuple(other for other in range(4) if other != axis)
    for place in range(length if before.size else 0):
        for _ in range(2):
            changed = inputs[number].copy()
            line = np.moveaxis(changed, axis, 0)[place]
            line += _LARGE * rng.standard_normal(line.shape, np.float32)
            given = [*inputs[:number], changed, *inputs[number + 1 :]]
            after = layer.forward(*given, kernels=kernels)
            differs = (after != before) & ~(np.isnan(after) & np.isnan(before))
            seen[place] |= differs.any(axis=others)
    return seen


def _extent(column: NDArray[np.bool_]) -> int:
    """From the first place that is seen to the last one."""
    places = np.flatnonzero(column)
    return int(places[-1] - places[0]) + 1 if places.size else 0
