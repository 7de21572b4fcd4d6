"""One block of memory for all values between the steps of a plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.program.operations import Program
from zoo.program.schedule import Schedule
from zoo.program.strips import Strip

__all__ = ["Arena", "aligned"]

_ALIGNMENT = 16  # floats: 64 bytes, a line of the cache


class Arena:
    """Where each value stands, so that values never alive together share memory.

    Parameters
    ----------
    strip : Strip
    schedule : Schedule

    Attributes
    ----------
    rows : list of int
        Rows that each value keeps; input and output are whole and stand
        elsewhere.
    bytes : int
        Size of the block.
    """

    def __init__(self, strip: Strip, schedule: Schedule) -> None:
        self.strip = strip
        self.program = program = strip.program
        self.rows = [shape.height for shape in program.shapes]
        outside = {0, program.output}
        for value, rows in schedule.rows.items():
            if value not in outside:
                self.rows[value] = max(1, rows)
        self.offsets: dict[int, int] = {}
        lives = _lifetimes(program, schedule)
        placed: list[tuple[int, int, int, int]] = []  # offset, end, born, dies
        sizes = {
            value: self._floats(value)
            for value in {program.place(value).base for value in schedule.rows}
            if value not in outside
        }
        top = 0
        for value in sorted(sizes, key=lambda v: (-sizes[v], v)):
            born, dies = lives.get(value, (0, len(schedule.tasks)))
            offset = _first_gap(placed, sizes[value], born, dies)
            placed.append((offset, offset + sizes[value], born, dies))
            self.offsets[value] = offset
            top = max(top, offset + sizes[value])
        self.floats = top
        self.bytes = 4 * top

    def _floats(self, value: int) -> int:
        """Of a value that stands in no other, all that stands in it included."""
        _, width = self.strip.held(value)
        size = self.rows[value] * width * self.program.shapes[value].channels
        return -(-size // _ALIGNMENT) * _ALIGNMENT

    def pixel(self, value: int) -> int:
        """Floats from pixel to pixel of a value."""
        return self.program.shapes[self.program.place(value).base].channels

    def views(self, block: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Arrays for the values, rows x width x channels, in a block of memory.

        Those of input and output are empty; a run puts its own in place.
        """
        arrays = []
        for value, shape in enumerate(self.program.shapes):
            base, channel = self.program.place(value)
            offset = self.offsets.get(base)
            if offset is None:
                arrays.append(np.empty((0, shape.width, shape.channels), np.float32))
                continue
            before, width = self.strip.held(value)
            whole = self.rows[value], width, self.pixel(value)
            part = block[offset : offset + whole[0] * whole[1] * whole[2]]
            columns = slice(before, before + shape.width)
            channels = slice(channel, channel + shape.channels)
            arrays.append(part.reshape(whole)[:, columns, channels])
        return arrays


def aligned(floats: int) -> NDArray[np.float32]:
    """So many floats, not initialised, that begin at a line of the cache."""
    raw = np.empty(floats + _ALIGNMENT, np.float32)
    start = -(raw.ctypes.data // 4) % _ALIGNMENT
    return raw[start : start + floats]


def _lifetimes(program: Program, schedule: Schedule) -> dict[int, tuple[int, int]]:
    """First and last task at which each value that stands in no other is in use."""
    lives: dict[int, tuple[int, int]] = {}
    positions, first, last = schedule.spans
    for position, begin, end in zip(positions, first, last, strict=True):
        step = program.steps[position]
        for value in (step.output, *step.inputs):
            base = program.place(value).base
            born, dies = lives.get(base, (begin, end))
            lives[base] = (min(born, begin), max(dies, end))
    return lives


def _first_gap(
    placed: list[tuple[int, int, int, int]], size: int, born: int, dies: int
) -> int:
    """The lowest offset that is free during a lifetime."""
    offset = 0
    for start, end, other_born, other_dies in sorted(placed):
        if other_dies < born or dies < other_born:
            continue
        if offset + size <= start:
            break
        offset = max(offset, end)
    return offset
