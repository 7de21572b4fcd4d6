"""Whole values in one ring, each over the rows of the one before that are read no more.

Where a mean over the whole picture is awaited, values wait for it as a whole. What is
then made of them, row by row, needs no place of its own: the rows that it was made of
are free. In a network of such blocks the same ring holds the values of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zoo.program.program import Program
from zoo.program.schedule import Schedule

__all__ = ["Succession", "successions"]

_MOST = 0.5  # of a value's height: a ring that is longer by more saves little


@dataclass
class Succession:
    """Values of one height and width that follow each other in a ring.

    Attributes
    ----------
    values : list of int
        In the order in which they are made.
    height : int
        Rows of each.
    ahead : int
        Rows by which the ring is longer. Row y of value number n stands at place
        y - n ``ahead`` modulo ``rows``: over row y - ``ahead`` of the one before.
    """

    values: list[int]
    height: int
    ahead: int = 0

    @property
    def rows(self) -> int:
        """Rows of the ring."""
        return self.height + self.ahead

    def shift(self, number: int) -> int:
        """The place of the first row of value ``number`` of the ring."""
        return -number * self.ahead % self.rows


def successions(
    program: Program,
    schedule: Schedule,
    row_floats: Callable[[int], int],
    excluded: Collection[int],
) -> list[Succession]:
    """Find rings for values that are kept whole.

    Parameters
    ----------
    program : Program
    schedule : Schedule
    row_floats : callable
        Floats of a row of a value; only values of equal rows follow each other.
    excluded : collection of int
        Values that stay where they are, beside input, output, and those that share
        their pixels with others.

    Returns
    -------
    list of Succession
        Those of two values or more.
    """
    lives = _Lives(program, schedule)
    heights = [shape.height for shape in program.shapes]
    shared = {place.base for place in program.places.values()} | set(program.places)
    whole = [
        value
        for value, rows in schedule.rows.items()
        if 1 < heights[value] == rows
        and value not in shared
        and value not in excluded
        and value not in (0, program.output)
        and value in lives.born
    ]
    whole.sort(key=lambda value: (lives.born[value][0], value))
    found: list[Succession] = []
    for value in whole:
        best: tuple[int, Succession] | None = None
        for ring in found:
            last = ring.values[-1]
            if (heights[last], row_floats(last)) != (heights[value], row_floats(value)):
                continue
            if len(ring.values) > 1 and not lives.is_over(ring.values[-2], value):
                continue
            ahead = max(ring.ahead, lives.ahead(last, value))
            longer = ahead - ring.ahead
            if ahead <= _MOST * heights[value] and (best is None or longer < best[0]):
                best = longer, ring
        if best is None:
            found.append(Succession([value], heights[value]))
        else:
            best[1].ahead += best[0]
            best[1].values.append(value)
    return [ring for ring in found if len(ring.values) > 1]


class _Lives:
    """The tasks by which rows are made, and the last ones that read them."""

    def __init__(self, program: Program, schedule: Schedule) -> None:
        self.program = program
        self.tasks = schedule.tasks
        order = np.argsort(self.tasks[:, 0], kind="stable")
        bounds = np.searchsorted(
            self.tasks[order, 0], np.arange(len(program.steps) + 1)
        )
        self.at = [order[first:last] for first, last in pairwise(bounds)]
        self.readers = program.consumers()
        self._dead: dict[int, NDArray[np.int64]] = {}
        self.born = {
            step.output: self._born(position)
            for position, step in enumerate(program.steps)
            if self._makes_all(position)
        }

    def _makes_all(self, position: int) -> bool:
        at = self.at[position]
        height = self.program.shapes[self.program.steps[position].output].height
        return (
            len(at) > 0
            and self.tasks[at[0], 1] == 0
            and self.tasks[at[-1], 2] == height
        )

    def _born(self, position: int) -> NDArray[np.int64]:
        """For each row of a step's output, the task that makes it."""
        at = self.at[position]
        return np.repeat(at, self.tasks[at, 2] - self.tasks[at, 1])

    def dead(self, value: int) -> NDArray[np.int64]:
        """For each row of a value, the last task that makes or reads it, or later."""
        if value not in self._dead:
            height = self.program.shapes[value].height
            last = self.born[value].copy()
            for position in self.readers.get(value, ()):
                np.maximum(last, self._last_reads(position, value, height), out=last)
            self._dead[value] = last
        return self._dead[value]

    def _last_reads(self, position: int, value: int, height: int) -> NDArray[np.int64]:
        """The last task of a step that may read each row; -1 where there is none."""
        step, at = self.program.steps[position], self.at[position]
        if not len(at):
            return np.full(height, -1, np.int64)
        if not step.operation.streams:
            return np.full(height, at[-1], np.int64)
        lows = np.full(len(at), height, np.int64)
        for index, read in enumerate(step.inputs):
            if read == value:
                axis, _ = step.operation.axes(index)
                for n, (_, start, stop) in enumerate(self.tasks[at].tolist()):
                    low, high = axis.needs(start, stop, height)
                    if low < high:
                        lows[n] = min(lows[n], low)
        # A later task may begin further up, where borders mirror.
        lows = np.minimum.accumulate(lows[::-1])[::-1]
        tasks = np.append(-1, at)
        return tasks[np.searchsorted(lows, np.arange(height), side="right")]

    def is_over(self, value: int, later: int) -> bool:
        """Whether nobody reads a value any more when another one begins."""
        return bool(self.dead(value).max() < self.born[later][0])

    def ahead(self, value: int, later: int) -> int:
        """By how many rows another value must stand further up to follow a value.

        Its height where nothing less does.
        """
        dead, born = np.maximum.accumulate(self.dead(value)), self.born[later]
        # Rows of the value that are free when each row of the other one is made.
        free = np.searchsorted(dead, born, side="left")
        return max(0, int((np.arange(1, len(born) + 1) - free).max()))
