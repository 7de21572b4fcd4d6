"""One block of memory for all values between the steps of a plan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.program.operations import Conv, Opaque
from zoo.program.program import Program
from zoo.program.schedule import Schedule
from zoo.program.strips import Strip
from zoo.program.succession import successions

__all__ = ["Arena", "aligned"]

_ALIGNMENT = 16  # floats: 64 bytes, a line of the cache


class _Block(NamedTuple):
    """What values take that stand in one place, from its first task to its last."""

    values: list[int]
    floats: int
    born: int
    dies: int


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
    shifts : list of int
        The place of each value's first row in its ring.
    bytes : int
        Size of the block.
    """

    def __init__(self, strip: Strip, schedule: Schedule) -> None:
        self.strip = strip
        self.program = program = strip.program
        self.rows = [shape.height for shape in program.shapes]
        self.shifts = [0] * len(program.shapes)
        outside = {0, program.output}
        for value, rows in schedule.rows.items():
            if value not in outside:
                self.rows[value] = max(1, rows)
        lives = _lifetimes(program, schedule)
        ever = 0, len(schedule.tasks)
        blocks = [
            _Block([value], self._floats(value), *lives.get(value, ever))
            for value in {program.place(value).base for value in schedule.rows}
            if value not in outside
        ]
        self.floats, self.offsets = _packed(blocks)
        self._share_rings(schedule, blocks)
        self.bytes = 4 * self.floats

    def _share_rings(self, schedule: Schedule, blocks: list[_Block]) -> None:
        """Let whole values follow each other in a ring, where that takes less."""
        rings = successions(
            *(self.program, schedule, self._row_floats, self._unshifted())
        )
        rest = {block.values[0]: block for block in blocks}
        joint = []
        for ring in rings:
            some = [rest.pop(value) for value in ring.values]
            floats = _rounded_up(ring.rows * self._row_floats(ring.values[0]))
            born, dies = min(b.born for b in some), max(b.dies for b in some)
            joint.append(_Block(ring.values, floats, born, dies))
        floats, offsets = _packed([*rest.values(), *joint])
        if floats >= self.floats:
            return
        self.floats, self.offsets = floats, offsets
        for ring in rings:
            for number, value in enumerate(ring.values):
                self.rows[value] = ring.rows
                self.shifts[value] = ring.shift(number)

    def _unshifted(self) -> set[int]:
        """Values whose rows must stand in order: somebody takes them for an array."""
        found: set[int] = set()
        for step in self.program.steps:
            if isinstance(step.operation, Opaque):
                found.update((step.output, *step.inputs))
            elif isinstance(step.operation, Conv) and step.operation.shuffle > 1:
                found.add(step.output)
        return found

    def _row_floats(self, value: int) -> int:
        _, width = self.strip.held(value)
        return width * self.program.shapes[value].channels

    def _floats(self, value: int) -> int:
        """Of a value that stands in no other, all that stands in it included."""
        return _rounded_up(self.rows[value] * self._row_floats(value))

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


def _rounded_up(floats: int) -> int:
    return -(-floats // _ALIGNMENT) * _ALIGNMENT


def _packed(blocks: list[_Block]) -> tuple[int, dict[int, int]]:
    """Floats that blocks take, and where each value begins; the largest come first."""
    placed: list[tuple[int, int, int, int]] = []  # offset, end, born, dies
    offsets: dict[int, int] = {}
    top = 0
    for block in sorted(blocks, key=lambda b: (-b.floats, b.values[0])):
        offset = _first_gap(placed, block.floats, block.born, block.dies)
        end = offset + block.floats
        placed.append((offset, end, block.born, block.dies))
        offsets.update(dict.fromkeys(block.values, offset))
        top = max(top, end)
    return top, offsets


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
