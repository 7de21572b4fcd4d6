"""Single layers in zoo, PyTorch and TensorFlow: the thesis's experiment."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.agreement import relative_error
from zoo.bench.cases import LayerCase
from zoo.bench.layer_peers import HINTS, OURS, installed
from zoo.bench.results import Entrant
from zoo.bench.timing import Stats, in_turn
from zoo.bench.workers import Worker, WorkerError
from zoo.machine.memory import available_memory

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
    case : LayerCase
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

    case: LayerCase
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
    cases: Sequence[LayerCase],
    directions: Sequence[str],
    threads: Sequence[int],
    entrants: Sequence[Entrant],
    runs: int,
    report: Callable[[float, str], None] | None = None,
) -> Iterator[LayerRow]:
    """Measure; gives each row when it is done, one number of threads after the other.

    Parameters
    ----------
    cases : sequence of LayerCase
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
    total = len(threads) * len(cases) * len(directions)
    done = 0
    for count in threads:
        # TensorFlow takes its number of threads once and for all.
        with _Pool(count) as pool:
            for case in cases:
                for direction in directions:
                    tell(done / total, f"{case.name} {direction}")
                    row = LayerRow(case, direction, count)
                    _fill(row, entrants, runs, pool)
                    done += 1
                    yield row
    tell(1.0, "done")


class _Pool:
    """A process for each entrant, kept from case to case: some take long to start."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.workers: dict[Entrant, Worker] = {}

    def __enter__(self) -> _Pool:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, *error: object) -> None:
        for entrant in list(self.workers):
            self.end(entrant)

    def get(self, entrant: Entrant) -> Worker:
        """The process of an entrant, started if need be."""
        if entrant not in self.workers:
            spec = {
                "task": "layer",
                "peer": entrant.peer,
                "variant": entrant.variant,
                "threads": self.threads,
            }
            self.workers[entrant] = Worker(spec, self.threads)
        return self.workers[entrant]

    def end(self, entrant: Entrant) -> None:
        """End a process, if there is one."""
        worker = self.workers.pop(entrant, None)
        if worker is not None:
            worker.close()


def _fill(row: LayerRow, entrants: Sequence[Entrant], runs: int, pool: _Pool) -> None:
    """Measure one row."""
    able = []
    for entrant in entrants:
        if entrant.peer != OURS and not installed(entrant.peer):
            row.problems[entrant.name] = f"not installed ({HINTS[entrant.peer]})"
        else:
            able.append(entrant)
    one = row.case.memory(row.direction) + _PROCESS
    free = available_memory()
    if one > free:
        for entrant in able:
            row.problems[entrant.name] = (
                f"needs {one / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; "
                f"use a smaller --batch or --size"
            )
        return
    row.in_turn = one * len(able) <= free
    groups = [able] if row.in_turn else [[entrant] for entrant in able]
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        truth: list[Any] = []
        for group in groups:
            _run_group(row, group, runs, pool, Path(folder) / "result.npz", truth)


def _run_group(
    row: LayerRow,
    group: Sequence[Entrant],
    runs: int,
    pool: _Pool,
    path: Path,
    truth: list[Any],
) -> None:
    """Measure some entrants in turn. ``truth`` is filled by the first of all."""
    spec = {"case": asdict(row.case), "direction": row.direction}
    workers: dict[Entrant, Worker] = {}
    for entrant in group:
        try:
            worker = pool.get(entrant)
            worker.build(spec)
            worker.save(path)
        except WorkerError as error:
            row.problems[entrant.name] = str(error)
            pool.end(entrant)
            continue
        with np.load(path) as file:
            results = [file[name] for name in file.files]
        truth[:] = truth or results
        row.versions[entrant.name] = worker.ready["version"]
        row.errors[entrant.name] = _error(results, truth)
        workers[entrant] = worker
    try:
        stats = in_turn([worker.run for worker in workers.values()], runs)
        for worker in workers.values():
            worker.drop()
    except WorkerError as error:
        for entrant in workers:
            row.problems[entrant.name] = str(error)
            pool.end(entrant)
        return
    names = [entrant.name for entrant in workers]
    row.seconds.update(zip(names, stats, strict=True))


def _error(results: Sequence[Any], truth: Sequence[Any]) -> float:
    if len(results) != len(truth):
        return math.inf
    return max(relative_error(a, b) for a, b in zip(results, truth, strict=True))
