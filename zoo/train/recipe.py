"""How a network is trained: written in ``[net]`` or on the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from zoo.degradation.degradation import Degradation
from zoo.degradation.degradation import what_is_wrong as degradation_is_wrong
from zoo.errors import UsageError, did_you_mean
from zoo.layers.cost import Cost
from zoo.net_section import NET_KEYS
from zoo.network import Network
from zoo.train.costs import cost_named
from zoo.train.optimizers import Optimizer, optimizer_named
from zoo.train.recipe_fields import FIELDS, RANGES
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
    subdivisions : int
        Parts that a batch is worked off in, which saves memory. Without batch
        normalization, which looks at a part alone, nothing else changes.
    cost, optimizer, policy : str
        Names of :mod:`zoo.train.costs`, ``optimizers`` and ``schedules``.
    clip_gradient : float
        Gradients of a larger norm are scaled down to it; 0 for never.
    average : float
        Share of the new weights in the exponential moving average that is
        validated and kept (1e-3: over about 1000 updates); 0 for none.
    augment : bool
        Flip the patches and turn them by multiples of 90 degrees.
    precision : {"f32", "bf16"}
        Of the products of forward and backward; what is added up, the weights and
        the optimizer are float32 (Micikevicius et al., Mixed Precision Training,
        2018; bfloat16 needs no scaling of the loss).
    blend_share, permute_share : float
        Shares of the patches that are blended with another one, and whose colours
        change places: see :class:`zoo.train.data.PatchSampler`.
    batch_steps, batch_scales : tuple
        Updates at which the batch grows or shrinks, and by which factors.
    blur_sigma, ..., jpeg_share
        Those of :class:`zoo.degradation.degradation.Degradation`.
    seed : int
        Of the first weights and of the patches.
    """

    updates: int = 20000
    batch: int = 16
    subdivisions: int = 1
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
    precision: str = "f32"
    blend_share: float = 0.0
    permute_share: float = 0.0
    batch_steps: tuple[int, ...] = ()
    batch_scales: tuple[float, ...] = ()
    blur_sigma: tuple[float, ...] = ()
    blur_isotropic: float = 1.0
    blur_share: float = 1.0
    downscale: tuple[str, ...] = ("bicubic",)
    noise_sigma: tuple[float, ...] = ()
    noise_gray: float = 0.0
    noise_share: float = 1.0
    jpeg_quality: tuple[int, ...] = ()
    jpeg_chroma: tuple[str, ...] = ("420",)
    jpeg_share: float = 1.0
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
        values = {field: settings[key] for key, field in FIELDS.items() if key in given}
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
            if name not in FIELDS or not equals:
                hint = did_you_mean(name, FIELDS, "{}")
                raise UsageError(
                    f"{text!r} sets no key of a recipe{hint} "
                    f"(there are {', '.join(FIELDS)})"
                )
            try:
                values[FIELDS[name]] = keys[name].parse(value)
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
            for key, field in FIELDS.items()
            if getattr(self, field) != getattr(base, field)
        }

    @property
    def summary(self) -> str:
        """What matters most, in half a line."""
        return (
            f"{self.optimizer}, learning rate {self.learning_rate:g} ({self.policy}), "
            f"cost {self.cost}, batch {self.batch}, patch {self.patch}"
        )

    def check(self, network: Network | None = None) -> None:
        """Raise UsageError for values that cannot be meant.

        Parameters
        ----------
        network : Network, optional
            Whose cfg the recipe began with: a value from there is named by
            file:line.
        """
        for key, field in FIELDS.items():
            value = getattr(self, field)
            reason = _what_is_wrong(field, value)
            if reason:
                where = "" if network is None else _place(network, key, value)
                name = field if field in ("updates", "average") else key
                raise UsageError(f"{where}{name} is {_text(value)}; it must {reason}")
        if len(self.batch_steps) != len(self.batch_scales):
            where = (
                ""
                if network is None
                else _place(network, "batch_steps", self.batch_steps)
            )
            raise UsageError(
                f"{where}batch_steps has {len(self.batch_steps)} values and batch_scales "
                f"{len(self.batch_scales)}; give one factor for each step"
            )
        cost_named(self.cost)
        self.make_optimizer()
        schedule = self.make_schedule()
        for update in {0, self.updates // 2, self.updates - 1}:
            try:
                rate = schedule(update)
            except OverflowError:
                rate = math.inf
            if not 0 <= rate < math.inf:
                raise UsageError(
                    f"policy {self.policy} gives the learning rate {rate:g} for "
                    f"update {update}; it must not be negative, and finite"
                )

    def make_schedule(self) -> Schedule:
        """The learning rate at each update."""
        names = [field.name for field in fields(ScheduleSettings)]
        settings = ScheduleSettings(**{name: getattr(self, name) for name in names})
        return schedule_named(self.policy, settings)

    @property
    def degradation(self) -> Degradation:
        """What happens to small pictures."""
        names = [field.name for field in fields(Degradation)]
        return Degradation(**{name: getattr(self, name) for name in names})

    def batch_at(self, update: int) -> int:
        """Patches of an update, counted from 0."""
        size = float(self.batch)
        for step, factor in zip(self.batch_steps, self.batch_scales, strict=True):
            if update >= step:
                size *= factor
        return max(1, round(size))

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


def _what_is_wrong(field: str, value: Any) -> str:
    """How a value must be and is not; nothing if all is well."""
    if reason := degradation_is_wrong(field, value):
        return reason
    values = value if isinstance(value, tuple) else (value,)
    if any(isinstance(v, float) and not math.isfinite(v) for v in values):
        return "be a finite number"
    reason, fits = RANGES.get(field, ("", lambda value: True))
    return "" if all(map(fits, values)) else reason


def _place(network: Network, key: str, value: Any) -> str:
    """``file:line: `` of a value, if it is the one that the cfg gives."""
    head = network.sections[0]
    for entry in head.entries:
        if entry.key == key and network.settings[key] == value:
            return f"{head.source}:{entry.line}: "
    return ""
