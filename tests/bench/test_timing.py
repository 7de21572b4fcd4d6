"""Durations, memory and the processes that are measured."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from zoo.bench import memory
from zoo.bench.machine import describe
from zoo.bench.timing import Stats, in_turn, quiet, seconds_of
from zoo.bench.workers import Worker, WorkerError


def test_stats_are_those_of_numpy() -> None:
    samples = (0.5, 0.1, 0.4, 0.2, 0.9, 0.3)
    stats = Stats(samples)
    assert stats.median == pytest.approx(np.median(samples))
    first, third = np.percentile(samples, [25, 75])
    assert stats.spread == pytest.approx((third - first) / np.median(samples))
    assert (stats.fastest, stats.slowest) == (0.1, 0.9)
    assert stats.as_dict()["samples"] == list(samples)
    assert Stats((0.5,)).spread == 0
    with pytest.raises(ValueError, match="no durations"):
        Stats(())


def test_things_run_in_turn() -> None:
    order: list[str] = []

    def measure(name: str) -> float:
        order.append(name)
        return float(len(order))

    ticks: list[int] = []
    stats = in_turn(
        [lambda: measure("a"), lambda: measure("b")], 3, lambda: ticks.append(1)
    )
    assert order == ["a", "b"] * 3
    assert [s.samples for s in stats] == [(1.0, 3.0, 5.0), (2.0, 4.0, 6.0)]
    assert len(ticks) == 6


def test_quiet_gives_the_collector_back() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), quiet():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_seconds_of_measures_the_call() -> None:
    calls: list[int] = []
    assert seconds_of(lambda: calls.append(1)) >= 0
    assert calls == [1]


def test_peak_is_this_process_own() -> None:
    before = memory.peak()
    if before is None:
        pytest.skip("this system does not say")
    block = np.ones(2**23)  # 64 MiB
    after = memory.peak()
    assert after is not None and after >= memory.resident() > block.nbytes  # type: ignore[operator]
    assert after >= before


def test_machine_says_what_it_is() -> None:
    facts = describe()
    assert facts["processor"] and facts["processors"] >= 1
    assert facts["numpy"] == np.__version__ and facts["free_memory"] > 0


def test_worker_says_why_it_cannot() -> None:
    with pytest.raises(WorkerError, match="no_such_peer"):
        Worker({"task": "layer", "peer": "no_such_peer"}, 1)


def test_worker_that_dies_is_reported() -> None:
    # A specification without a task ends the process before it can answer.
    with pytest.raises(WorkerError, match="task"):
        Worker({}, 1)
