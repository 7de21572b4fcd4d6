"""Single layers in zoo, PyTorch and TensorFlow: the thesis's experiment."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.bench.cases import Case
from zoo.bench.layer_peers import HINTS, OURS, installed
from zoo.bench.memory import available
from zoo.bench.net import Entrant, relative_error
from zoo.bench.timing import Stats, in_turn
from zoo.bench.workers import Worker, WorkerError

__all__ = ["TOLERANCE", "LayerRow", "measure"]

TOLERANCE = 1e-3
"""Largest error, as a part of the range, at which results agree.

The gradient of a weight sums millions of products, in another order each.
"""

_PROCESS = 400 * 2**20  # bytes of an engine before any array


@dataclass
class LayerRow:
    """One case in one direction on one number of threads.

    Attributes
    ----------
    case : Case
    direction : {"forward", "backward"}
    threads : int
    seconds : dict of str to Stats
        By name of the entrant.
    errors : dict of str to float
        Largest difference from zoo's result, as a part of its range.
    problems : dict of str to str
        Why there are no times.
    versions : dict of str to str
    in_turn : bool
        False if memory did not hold all at the same time, so that they ran one
        after the other.
    """

    case: Case
    direction: str
    threads: int
    seconds: dict[str, Stats] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    in_turn: bool = True

    @property
    def agrees(self) -> bool:
        """Whether all results are the same."""
        return all(error <= TOLERANCE for error in self.errors.values())

    def ratio(self) -> float | None:
        """How many times as fast as the fastest peer zoo is (medians)."""
        ours = [s for name, s in self.seconds.items() if name.split()[0] == OURS]
        peers = [s for name, s in self.seconds.items() if name.split()[0] != OURS]
        if not ours or not peers:
            return None
        return min(stats.median for stats in peers) / ours[0].median

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "case": asdict(self.case),
            "direction": self.direction,
            "threads": self.threads,
            "in_turn": self.in_turn,
            "ratio": self.ratio(),
            "seconds": {name: s.as_dict() for name, s in self.seconds.items()},
            "errors": self.errors,
            "problems": self.problems,
            "versions": self.versions,
        }


def measure(
    cases: Sequence[Case],
    directions: Sequence[str],
    threads: Sequence[int],
    entrants: Sequence[Entrant],
    runs: int,
    report: Callable[[float, str], None] | None = None,
) -> Iterator[LayerRow]:
    """Measure; gives each row when it is done.

    Parameters
    ----------
    cases : sequence of Case
    directions : sequence of {"forward", "backward"}
    threads : sequence of int
    entrants : sequence of Entrant
        The first is zoo.
    runs : int
        Of each, in turn.
    report : callable, optional
        Told the part of the work done, from 0 to 1, and what is being done.
    """
    tell = report or (lambda part, what: None)
    plan = [
        LayerRow(case, direction, count)
        for case in cases
        for direction in directions
        for count in threads
    ]
    for number, row in enumerate(plan):
        tell(number / len(plan), f"{row.case.name} {row.direction}")
        _fill(row, entrants, runs)
        yield row
    tell(1.0, "done")


def _fill(row: LayerRow, entrants: Sequence[Entrant], runs: int) -> None:
    able = []
    for entrant in entrants:
        if entrant.peer != OURS and not installed(entrant.peer):
            row.problems[entrant.name] = f"not installed ({HINTS[entrant.peer]})"
        else:
            able.append(entrant)
    one = row.case.memory(row.direction) + _PROCESS
    free = available()
    if free is not None and one > free:
        for entrant in able:
            row.problems[entrant.name] = (
                f"needs {one / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; "
                f"use a smaller --batch or --size"
            )
        return
    row.in_turn = free is None or one * len(able) <= free
    groups = [able] if row.in_turn else [[entrant] for entrant in able]
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        truth: list[Any] = []
        for group in groups:
            _run_group(row, group, runs, Path(folder) / "result.npz", truth)


def _run_group(
    row: LayerRow,
    group: Sequence[Entrant],
    runs: int,
    path: Path,
    truth: list[Any],
) -> None:
    """Measure some entrants in turn. ``truth`` is filled by the first of all."""
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for entrant in group:
            spec = {
                "task": "layer",
                "peer": entrant.peer,
                "variant": entrant.variant,
                "case": asdict(row.case),
                "direction": row.direction,
                "threads": row.threads,
            }
            try:
                worker = stack.enter_context(Worker(spec, row.threads))
                worker.save(path)
            except WorkerError as error:
                row.problems[entrant.name] = str(error)
                continue
            with np.load(path) as file:
                results = [file[name] for name in file.files]
            truth[:] = truth or results
            row.versions[entrant.name] = worker.ready["version"]
            row.errors[entrant.name] = _error(results, truth)
            workers[entrant.name] = worker
        try:
            stats = in_turn([worker.run for worker in workers.values()], runs)
        except WorkerError as error:
            row.problems.update(dict.fromkeys(workers, str(error)))
            return
        row.seconds.update(zip(workers, stats, strict=True))


def _error(results: Sequence[Any], truth: Sequence[Any]) -> float:
    if len(results) != len(truth):
        return math.inf
    return max(relative_error(a, b) for a, b in zip(results, truth, strict=True))
