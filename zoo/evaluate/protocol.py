"""PSNR, SSIM and other metrics of a model on a folder of pictures.

The protocol is that of the literature (:mod:`zoo.metrics.benchmark`): luma,
border of the scale, 8-bit rounding, mean over pictures; low resolution by
MATLAB's bicubic unless the folder brings its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from zoo.errors import ImageError, PluginError, ShapeError, ZooError
from zoo.evaluate.datasets import GENERATED, PictureSet
from zoo.evaluate.pairs import Pair, degraded, read_pair
from zoo.evaluate.presets import PROTOCOLS, Protocol
from zoo.evaluate.volumes import is_volume, slice_pairs
from zoo.metrics.psnr import psnr
from zoo.registry import distribution_of, registry

__all__ = [
    "METRICS",
    "Score",
    "Scores",
    "cases_in",
    "evaluate",
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

    @property
    def means(self) -> dict[str, float]:
        """Mean over the pictures of every metric, as far as they have it."""
        names = dict.fromkeys(name for score in self.scores for name in score.values)
        return {
            name: math.fsum(values) / len(values)
            for name in names
            if (values := [s.values[name] for s in self.scores if name in s.values])
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
        return f"{self.how.describe(self.scale)}, low resolution: {self.low_resolution}"


LeaveOut = Callable[[str, ZooError], None]
"""Told the name of a picture that does not count, and why."""


def cases_in(
    pictures: PictureSet, scale: int, leave_out: LeaveOut | None = None
) -> Iterator[Pair]:
    """The pairs of a set, one by one.

    Parameters
    ----------
    pictures : PictureSet
    scale : int
    leave_out : callable, optional
        Told of a picture that cannot be read, or fits no small picture, and the
        others follow; without it the iterator ends with the error.
    """
    for path, small, name in zip(
        pictures.high, pictures.low, pictures.names, strict=True
    ):
        try:
            if is_volume(path):
                slices = slice_pairs(
                    path, scale, plane=pictures.plane, mask=pictures.mask
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
    functions = {name: registry("zoo.metrics").load(name) for name in metrics}
    scores = []
    for case in cases:
        try:
            made = enlarge(case)
            result, truth = how.planes(made, case.high, case.white, scale)
            values = {
                name: _measure(name, function, result, truth, case.name)
                for name, function in functions.items()
            }
            if case.mask is not None and case.mask.any():
                inside = made[case.mask], case.high[case.mask]
                factor = 255 / case.white
                values["psnr_in_mask"] = psnr(*(part * factor for part in inside))
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
    if not scores:
        raise ImageError("there is no picture that could be measured")
    return Scores(scale, origin, tuple(scores), how)


def _measure(
    name: str,
    metric: Callable[[NDArray[Any], NDArray[Any]], float],
    result: NDArray[Any],
    truth: NDArray[Any],
    picture: str,
) -> float:
    """Call a metric; what a third party's raises names it and its distribution."""
    try:
        return float(metric(result, truth))
    except ZooError:  # it says itself what is wrong
        raise
    except Exception as error:
        owner = distribution_of(registry("zoo.metrics").entry(name))
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise PluginError(
            f"metric {name!r} of {owner} failed on picture {picture!r} ({reason})"
        ) from error
