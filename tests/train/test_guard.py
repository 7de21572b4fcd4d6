"""Which losses are learned from."""

from __future__ import annotations

import math

import pytest

from zoo.train.guard import Guard
from zoo.train.learner import Outcome


def guarded(losses: list[float]) -> Guard:
    """A guard that saw these losses learned from."""
    guard = Guard()
    for update, loss in enumerate(losses, 1):
        assert loss <= guard.limit
        guard.note(Outcome(loss, 1.0, True), update)
    return guard


def test_twenty_times_the_usual_is_too_much() -> None:
    guard = guarded([0.5, *[0.1] * 400])
    assert guard.mean_loss == pytest.approx(0.1, rel=0.01)
    assert 1.9 < guard.limit < 2.1


def test_losses_below_zero_are_as_good_as_others() -> None:
    guard = guarded([0.01, -0.02, -3.0, -40.0, 2.0, *[-60.0] * 200])
    assert guard.mean_loss is not None
    assert guard.mean_loss < -50
    assert 900 < guard.limit < 1300


def test_losses_that_came_down_to_zero_may_rise_again() -> None:
    guard = guarded([1.0, *[0.0] * 3000])
    assert guard.size == pytest.approx(0, abs=1e-9)
    assert guard.limit == 1.0


def test_mean_of_the_first_losses_is_plain() -> None:
    assert guarded([1.0, 2.0, 6.0]).mean_loss == pytest.approx(3)


def test_bad_updates_are_counted_until_it_has_to_give_up() -> None:
    guard = guarded([1.0])
    bad = Outcome(math.nan, math.nan, False)
    for update in range(2, 22):
        assert not guard.has_to_give_up
        guard.note(bad, update)
    assert guard.has_to_give_up
    assert (guard.skipped, guard.bad_in_a_row) == (20, 20)
    assert guard.what_is_wrong(bad) == "the loss was nan, usually 1"
    assert guard.what_is_wrong(Outcome(1.0, math.inf, False)).endswith("norm inf")
    guard.note(Outcome(1.0, 1.0, True), 22)
    assert (guard.skipped, guard.bad_in_a_row) == (20, 0)


def test_state_and_that_of_older_versions() -> None:
    guard = guarded([3.0, -1.0])
    other = Guard()
    other.restore({**guard.state(), "psnr": 30.0})
    assert other.state() == guard.state()
    old = Guard()
    old.restore({"mean_loss": -2.0, "skipped": 1, "bad_in_a_row": 0})
    assert (old.mean_loss, old.limit) == (-2.0, 40.0)
    old.forget_losses()
    assert old.limit == math.inf
    assert old.skipped == 1
