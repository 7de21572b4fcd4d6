"""Learning-rate schedules at points worked out by hand."""

import math
from typing import Any

import pytest

from zoo.errors import UsageError
from zoo.net_section import NET_KEYS
from zoo.train.schedules import (
    POLICIES,
    Schedule,
    ScheduleSettings,
    schedule_named,
)


def schedule(policy: str, rate: float, **settings: Any) -> Schedule:
    return schedule_named(policy, ScheduleSettings(rate, **settings))


def test_constant():
    assert schedule("constant", 0.1)(10**6) == 0.1


def test_step_halves():
    rate = schedule("step", 1.0, step=200, scale=0.5)
    assert [rate(i) for i in (0, 199, 200, 399, 400)] == [1, 1, 0.5, 0.5, 0.25]


def test_steps_multiply():
    rate = schedule("steps", 1.0, steps=(10, 20), scales=(0.1, 0.5))
    assert [rate(i) for i in (9, 10, 19, 20)] == pytest.approx([1, 0.1, 0.1, 0.05])


def test_exp_poly_sigmoid():
    assert schedule("exp", 2.0, gamma=0.5)(3) == 0.25
    poly = schedule("poly", 1.0, updates=100, power=2)
    assert [poly(i) for i in (0, 50, 100, 150)] == [1, 0.25, 0, 0]
    sigmoid = schedule("sigmoid", 1.0, gamma=0.1, step=10)
    assert sigmoid(10) == 0.5
    assert sigmoid(10**6) == pytest.approx(0)


def test_random_depends_on_the_seed_and_the_update_alone():
    rate = schedule("random", 2.0, power=2, seed=1)
    drawn = [rate(i) for i in range(500)]
    assert drawn == [schedule("random", 2.0, power=2, seed=1)(i) for i in range(500)]
    assert drawn != [schedule("random", 2.0, power=2, seed=2)(i) for i in range(500)]
    assert all(0 <= value < 2 for value in drawn)
    assert sum(drawn) / 500 == pytest.approx(2 / 3, abs=0.08)  # the mean of 2 u^2
    warm = schedule("random", 2.0, power=2, burn_in=4)
    assert [warm(i) for i in range(4)] == [2 / 16, 2 / 4, 2 * 9 / 16, 2]


def test_sgdr_restarts_with_longer_cycles():
    rate = schedule("sgdr", 1.0, cycle=10, growth=2, lowest=0.2)
    assert rate(0) == rate(10) == rate(30) == 1.0
    assert rate(5) == pytest.approx(0.6)
    assert rate(20) == pytest.approx(0.6)
    assert rate(9) == pytest.approx(0.2 + 0.4 * (1 + math.cos(0.9 * math.pi)))


def test_burn_in_rises_to_the_schedule():
    rate = schedule("constant", 1.0, burn_in=4, power=2)
    assert [rate(i) for i in range(5)] == pytest.approx([1 / 16, 1 / 4, 9 / 16, 1, 1])


@pytest.mark.parametrize("policy", ["poly", "sgdr", "random walk"])
def test_what_is_missing_is_said(policy):
    with pytest.raises(UsageError):
        schedule(policy, 1.0)


def test_steps_need_as_many_scales():
    with pytest.raises(UsageError, match="as many"):
        schedule("steps", 1.0, steps=(1, 2), scales=(0.1,))


def test_cfg_files_know_every_policy():
    (key,) = (key for key in NET_KEYS if key.name == "policy")
    assert set(key.choices) == set(POLICIES)


def test_cosine_is_sgdr():
    rate = schedule("cosine", 1.0, updates=10)
    assert rate(5) == schedule("sgdr", 1.0, cycle=10)(5) == pytest.approx(0.5)
