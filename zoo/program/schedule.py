"""Which rows of which value are computed when, and how many are kept.

A program is worked off in bands of rows, from the top of the picture to the
bottom. For each band of the output, every operation computes just the rows that
are needed and not yet there. A value keeps, in a ring, the rows that somebody
will still read; nothing is computed twice. What is computed for a pixel does
not depend on the bands, so any choice of them gives the same picture.

Operations that must see a whole image (``streams`` is False) make everything
that they read, and their output, whole.

Very wide pictures are worked off in strips of columns as well, one after the
other; there the columns at the inner edges that both strips need are computed
twice, which again changes no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.program.operations import Axis
from zoo.program.program import Program

__all__ = ["Schedule", "Task", "most_rows", "plan_bands"]

_PERIODS = (1, 2, 3, 4, 6, 8, 12, 16, 24)  # bands after which the work may repeat

Alignment = Callable[[int], int]
"""Rows that an operation (by position in the program) computes at a time."""


class Task(NamedTuple):
    """Rows [start, stop) of the output of the step at ``position``."""

    position: int
    start: int
    stop: int


@dataclass(frozen=True)
class Schedule:
    """The tasks in order, and what each value keeps.

    Attributes
    ----------
    tasks : array of int64
        A row for each :class:`Task`: the step's position, start and stop.
    rows : dict of int to int
        For each value but the input, how many rows its ring holds.
    read : tuple of int
        First and last + 1 row of the input that is needed.
    """

    tasks: NDArray[np.int64]
    rows: dict[int, int]
    read: tuple[int, int]

    @cached_property
    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the steps that have tasks, and the first and last of each."""
        order = self.tasks[:, 0]
        positions, first = np.unique(order, return_index=True)
        last = len(order) - 1 - np.unique(order[::-1], return_index=True)[1]
        return positions, first, last


def plan_bands(
    program: Program,
    band: int,
    align: Alignment | None = None,
    rows: tuple[int, int] | None = None,
) -> Schedule:
    """Work out a schedule.

    Parameters
    ----------
    program : Program
    band : int
        Rows of the output computed at a time; the output's height computes each
        value whole.
    align : callable, optional
        Gives, for the position of a step, a number of rows: each task of that
        step starts at a multiple of it (the tiles of a Winograd convolution).
    rows : tuple of int, optional
        First and last + 1 of the output that are computed, of a program that streams
        throughout; by default all.
    """
    start, total = rows or (0, program.shapes[program.output].height)
    planner = _Planner(program, band, align)
    if rows is not None:
        planner.begin_at(start, total)
    repeats = _Repeats(planner, start, total)
    end = start
    while end < total:
        end = min(end + max(1, band), total)
        planner.add_band(end)
        end = repeats.skip(end)
    schedule = Schedule(repeats.tasks(), planner.whole_groups(), planner.read)
    _check_rings(program, schedule)
    return schedule


def _check_rings(program: Program, schedule: Schedule) -> None:
    """Raise AssertionError where a task makes more rows than the value's ring holds."""
    for position, rows in enumerate(most_rows(schedule, len(program.steps))):
        value = program.steps[position].output
        held = schedule.rows[value]
        if value != program.output and rows > max(1, held):
            raise AssertionError(
                f"step {position} makes {rows} rows at once and its ring holds {held}"
            )


def most_rows(schedule: Schedule, steps: int) -> list[int]:
    """The most rows that one task of each step computes; 1 where there is none."""
    most = np.ones(steps, np.int64)
    position, start, stop = schedule.tasks.T
    np.maximum.at(most, position, stop - start)
    return [int(rows) for rows in most]


class _Read(NamedTuple):
    """One input of one step; ``rows`` is None where the step needs all of it."""

    position: int
    value: int
    rows: Axis | None


