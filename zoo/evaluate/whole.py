"""Metrics called by name; those of whole volumes get them slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import PluginError, ShapeError, UsageError, ZooError
from zoo.evaluate.pairs import Pair
from zoo.registry import distribution_of, registry

__all__ = ["Volumes", "measured"]

Metric = Callable[[NDArray[Any], NDArray[Any]], float]
Planes = tuple[int, NDArray[np.float32], NDArray[np.float32]]


class Volumes:
    """Slices are gathered until their volume is over, then it is measured.

    Parameters
    ----------
    metrics : mapping of str to callable
        Of volumes, S x H x W; if there are none nothing is kept.
    leave_out : callable, optional
        Told of a volume that is too small; without it the error is raised.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        leave_out: Callable[[str, ZooError], None] | None,
    ) -> None:
        self._metrics = metrics
        self._leave_out = leave_out
        self._volume = ""
        self._planes: list[Planes] = []
        self._found: list[tuple[str, dict[str, float]]] = []

    def add(self, case: Pair, result: NDArray[Any], truth: NDArray[Any]) -> None:
        """Keep one slice.

        Raises
        ------
        UsageError
            If it is no slice of a volume.
        """
        if not self._metrics:
            return
        part = case.part
        if part is None:
            name = next(iter(self._metrics))
            raise UsageError(
                f"metric {name} compares volumes, and {case.name} is a picture"
            )
        if part.volume != self._volume:
            self._finish()
            self._volume = part.volume
        self._planes.append(
            (part.number, result.astype(np.float32), truth.astype(np.float32))
        )

    def finished(self) -> Iterator[tuple[str, dict[str, float]]]:
        """Names of volumes, and their values by metric."""
        self._finish()
        yield from self._found

    def _finish(self) -> None:
        planes, self._planes = _longest_run(self._planes), []
        if not planes:
            return
        result, truth = (np.stack([part[which] for part in planes]) for which in (1, 2))
        try:
            values = {
                name: measured(name, function, result, truth, self._volume)
                for name, function in self._metrics.items()
            }
        except ShapeError as error:
            named = ShapeError(f"volume {self._volume!r}: {error}")
            if self._leave_out is None:
                raise named from error
            self._leave_out(self._volume, named)
            return
        self._found.append((self._volume, values))


def _longest_run(planes: list[Planes]) -> list[Planes]:
    """Slices that follow each other: the longest such run."""
    runs: list[list[Planes]] = []
    for part in planes:
        if runs and part[0] == runs[-1][-1][0] + 1:
            runs[-1].append(part)
        else:
            runs.append([part])
    return max(runs, key=len, default=[])


def measured(
    name: str, metric: Metric, result: NDArray[Any], truth: NDArray[Any], picture: str
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
