"""Rows and columns that are taken: what is cut off, what is added, what is skipped."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable
from zoo.shapes import Shape

__all__ = ["classify"]

Indices = NDArray[Any]

_MODES = ("zero", "edge", "symmetric", "reflect")


class _Line(NamedTuple):
    """What happens along one axis: cut off, then repeat or skip, then add.

    Attributes
    ----------
    cut : tuple of int
        Pixels cut off before and after.
    every : int
        Of how many pixels one is kept.
    times : int
        How often each is repeated.
    added : tuple of int
        Pixels added before and after.
    modes : tuple of str
        Modes of padding that make what was added; all, if nothing was.
    """

    cut: tuple[int, int] = (0, 0)
    every: int = 1
    times: int = 1
    added: tuple[int, int] = (0, 0)
    modes: tuple[str, ...] = _MODES


def classify(draft: Draft) -> None:
    """Replace every step ``index`` by steps trim, pad, conv and resize.

    Raises
    ------
    Untranslatable
        If rows or columns are taken in another order.
    """
    for step in draft:
        if step.kind == "index":
            draft.replace(step, _made(draft, step))


def _made(draft: Draft, step: Step) -> Step:
    x = step.only
    lines = (
        _line(step.values["rows"], x.shape.height),
        _line(step.values["columns"], x.shape.width),
    )
    rows, columns = lines
    cut = (*rows.cut, *columns.cut)
    if any(cut):
        x = _bordered(draft, "trim", x, cut, -1)
    if (rows.every, columns.every) != (1, 1):
        x = _every(draft, x, rows.every, columns.every)
    if rows.times != columns.times:
        raise Untranslatable("rows and columns repeated unequally")
    if rows.times > 1:
        height, width, depth = x.shape
        times = rows.times
        x = draft.add(
            "resize",
            [x],
            Shape(height * times, width * times, depth),
            mode="nearest",
            scale=times,
        )
    shared = [mode for mode in rows.modes if mode in columns.modes]
    if any(rows.added + columns.added):
        if shared:
            added = (*rows.added, *columns.added)
            return _bordered(draft, "pad", x, added, 1, mode=shared[0])
        for added, line in (
            ((*rows.added, 0, 0), rows),
            ((0, 0, *columns.added), columns),
        ):
            x = _bordered(draft, "pad", x, added, 1, mode=line.modes[0])
    return x


def _bordered(
    draft: Draft, kind: str, x: Step, pads: tuple[int, ...], sign: int, **values: Any
) -> Step:
    top, bottom, left, right = pads
    shape = Shape(
        x.shape.height + sign * (top + bottom),
        x.shape.width + sign * (left + right),
        x.shape.channels,
    )
    return draft.add(kind, [x], shape, pads=pads, **values)


def _every(draft: Draft, x: Step, down: int, across: int) -> Step:
    """One of several pixels: a convolution of size 1 with strides."""
    height, width, depth = x.shape
    return draft.add(
        "conv",
        [x],
        Shape(-(-height // down), -(-width // across), depth),
        weights=np.ones((1, 1, 1, depth), np.float32),
        biases=None,
        strides=(down, across),
        dilation=(1, 1),
        pads=(0, 0, 0, 0),
        same=False,
        mode="zero",
        groups=depth,
    )


def _line(indices: Indices, size: int) -> _Line:
    found = _bordered_run(indices, size) or _regular(indices, size)
    if found is None:
        raise Untranslatable("rows or columns in another order")
    return found


def _bordered_run(indices: Indices, size: int) -> _Line | None:
    """Cut off and added at the ends."""
    ends = np.flatnonzero(np.diff(indices) != 1)
    starts = np.concatenate([[0], ends + 1])
    stops = np.concatenate([ends + 1, [len(indices)]])
    lengths = stops - starts
    longest = int(np.argmax(lengths))
    start, stop = int(starts[longest]), int(stops[longest])
    if indices[start] < 0:  # -1, 0, 1: the zero belongs to the border
        start += 1
    first, last = int(indices[start]), int(indices[stop - 1])
    if stop - start < 2:
        return None
    before, after = start, len(indices) - stop
    if not before and not after:
        return _Line((first, size - 1 - last))
    count = stop - start
    modes = []
    for mode in _MODES:
        kind: Any = {"zero": "constant"}.get(mode, mode)
        how = {"constant_values": -1} if mode == "zero" else {}
        if mode == "reflect" and max(before, after) >= count:
            continue
        made = np.pad(np.arange(first, last + 1), (before, after), mode=kind, **how)
        if np.array_equal(made, indices):
            modes.append(mode)
    if not modes:
        return None
    return _Line((first, size - 1 - last), 1, 1, (before, after), tuple(modes))


def _regular(indices: Indices, size: int) -> _Line | None:
    """Every second, third, ... pixel, or each of them repeated."""
    if len(indices) > 1 and indices[0] >= 0:
        step = int(indices[1] - indices[0])
        first = int(indices[0])
        if step > 1 and np.array_equal(indices, first + step * np.arange(len(indices))):
            # What is left over after the last is cut off only if it is a whole step.
            rest = size - first - ((len(indices) - 1) * step + 1)
            return _Line((first, rest if rest >= step else 0), step)
    times = int(np.count_nonzero(indices == indices[0]))
    if times > 1 and len(indices) % times == 0:
        found = _bordered_run(indices[::times], size)
        whole = np.array_equal(np.repeat(indices[::times], times), indices)
        if found is not None and whole and not any(found.added):
            return found._replace(times=times)
    return None