class _Repeats:
    """Finds the bands of a tall picture that repeat, so as not to work them out.

    In the middle of a picture the tasks of a band are those of the band before, so
    many rows further down. Where two stretches of bands in a row have been alike,
    the following ones are, up to where some step comes near the last row.
    """

    def __init__(self, planner: _Planner, start: int, stop: int) -> None:
        self.planner = planner
        self.stop = stop
        self.ends = [start]
        self.states = [planner.done.copy()]
        self.begins = [0]  # of the bands' tasks
        self.parts: list[NDArray[np.int64]] = []
        self.possible = all(step.operation.streams for step in planner.steps)

    def tasks(self) -> NDArray[np.int64]:
        """All tasks so far."""
        self._collect()
        if not self.parts:
            return np.empty((0, 3), np.int64)
        return np.concatenate(self.parts)

    def skip(self, end: int) -> int:
        """Add the bands that are known after the one up to row ``end``.

        Returns the row up to which the output is then scheduled.
        """
        if not self.possible:
            return end
        self.ends.append(end)
        self.states.append(self.planner.done.copy())
        self.begins.append(len(self.planner.tasks))
        for period in _PERIODS:
            if 2 * period < len(self.ends) and (moved := self._moved(period)):
                count = self._room(moved, end)
                if count > 0:
                    self.possible = False  # once; what is left is the last rows
                    return self._add(period, moved, count, end)
        if len(self.ends) > 8 * _PERIODS[-1]:
            self.possible = False
        return end

    def _moved(self, period: int) -> dict[int, int] | None:
        """How far each value moved in the last period, if it did so twice alike."""
        planner, states = self.planner, self.states
        now, before, first = states[-1], states[-1 - period], states[-1 - 2 * period]
        moved = {value: now[value] - before[value] for value in now if value}
        if self.ends[-1] - self.ends[-1 - period] != moved[planner.program.output]:
            return None
        for value, rows in moved.items():
            if rows <= 0 or before[value] - first[value] != rows:
                return None
        for position, reads in enumerate(planner.reads):
            rows = moved[planner.steps[position].output]
            if rows % planner.units[position]:
                return None
            for read in reads:
                assert read.rows is not None
                if not read.rows.regular:
                    return None
                begun = first[planner.steps[position].output] // read.rows.scale
                if rows % read.rows.scale:
                    return None
                if begun * read.rows.stride < read.rows.before:
                    return None  # at the top fewer rows are kept
                reached = rows // read.rows.scale * read.rows.stride
                # The input does not move; its readers must agree how they do.
                if moved.setdefault(read.value, reached) != reached:
                    return None
        half, full = self.begins[-1 - period], self.begins[-1]
        last = planner.tasks[half:full]
        previous = planner.tasks[self.begins[-1 - 2 * period] : half]
        shifts = [moved[planner.steps[task.position].output] for task in last]
        alike = len(last) == len(previous) and all(
            (a.position, a.start, a.stop) == (b.position, b.start + by, b.stop + by)
            for a, b, by in zip(last, previous, shifts, strict=True)
        )
        return moved if alike else None

    def _room(self, moved: dict[int, int], end: int) -> int:
        """Periods that fit before any step's work comes near the last row."""
        planner = self.planner
        reached = planner.needed(end)
        for value, rows in planner.done.items():
            if value:  # the input is there as a whole
                reached[value] = max(reached[value], rows)
        return min(
            (self.stop - end) // moved[planner.program.output],
            *(
                (planner.heights[value] - 1 - reached[value]) // rows
                for value, rows in moved.items()
            ),
        )

    def _add(self, period: int, moved: dict[int, int], count: int, end: int) -> int:
        planner = self.planner
        last = np.array(planner.tasks[self.begins[-1 - period] :], np.int64)
        self._collect()
        by = np.array([moved[step.output] for step in planner.steps])[last[:, 0]]
        for n in range(1, count + 1):
            more = last.copy()
            more[:, 1:] += (n * by)[:, None]
            self.parts.append(more)
        for value in planner.done:
            if value:
                planner.done[value] += count * moved[value]
        return end + count * moved[planner.program.output]

    def _collect(self) -> None:
        """Move the planner's tasks here."""
        if self.planner.tasks:
            self.parts.append(np.array(self.planner.tasks, np.int64))
            self.planner.tasks.clear()


