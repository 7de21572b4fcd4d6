"""What is found out about a network in several engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.bench.peers import OURS
from zoo.bench.timing import Stats

__all__ = ["TOLERANCE", "Entrant", "NetReport", "Result"]

TOLERANCE = {"f32": 1e-4, "bf16": 5e-2}
"""Largest error, as a part of the output's range, at which outputs agree.

Peers round at other places. With random weights nothing averages that out, and
bfloat16 has three digits.
"""


@dataclass(frozen=True)
class Entrant:
    """An engine with one of its settings."""

    peer: str
    variant: str = ""

    @property
    def name(self) -> str:
        """For people: "torch channels_last"."""
        return f"{self.peer} {self.variant}".strip()


@dataclass(frozen=True)
class Result:
    """What was found out about one entrant.

    Attributes
    ----------
    name : str
    peer : str
    problem : str or None
        Why there is nothing else.
    version, settings : str
    warm : Stats or None
        Seconds of one run of the network, loaded and warmed up.
    cold : Stats or None
        Seconds of whole processes, picture file to picture file.
    cold_peak : int or None
        Most bytes that such a process had in memory.
    stages : dict of str to float
        Seconds of import, load and first run.
    peak, import_memory : int or None
        Bytes in memory: at most, and after the import alone.
    error : float or None
        Largest difference from zoo's output, as a part of the output's range.
    agrees : bool
        Whether that is within :data:`TOLERANCE`.
    """

    name: str
    peer: str
    problem: str | None = None
    version: str = ""
    settings: str = ""
    warm: Stats | None = None
    cold: Stats | None = None
    cold_peak: int | None = None
    stages: dict[str, float] | None = None
    peak: int | None = None
    import_memory: int | None = None
    error: float | None = None
    agrees: bool = True

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        plain = {key: value for key, value in vars(self).items()}
        for key in ("warm", "cold"):
            stats = plain[key]
            plain[key] = stats.as_dict() if stats is not None else None
        return plain


@dataclass(frozen=True)
class NetReport:
    """The results for one network, zoo's first.

    Attributes
    ----------
    source : str
        The cfg.
    weights : str
        Where the weights came from.
    height, width : int
    threads : int
    precision : str
    operations : int
        Floating-point operations of a direct convolution, per run.
    results : tuple of Result
    """

    source: str
    weights: str
    height: int
    width: int
    threads: int
    precision: str
    operations: int
    results: tuple[Result, ...]

    @property
    def ours(self) -> Result:
        """zoo's result, with the back end that was named first."""
        return self.results[0]

    @property
    def fastest_peer(self) -> Result | None:
        """The peer with the smallest median, of those that agree with zoo."""
        timed = [
            result
            for result in self.results
            if result.peer != OURS and result.warm is not None and result.agrees
        ]
        return min(timed, key=lambda result: _median(result.warm), default=None)

    def ratios(self) -> dict[str, float]:
        """How many times as fast as each other entrant zoo is (medians)."""
        ours = self.ours.warm
        if ours is None:
            return {}
        return {
            result.name: result.warm.median / ours.median
            for result in self.results[1:]
            if result.warm is not None
        }

    def cold_ratios(self) -> dict[str, float]:
        """The same for whole processes."""
        ours = self.ours.cold
        if ours is None:
            return {}
        return {
            result.name: result.cold.median / ours.median
            for result in self.results[1:]
            if result.cold is not None
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        fastest = self.fastest_peer
        return {
            "source": self.source,
            "weights": self.weights,
            "size": [self.width, self.height],
            "threads": self.threads,
            "precision": self.precision,
            "operations": self.operations,
            "fastest_peer": fastest.name if fastest else None,
            "ratios": self.ratios(),
            "cold_ratios": self.cold_ratios(),
            "results": [result.as_dict() for result in self.results],
        }


def _median(stats: Stats | None) -> float:
    return stats.median if stats is not None else float("inf")
