"""One block of memory for all values between the steps of a plan."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.program.operations import Program
from zoo.program.schedule import Schedule

__all__ = ["Arena", "aligned"]

_ALIGNMENT = 16  # floats: 64 bytes, a line of the cache


class Arena:
    """Where each value stands, so that values never alive together share memory.

    Parameters
    ----------
    program : Program
    schedule : Schedule

    Attributes
    ----------
    rows : list of int
        Rows that each value keeps; input and output are whole and stand
        elsewhere.
    bytes : int
        Size of the block.
    """

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self.program = program
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
            for value in schedule.rows
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
        shape = self.program.shapes[value]
        size = self.rows[value] * shape.width * shape.channels
        return -(-size // _ALIGNMENT) * _ALIGNMENT

    def views(self, block: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Arrays for the values, rows x width x channels, in a block of memory.

        Those of input and output are empty; a run puts its own in place.
        """
        arrays = []
        for value, shape in enumerate(self.program.shapes):
            offset = self.offsets.get(value)
            if offset is None:
                arrays.append(np.empty((0, shape.width, shape.channels), np.float32))
                continue
            size = self.rows[value] * shape.width * shape.channels
            part = block[offset : offset + size]
            arrays.append(part.reshape(self.rows[value], shape.width, shape.channels))
        return arrays


def aligned(floats: int) -> NDArray[np.float32]:
    """So many floats, not initialised, that begin at a line of the cache."""
    raw = np.empty(floats + _ALIGNMENT, np.float32)
    start = -(raw.ctypes.data // 4) % _ALIGNMENT
    return raw[start : start + floats]


def _lifetimes(program: Program, schedule: Schedule) -> dict[int, tuple[int, int]]:
    """First and last task at which each value is in use."""
    lives: dict[int, tuple[int, int]] = {}
    positions, first, last = schedule.spans
    for position, begin, end in zip(positions, first, last, strict=True):
        step = program.steps[position]
        for value in (step.output, *step.inputs):
            born, dies = lives.get(value, (begin, end))
            lives[value] = (min(born, begin), max(dies, end))
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