class _Planner:
    """Simulates the run: what is done, what is still needed, what is kept."""

    def __init__(self, program: Program, band: int, align: Alignment | None) -> None:
        self.program = program
        self.band = band
        self.steps = program.steps
        self.heights = [shape.height for shape in program.shapes]
        self.units = [
            align(position) if align is not None else 1
            for position in range(len(self.steps))
        ]
        self.reads = [
            [
                _Read(
                    position,
                    part,
                    step.operation.axes(index)[0] if step.operation.streams else None,
                )
                for index, value in enumerate(step.inputs)
                for part in program.made_of(value)
            ]
            for position, step in enumerate(self.steps)
        ]
        self.readers: dict[int, list[_Read]] = {}
        for reads in self.reads:
            for read in reads:
                self.readers.setdefault(read.value, []).append(read)
        self.waiting: dict[int, set[int]] = {
            value: {read.position for read in reads}
            for value, reads in self.readers.items()
        }
        for position, step in enumerate(self.steps):
            if step.after is not None:
                self.waiting.setdefault(step.after, set()).add(position)
        self.unfinished = list(range(len(self.steps)))
        self.done = {0: self.heights[0]} | {step.output: 0 for step in self.steps}
        self.kept = {step.output: 0 for step in self.steps}
        self.tasks: list[Task] = []
        self.read = 0, self.heights[0]

    def begin_at(self, start: int, stop: int) -> None:
        """Take the rows for done that output rows [start, stop) do not need."""
        needed = self.needed(stop)
        first = dict(needed) | {self.program.output: start}
        for position in reversed(range(len(self.steps))):
            value, unit = self.steps[position].output, self.units[position]
            first[value] = first[value] // unit * unit
            rows = min(-(-needed[value] // unit) * unit, self.heights[value])
            for read in self.reads[position]:
                assert read.rows is not None
                low, _ = read.rows.needs(first[value], rows, self.heights[read.value])
                if first[value] < rows:
                    first[read.value] = min(first[read.value], low)
        self.done = {value: first[value] for value in self.done}
        self.done[0] = self.heights[0]
        self.read = first[0], needed[0]

    def add_band(self, end: int) -> None:
        """Schedule what the output's first ``end`` rows need.

        Round after round, every step advances by at most one band, so that at
        the start too, when early steps must run far ahead, values are read soon
        after they are made and rings stay small.
        """
        self.unfinished = [
            position
            for position in self.unfinished
            if self.done[self.steps[position].output]
            < self.heights[self.steps[position].output]
        ]
        needed = self.needed(end, self.unfinished)
        tried = self.unfinished
        while self.done[self.program.output] < end:
            tried = self._round(needed, tried)

    def _round(self, needed: dict[int, int], tried: list[int]) -> list[int]:
        """Let steps advance, those in ``tried`` and those that read what was made.

        Returns those that did: no other can go on by itself in the next round.
        """
        advanced = []
        queued = set(tried)
        tried = tried.copy()  # in order, and so a heap
        while tried:
            position = heappop(tried)
            value = self.steps[position].output
            begun = self.done[value]
            if needed[value] <= begun:
                continue
            stop = self._reachable(position, needed[value])
            if stop <= begun:
                continue
            self.tasks.append(Task(position, begun, stop))
            advanced.append(position)
            self.done[value] = stop
            # Where strides exceed windows, rows are made that nobody reads. They too
            # need a place of their own: threads make a task's rows in any order.
            first = min(begun, self._first_needed(value))
            self.kept[value] = max(self.kept[value], stop - first)
            for reader in self.waiting.get(value, ()):
                if reader not in queued:
                    queued.add(reader)
                    heappush(tried, reader)
        return advanced

    def _reachable(self, position: int, wanted: int) -> int:
        """Up to which row a step can go now: its inputs' rows, one band, its unit."""
        step = self.steps[position]
        height, unit = self.heights[step.output], self.units[position]
        begun = self.done[step.output]
        if step.after is not None and self.done[step.after] < self.heights[step.after]:
            return begun
        if not step.operation.streams:
            whole = all(
                self.done[read.value] == self.heights[read.value]
                for read in self.reads[position]
            )
            return height if whole and wanted > begun else begun
        advance = -(-self._band_of(step.output) // unit) * unit
        stop = min(wanted, begun + advance)
        for read in self.reads[position]:
            stop = self._supported(read, stop)
        return stop if stop >= height else max(begun, stop // unit * unit)

    def _band_of(self, value: int) -> int:
        """The band in rows of a value that is smaller or larger than the output."""
        total = self.heights[self.program.output]
        return max(1, self.band * self.heights[value] // total)

    def _supported(self, read: _Read, stop: int) -> int:
        """The largest row up to ``stop`` for which an input has all it takes."""
        available, height = self.done[read.value], self.heights[read.value]
        axis = read.rows
        if axis is None or available == height or stop <= 0:
            return stop
        return axis.supported(available, stop, height)

    def needed(
        self, end: int, positions: Sequence[int] | None = None
    ) -> dict[int, int]:
        """For every value, how many of its first rows the first ``end`` need.

        By the steps at ``positions``, in order; by default all.
        """
        needed = dict.fromkeys(self.done, 0)
        needed[self.program.output] = end
        if positions is None:
            positions = range(len(self.steps))
        for position in reversed(positions):
            value = self.steps[position].output
            rows = needed[value]
            if rows == 0:
                continue
            unit = self.units[position]
            rows = min(-(-rows // unit) * unit, self.heights[value])
            if not self.steps[position].operation.streams:
                rows = self.heights[value]
            needed[value] = rows
            for read in self.reads[position]:
                height = self.heights[read.value]
                # From row 0: where borders mirror, a row reaches below itself.
                reach = read.rows.needs(0, rows, height)[1] if read.rows else height
                needed[read.value] = max(needed[read.value], reach)
        return needed

    def whole_groups(self) -> dict[int, int]:
        """What is kept, in whole groups of rows that a step makes of one row."""
        kept = self.kept.copy()
        for step in self.steps:
            if step.operation.streams:
                scale = step.operation.axes(0)[0].scale
                rows = -(-kept[step.output] // scale) * scale
                kept[step.output] = min(rows, self.heights[step.output])
        # What stands in one value is kept in one ring.
        for values in self.program.joined().values():
            most = max(kept.get(value, 0) for value in values)
            kept.update(dict.fromkeys(values, most))
        return kept

    def _first_needed(self, value: int) -> int:
        """The first row of a value that some step has yet to read."""
        first = self.done[value]
        for read in self.readers.get(value, ()):
            output = self.steps[read.position].output
            begun, height = self.done[output], self.heights[output]
            if begun < height:
                low = (
                    read.rows.needs(begun, height, self.heights[value])[0]
                    if read.rows
                    else 0
                )
                first = min(first, low)
        return first
