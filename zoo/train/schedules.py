"""Learning-rate schedules: Darknet's, and the halving of EDSR.

A schedule is a function of the update's number (from 0) that returns the rate.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import UsageError

__all__ = ["POLICIES", "Schedule", "ScheduleSettings", "schedule_named"]

Schedule = Callable[[int], float]


@dataclass(frozen=True)
class ScheduleSettings:
    """What schedules are made of; the fields are those of a recipe, by name.

    Attributes
    ----------
    learning_rate : float
        At the start.
    updates : int
        Of the whole run.
    step, scale
        Updates between two steps, and the factor of each.
    steps, scales
        Updates at which the rate changes, and the factors there.
    gamma, power
        Of exp and sigmoid; of poly, random and the warm-up.
    cycle, growth, lowest
        Of sgdr: updates of the first cycle, growth of the next ones, and the rate
        at the end of each.
    burn_in : int
        Updates of warm-up.
    seed : int
        Of random.
    """

    learning_rate: float
    updates: int = 0
    step: int = 1
    scale: float = 1.0
    steps: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    gamma: float = 1.0
    power: float = 4.0
    cycle: int = 0
    growth: int = 2
    lowest: float = 0.0
    burn_in: int = 0
    seed: int = 0


def constant(rate: float) -> Schedule:
    """Always the same."""
    return lambda update: rate


def step(rate: float, step: int, scale: float) -> Schedule:
    """``rate scale^floor(i / step)``; EDSR's is scale 0.5 every 200 000."""
    return lambda update: rate * scale ** (update // step)


def steps(rate: float, steps: Sequence[int], scales: Sequence[float]) -> Schedule:
    """The product of the scales of all steps that were reached."""
    if len(steps) != len(scales):
        raise UsageError(
            f"steps has {len(steps)} numbers and scales {len(scales)}; "
            f"they must be as many"
        )
    pairs = sorted(zip(steps, scales, strict=True))
    starts = [at for at, _ in pairs]
    products = [1.0]
    for _, scale in pairs:
        products.append(products[-1] * scale)
    return lambda update: rate * products[bisect.bisect_right(starts, update)]


def exponential(rate: float, gamma: float) -> Schedule:
    """``rate gamma^i``."""
    return lambda update: rate * gamma**update


def polynomial(rate: float, updates: int, power: float) -> Schedule:
    """``rate (1 - i / updates)^power``."""
    _need(updates, "poly")
    return lambda update: rate * max(0.0, 1 - update / updates) ** power


def sigmoid(rate: float, gamma: float, step: int) -> Schedule:
    """``rate / (1 + e^(gamma (i - step)))``."""

    def at(update: int) -> float:
        return rate / (1 + math.exp(min(700.0, gamma * (update - step))))

    return at


def random(rate: float, power: float, seed: int) -> Schedule:
    """``rate u^power``, u uniform in [0, 1) and drawn anew for every update.

    It depends on the seed and the update alone, so a resumed run meets the same.
    """
    return lambda update: (
        rate * float(np.random.default_rng((seed, update)).random()) ** power
    )


def sgdr(rate: float, cycle: int, growth: int = 2, lowest: float = 0.0) -> Schedule:
    """Cosine from ``rate`` to ``lowest``, again and again (Loshchilov, Hutter 2017).

    The first cycle lasts ``cycle`` updates, each next one ``growth`` times more.
    """
    _need(cycle, "sgdr")

    def at(update: int) -> float:
        length, since = cycle, update
        while since >= length:
            since -= length
            length *= max(1, growth)
        return lowest + 0.5 * (rate - lowest) * (1 + math.cos(math.pi * since / length))

    return at


def warmed_up(schedule: Schedule, updates: int, power: float, first: float) -> Schedule:
    """Darknet's burn_in: for the first updates, ``first (i / updates)^power``."""
    if updates <= 0:
        return schedule
    return lambda update: (
        first * ((update + 1) / updates) ** power
        if update < updates
        else schedule(update)
    )


POLICIES: dict[str, Callable[[ScheduleSettings], Schedule]] = {
    "constant": lambda given: constant(given.learning_rate),
    "step": lambda given: step(given.learning_rate, given.step, given.scale),
    "steps": lambda given: steps(given.learning_rate, given.steps, given.scales),
    "exp": lambda given: exponential(given.learning_rate, given.gamma),
    "poly": lambda given: polynomial(given.learning_rate, given.updates, given.power),
    "random": lambda given: random(given.learning_rate, given.power, given.seed),
    "sigmoid": lambda given: sigmoid(given.learning_rate, given.gamma, given.step),
    "sgdr": lambda given: sgdr(
        given.learning_rate, given.cycle or given.updates, given.growth, given.lowest
    ),
}
"""The schedule of every policy, of the settings that it reads."""

_ALIASES = {"cosine": "sgdr"}


def schedule_named(policy: str, settings: ScheduleSettings) -> Schedule:
    """Make the schedule that the policy of ``[net]`` names.

    Raises
    ------
    UsageError
        If the policy is unknown or lacks what it needs.
    """
    try:
        make = POLICIES[_ALIASES.get(policy, policy)]
    except KeyError:
        raise UsageError(
            f"there is no learning-rate policy {policy!r}; there are "
            f"{', '.join(POLICIES)}"
        ) from None
    schedule = make(settings)
    # What is drawn for update 0 says nothing about the others.
    first = settings.learning_rate if policy == "random" else schedule(0)
    return warmed_up(schedule, settings.burn_in, settings.power, first)


def _need(updates: int, policy: str) -> None:
    if updates <= 0:
        raise UsageError(f"policy {policy} needs max_batches, the number of updates")
