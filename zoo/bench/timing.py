"""Durations: how they are taken, and what is said about them.

What is compared is measured in turn (A B C A B C ...), so that a machine that
slows down or is shared slows all of them; only ratios of medians of one such
run mean something.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Stats", "in_turn", "quiet", "seconds_of"]


@dataclass(frozen=True)
class Stats:
    """Durations of one thing, in seconds, in the order in which they were taken.

    Raises
    ------
    ValueError
        If there are none.
    """

    samples: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise ValueError("there are no durations")

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.samples)

    @property
    def fastest(self) -> float:
        """The shortest."""
        return min(self.samples)

    @property
    def slowest(self) -> float:
        """The longest."""
        return max(self.samples)

    @property
    def spread(self) -> float:
        """Noise: from the first to the third quartile, as a part of the median."""
        if len(self.samples) < 2:
            return 0.0
        first, _, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (third - first) / self.median if self.median else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON; seconds, and the spread as a part of the median."""
        return {
            "median": self.median,
            "min": self.fastest,
            "max": self.slowest,
            "spread": self.spread,
            "samples": list(self.samples),
        }


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the garbage collector from running meanwhile."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def seconds_of(function: Callable[[], Any]) -> float:
    """How long one call takes. Its result is dropped after the clock has stopped."""
    start = time.perf_counter()
    result = function()
    stop = time.perf_counter()
    del result
    return stop - start


def in_turn(
    measures: Sequence[Callable[[], float]],
    runs: int,
    after: Callable[[], None] | None = None,
) -> list[Stats]:
    """Call each of several things once, then each again, and so on.

    Parameters
    ----------
    measures : sequence of callable
        Each runs its thing once and returns the seconds that took.
    runs : int
        Times that each is called, at least 1.
    after : callable, optional
        Called after every single run, to show progress.

    Returns
    -------
    list of Stats
        In the order of ``measures``.
    """
    samples: list[list[float]] = [[] for _ in measures]
    with quiet():
        for _ in range(runs):
            for measure, taken in zip(measures, samples, strict=True):
                taken.append(measure())
                if after is not None:
                    after()
    return [Stats(tuple(taken)) for taken in samples]
