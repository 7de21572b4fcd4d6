"""PSNR, SSIM and other metrics of a model on a folder of pictures.

The protocol is that of the literature (:mod:`zoo.metrics.benchmark`): luma,
border of the scale, 8-bit rounding, mean over pictures; low resolution by
MATLAB's bicubic unless the folder brings its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ShapeError, ZooError
from zoo.evaluate.datasets import GENERATED, PictureSet
from zoo.evaluate.pairs import Pair, degraded, read_pair
from zoo.evaluate.presets import PROTOCOLS, Protocol
from zoo.evaluate.volumes import is_volume, slice_pairs
from zoo.evaluate.whole import Volumes, measured
from zoo.metrics.arrays import is_of_volumes
from zoo.registry import registry

__all__ = [
    "METRICS",
    "Score",
    "Scores",
    "cases_in",
    "evaluate",
    "scored",
]

METRICS = ("psnr", "ssim")
"""What the literature reports."""

Enlarge = Callable[[Pair], NDArray[Any]]
"""Makes the large picture of a pair of the small one."""


@dataclass(frozen=True)
class Score:
    """One picture's result, by the name of the metric: psnr in dB, ssim up to 1."""

    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Scores:
    """Results of a folder, and how they were measured."""

    scale: int
    low_resolution: str
    scores: tuple[Score, ...]
    how: Protocol = PROTOCOLS["benchmark"]
    volumes: tuple[Score, ...] = ()
    """Results of metrics that compare whole volumes."""
    empty: Mapping[str, int] = field(default_factory=dict)
    """How many slices of each volume were left out because they are empty."""

    @property
    def all(self) -> tuple[Score, ...]:
        """Of pictures and slices, then of volumes."""
        return self.scores + self.volumes

    @property
    def means(self) -> dict[str, float]:
        """Mean over the pictures, or volumes, of every metric, if they have it."""
        names = dict.fromkeys(name for score in self.all for name in score.values)
        return {
            name: math.fsum(values) / len(values)
            for name in names
            if (values := [s.values[name] for s in self.all if name in s.values])
        }

    @property
    def psnr(self) -> float:
        """Mean PSNR in dB, if it was measured."""
        return self.means["psnr"]

    @property
    def ssim(self) -> float:
        """Mean SSIM, if it was measured."""
        return self.means["ssim"]

    @property
    def protocol(self) -> str:
        """How it was measured, in a line."""
        line = f"{self.how.describe(self.scale)}, low resolution: {self.low_resolution}"
        count = sum(self.empty.values())
        return f"{line}; {count} empty slices left out" if count else line


LeaveOut = Callable[[str, ZooError], None]
"""Told the name of a picture that does not count, and why."""


def cases_in(
    pictures: PictureSet,
    scale: int,
    leave_out: LeaveOut | None = None,
    empty: Counter[str] | None = None,
) -> Iterator[Pair]:
    """The pairs of a set, one by one.

    Parameters
    ----------
    pictures : PictureSet
    scale : int
    leave_out : callable, optional
        Told of a picture that cannot be read, or fits no small picture, and the
        others follow; without it the iterator ends with the error.
    empty : Counter, optional
        Where slices of each volume are counted that are left out as empty.
    """
    counts: Counter[str] = Counter() if empty is None else empty

    def count(volume: str, number: int) -> None:
        counts[volume] += 1

    for path, small, name in zip(
        pictures.high, pictures.low, pictures.names, strict=True
    ):
        try:
            if is_volume(path):
                slices = slice_pairs(
                    path,
                    scale,
                    name=name,
                    plane=pictures.plane,
                    mask=pictures.mask,
                    empty=count,
                )
                yield from (degraded(of, pictures.degradation) for of in slices)
                continue
            case = read_pair(name, path, small, scale)
            case = degraded(case, pictures.degradation)
        except ZooError as error:
            if leave_out is None:
                raise
            leave_out(name, error)
        else:
            yield case


def evaluate(
    enlarge: Enlarge,
    cases: Iterable[Pair],
    scale: int,
    origin: str = GENERATED,
    report: Callable[[Score], None] | None = None,
    metrics: Sequence[str] = METRICS,
    leave_out: LeaveOut | None = None,
    how: Protocol = PROTOCOLS["benchmark"],
) -> Scores:
    """Enlarge every small picture and compare it with the large one.

    Parameters
    ----------
    enlarge : callable
        Makes sH x sW x 3 of the small picture of a pair; an
        :class:`zoo.evaluate.entrants.Entrant`, say.
    cases : iterable of Pair
    scale : int
    origin : str
        Where the small pictures come from, for the record.
    report : callable, optional
        Told of each score as it comes.
    metrics : sequence of str
        What to measure, by names of the registry ``zoo.metrics``.
    leave_out : callable, optional
        Told of a picture that is too small or does not fit, and the others follow;
        without it the error is raised.
    how : Protocol
        What of the pictures is compared.

    Raises
    ------
    PluginError
        If there is no such metric, or one fails.
    ShapeError
        If a picture is too small for the border, a metric or the network.
    ImageError
        If no picture is left.
    """
    found = scored(enlarge, cases, scale, origin, report, metrics, leave_out, how)
    if not found.scores:
        raise ImageError("there is no picture that could be measured")
    return found


def scored(
    enlarge: Enlarge,
    cases: Iterable[Pair],
    scale: int,
    origin: str = GENERATED,
    report: Callable[[Score], None] | None = None,
    metrics: Sequence[str] = METRICS,
    leave_out: LeaveOut | None = None,
    how: Protocol = PROTOCOLS["benchmark"],
) -> Scores:
    """What :func:`evaluate` does, where it may be that no picture is left."""
    every = {name: registry("zoo.metrics").load(name) for name in metrics}
    functions = {n: f for n, f in every.items() if not is_of_volumes(f)}
    whole = Volumes({n: f for n, f in every.items() if is_of_volumes(f)}, leave_out)
    scores = []
    for case in cases:
        try:
            made = enlarge(case)
            result, truth = how.planes(made, case.high, case.white, scale)
            whole.add(case, result, truth)
            values = {
                name: measured(name, function, result, truth, case.name)
                for name, function in functions.items()
            }
            if case.mask is not None and case.mask.any():
                values |= _masked(result, truth, case.mask, how.border(scale))
        except ShapeError as error:
            named = ShapeError(f"picture {case.name!r}: {error}")
            if leave_out is None:
                raise named from error
            leave_out(case.name, named)
            continue
        score = Score(case.name, values)
        scores.append(score)
        if report is not None:
            report(score)
    of_volumes = tuple(Score(*item) for item in whole.finished())
    return Scores(scale, origin, tuple(scores), how, of_volumes)


def _masked(
    result: NDArray[Any], truth: NDArray[Any], mask: NDArray[np.bool_], border: int
) -> dict[str, float]:
    """PSNR of what a mask holds alone, and with zeros around it counted as right.

    The two differ by several decibels: 10 log10 of the mask's share of the slice.
    """
    inside = slice(border, -border or None)
    shown = mask[inside, inside]
    if not shown.any():
        return {}
    error = float(np.mean(np.square((result - truth)[shown])))
    share = float(shown.mean())
    found = {"psnr_in_mask": error, "psnr_zeros_outside": error * share}
    return {
        name: 10 * math.log10(255**2 / mse) if mse else math.inf
        for name, mse in found.items()
    }
