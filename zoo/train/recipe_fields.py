"""The fields of a recipe: their keys in [net], and how their values must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zoo.training_keys import DEGRADATION_KEYS

__all__ = ["FIELDS", "RANGES"]

_ABOVE_0: tuple[str, Callable[[Any], bool]] = ("be above 0", lambda value: value > 0)
_FROM_0: tuple[str, Callable[[Any], bool]] = (
    "not be negative",
    lambda value: value >= 0,
)
_BELOW_1: tuple[str, Callable[[Any], bool]] = (
    "lie in [0, 1)",
    lambda value: 0 <= value < 1,
)

_TO_1: tuple[str, Callable[[Any], bool]] = (
    "lie in [0, 1]",
    lambda value: 0 <= value <= 1,
)
_SHARES = (
    "blend_share",
    "permute_share",
    "blur_isotropic",
    "blur_share",
    "noise_gray",
    "noise_share",
    "jpeg_share",
)

RANGES = {
    **dict.fromkeys(("updates", "batch", "subdivisions"), _ABOVE_0),
    **dict.fromkeys(("patch", "step", "growth"), _ABOVE_0),
    **dict.fromkeys(("learning_rate", "epsilon"), _ABOVE_0),
    **dict.fromkeys(("momentum", "beta1", "beta2", "average"), _BELOW_1),
    **dict.fromkeys(("decay", "clip_gradient", "burn_in", "seed"), _FROM_0),
    **dict.fromkeys(("steps", "scales", "scale", "cycle", "lowest"), _FROM_0),
    "batch_steps": _FROM_0,
    "batch_scales": _ABOVE_0,
    **dict.fromkeys(_SHARES, _TO_1),
}
"""How a field must be, and whether a value is so."""

FIELDS = {
    "max_batches": "updates",
    "batch": "batch",
    "subdivisions": "subdivisions",
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
    "train_precision": "precision",
    "seed": "seed",
    "blend_share": "blend_share",
    "permute_share": "permute_share",
    "batch_steps": "batch_steps",
    "batch_scales": "batch_scales",
    **{key.name: key.name for key in DEGRADATION_KEYS},
}
"""Keys of [net], and the fields that they set."""
