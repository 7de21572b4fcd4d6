"""Strips of columns: a program for a part of the picture's width.

A strip is a program of its own, with narrower values, and with padding only
where the picture really ends. What it computes for a pixel is to the bit what
the whole program computes: tiles of an algorithm stay where they were.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from zoo.program.geometry import Padding
from zoo.program.operations import Attend, Axis, Conv, Operation, Pad, Pool, Resize
from zoo.program.program import Program, Step

__all__ = ["Strip", "cut", "whole"]


@dataclass(frozen=True)
class Strip:
    """One strip.

    Attributes
    ----------
    program : Program
        Values are as wide as the strip needs them.
    columns : tuple of (int, int)
        For each value, which columns of the whole value it holds.
    skips, widths : tuple of tuple of int
        For each step and input: how many columns of the input's value come
        before those that the step sees, and how many it sees.
    """

    program: Program
    columns: tuple[tuple[int, int], ...]
    skips: tuple[tuple[int, ...], ...]
    widths: tuple[tuple[int, ...], ...]

    @property
    def form(self) -> tuple[object, ...]:
        """What strips have in common that differ only in where they stand."""
        paddings = tuple(
            step.operation.padding
            if isinstance(step.operation, Pad)
            else step.operation.geometry.padding
            for step in self.program.steps
            if isinstance(step.operation, (Conv, Pad, Pool))
        )
        origins = tuple(
            step.operation.origin
            for step in self.program.steps
            if isinstance(step.operation, (Attend, Resize))
        )
        joined = tuple(
            (value, *self.held(value)) for value in sorted(self.program.places)
        )
        places = tuple(self.program.shapes), self.skips, self.widths
        return *places, paddings, origins, joined

    def held(self, value: int) -> tuple[int, int]:
        """Columns before a value's first in what it stands in, and all of that."""
        first, last = self.columns[value]
        low, high = self._joined.get(self.program.place(value).base, (first, last))
        return first - low, high - low

    @cached_property
    def _joined(self) -> dict[int, tuple[int, int]]:
        """The columns that values need in which others stand."""
        found: dict[int, tuple[int, int]] = {}
        for value, place in self.program.places.items():
            first, last = self.columns[value]
            if last > first:
                low, high = found.get(place.base, (first, last))
                found[place.base] = min(low, first), max(high, last)
        return found


def whole(program: Program) -> Strip:
    """A strip that is the whole picture."""
    return Strip(
        program,
        tuple((0, shape.width) for shape in program.shapes),
        tuple((0,) * len(step.inputs) for step in program.steps),
        tuple(
            tuple(program.shapes[value].width for value in step.inputs)
            for step in program.steps
        ),
    )


def cut(
    program: Program, start: int, stop: int, unit: Callable[[int], int] | None = None
) -> Strip | None:
    """The program of columns [start, stop) of the output.

    Parameters
    ----------
    program : Program
    start, stop : int
    unit : callable, optional
        Gives, for the position of a step, a number of columns: what the step
        computes begins and ends at multiples of it, or at the picture's edge.

    Returns
    -------
    Strip or None
        None where a strip cannot be cut out: a step needs whole images, or the
        strip is so narrow that mirrored borders reach beyond it.
    """
    columns: dict[int, tuple[int, int]] = {program.output: (start, stop)}
    seen: list[list[tuple[int, int]]] = [[] for _ in program.steps]
    for position in reversed(range(len(program.steps))):
        step = program.steps[position]
        if not step.operation.streams:
            return None
        axes = [step.operation.axes(n)[1] for n in range(len(step.inputs))]
        multiple = math.lcm(
            unit(position) if unit is not None else 1, *(axis.scale for axis in axes)
        )
        low, high = columns.get(step.output, (0, 0))
        if high <= low:
            return None
        width = program.shapes[step.output].width
        low = low // multiple * multiple
        high = min(-(-high // multiple) * multiple, width)
        columns[step.output] = low, high
        for axis, value in zip(axes, step.inputs, strict=True):
            part = axis.needs(low, high, program.shapes[value].width)
            if part[1] <= part[0]:
                return None
            seen[position].append(part)
            for each in {value, *program.made_of(value)}:
                known = columns.get(each, part)
                columns[each] = min(known[0], part[0]), max(known[1], part[1])
    steps = []
    for position, step in enumerate(program.steps):
        operation = _adapted(
            step.operation, columns[step.output], seen[position], program, step
        )
        if operation is None:
            return None
        steps.append(replace(step, operation=operation))
    for value, parts in program.parts.items():
        columns.setdefault(value, columns[parts[0]])  # nobody reads it but in parts
    held = [columns.get(value, (0, 0)) for value in range(len(program.shapes))]
    shapes = [
        shape._replace(width=last - first)
        for shape, (first, last) in zip(program.shapes, held, strict=True)
    ]
    return Strip(
        replace(program, shapes=shapes, steps=steps),
        tuple(held),
        tuple(
            tuple(
                first - columns[value][0]
                for (first, _), value in zip(parts, step.inputs, strict=True)
            )
            for parts, step in zip(seen, program.steps, strict=True)
        ),
        tuple(tuple(last - first for first, last in parts) for parts in seen),
    )


def _adapted(
    operation: Operation,
    output: tuple[int, int],
    parts: list[tuple[int, int]],
    program: Program,
    step: Step,
) -> Operation | None:
    """The operation with padding only where the picture ends."""
    if isinstance(operation, (Attend, Resize)):
        return replace(operation, origin=(parts[0][0], output[0]))
    if not isinstance(operation, (Conv, Pad, Pool)):
        return operation
    axis = operation.axes(0)[1]
    left, right = _overhang(axis, output, parts[0])
    if left < 0 or right < 0:
        return None
    if isinstance(operation, Pad):
        padding = operation.padding._replace(left=left, right=right)
        return replace(operation, padding=padding)
    top, bottom, _, _ = operation.geometry.padding
    padding = Padding(top, bottom, left, right)
    if isinstance(operation, Pool):
        return replace(operation, geometry=operation.geometry._replace(padding=padding))
    return replace(operation, geometry=operation.geometry._replace(padding=padding))


def _overhang(
    axis: Axis, output: tuple[int, int], part: tuple[int, int]
) -> tuple[int, int]:
    """How far the windows of an output range reach beyond a part of the input."""
    first = output[0] // axis.scale * axis.stride - axis.before
    last = (output[1] - 1) // axis.scale * axis.stride - axis.before
    end = last + (axis.size - 1) * axis.dilation + 1
    return part[0] - first, end - part[1]
