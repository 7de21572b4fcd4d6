"""How a network is trained: written in ``[net]`` or on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from zoo.errors import UsageError
from zoo.layers.cost import Cost
from zoo.net_section import NET_KEYS
from zoo.network import Network
from zoo.train.costs import cost_named
from zoo.train.optimizers import Optimizer, optimizer_named
from zoo.train.schedules import Schedule, ScheduleSettings, schedule_named

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what training computes, apart from the pictures.

    Attributes
    ----------
    updates : int
        Steps of the optimizer in all.
    batch, patch : int
        Patches per update; side of a low-resolution patch in pixels.
    cost, optimizer, policy : str
        Names of :mod:`zoo.train.costs`, ``optimizers`` and ``schedules``.
    clip_gradient : float
        Gradients of a larger norm are scaled down to it; 0 for never.
    average : float
        Share of the new weights in the exponential moving average that is
        validated and kept (1e-3: over about 1000 updates); 0 for none.
    augment : bool
        Flip the patches and turn them by multiples of 90 degrees.
    seed : int
        Of the first weights and of the patches.
    """

    updates: int = 20000
    batch: int = 16
    patch: int = 48
    cost: str = "mae"
    optimizer: str = "adam"
    learning_rate: float = 1e-4
    decay: float = 0.0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    policy: str = "constant"
    steps: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()
    step: int = 1
    scale: float = 1.0
    gamma: float = 1.0
    power: float = 4.0
    cycle: int = 0
    growth: int = 2
    lowest: float = 0.0
    burn_in: int = 0
    clip_gradient: float = 0.0
    average: float = 0.0
    augment: bool = True
    seed: int = 0

    @classmethod
    def from_settings(cls, settings: dict[str, Any], given: set[str]) -> Recipe:
        """Read the keys of ``[net]`` that a cfg gives; defaults for the others.

        Parameters
        ----------
        settings : dict
            Values of ``[net]``.
        given : set of str
            The keys that the cfg really has.
        """
        values = {
            field: settings[key] for key, field in _FIELDS.items() if key in given
        }
        if settings.get("adam") and "optimizer" not in given:
            values["optimizer"] = "adam"
        return cls(**values)

    @classmethod
    def of(cls, network: Network) -> Recipe:
        """The recipe in a cfg: [net], and the type of a [cost] at the end."""
        given = {entry.key for entry in network.sections[0].entries}
        recipe = cls.from_settings(network.settings, given)
        last = network[len(network) - 1]
        if isinstance(last, Cost) and "cost" not in given:
            recipe = replace(recipe, cost=last.type)
        return recipe

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Undo :meth:`to_dict`."""
        known = {field.name for field in fields(cls)}
        kept: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
        return cls(**kept)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def changed(self, **values: Any) -> Recipe:
        """Return a copy with the values that are not None."""
        return replace(self, **{k: v for k, v in values.items() if v is not None})

    def with_settings(self, settings: Sequence[str]) -> Recipe:
        """Return a copy with values written ``key=value``, the keys those of [net].

        Raises
        ------
        UsageError
            If one of them is no key of a recipe, or its value is wrong.
        """
        keys = {key.name: key for key in NET_KEYS}
        values = {}
        for text in settings:
            name, equals, value = (part.strip() for part in text.partition("="))
            if name not in _FIELDS or not equals:
                near = get_close_matches(name, _FIELDS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(
                    f"{text!r} sets no key of a recipe{hint} "
                    f"(there are {', '.join(_FIELDS)})"
                )
            try:
                values[_FIELDS[name]] = keys[name].parse(value)
            except ValueError as error:
                raise UsageError(f"{name}={value}: {error}") from None
        return self.changed(**values)

    def settings_over(self, base: Recipe) -> dict[str, str]:
        """What :meth:`with_settings` needs to make this recipe of another one.

        Returns
        -------
        dict of str to str
            ``key=value`` for each field that differs, by the name of the field.
        """
        return {
            field: f"{key}={_text(getattr(self, field))}"
            for key, field in _FIELDS.items()
            if getattr(self, field) != getattr(base, field)
        }

    def check(self) -> None:
        """Raise UsageError for numbers that cannot be meant."""
        for name in ("updates", "batch", "patch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(
                f"the learning rate is {self.learning_rate}; it must be above 0"
            )
        if not 0 <= self.average < 1:
            raise UsageError(f"average is {self.average}; it must lie in [0, 1)")
        if self.clip_gradient < 0:
            raise UsageError(
                f"clip_gradient is {self.clip_gradient}; it must not be negative"
            )
        cost_named(self.cost)
        self.make_schedule()
        self.make_optimizer()

    def make_schedule(self) -> Schedule:
        """The learning rate at each update."""
        names = [field.name for field in fields(ScheduleSettings)]
        settings = ScheduleSettings(**{name: getattr(self, name) for name in names})
        return schedule_named(self.policy, settings)

    def make_optimizer(self) -> Optimizer:
        """A new optimizer."""
        options: dict[str, Any] = {
            "learning_rate": self.learning_rate,
            "decay": self.decay,
        }
        if self.optimizer in ("momentum", "nesterov"):
            options["momentum"] = self.momentum
        if self.optimizer in ("adam", "adamw", "adamax"):
            options.update(beta1=self.beta1, beta2=self.beta2, epsilon=self.epsilon)
        return optimizer_named(self.optimizer, **options)


def _text(value: Any) -> str:
    """A value as a cfg has it."""
    if isinstance(value, tuple):
        return ",".join(map(_text, value))
    return str(int(value) if isinstance(value, bool) else value)


_FIELDS = {
    "max_batches": "updates",
    "batch": "batch",
    "patch": "patch",
    "cost": "cost",
    "optimizer": "optimizer",
    "learning_rate": "learning_rate",
    "decay": "decay",
    "momentum": "momentum",
    "B1": "beta1",
    "B2": "beta2",
    "eps": "epsilon",
    "policy": "policy",
    "steps": "steps",
    "scales": "scales",
    "step": "step",
    "scale": "scale",
    "gamma": "gamma",
    "power": "power",
    "sgdr_cycle": "cycle",
    "sgdr_mult": "growth",
    "learning_rate_min": "lowest",
    "burn_in": "burn_in",
    "clip_gradient": "clip_gradient",
    "ema_alpha": "average",
    "augment": "augment",
    "seed": "seed",
}
"""Keys of [net], and the fields that they set."""
