"""Keys that Darknet reads in every section, without effect on inference.

Three of them say what training leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zoo.keys import Key

__all__ = [
    "COMMON_KEYS",
    "DIALECT_KEY",
    "FREEZING_KEYS",
    "STOP_KEY",
    "refuse",
    "unsupported",
]

DIALECT_KEY = Key(
    "dialect",
    "str",
    "zoo",
    "whose rules hold where Darknets differ; [net]'s if absent",
    choices=("zoo", "alexeyab", "pjreddie"),
)

STOP_KEY = Key(
    "stopbackward",
    "int",
    0,
    "1: training goes back no further; this layer and all above it in the file stay "
    "as they are",
    minimum=0,
)
"""Values above 1, AlexeyAB's "up to this update", are read and without effect."""

FREEZING_KEYS: tuple[Key, ...] = (
    Key("dont_update", "bool", False, "1: training leaves this layer as it is"),
    Key("learning_rate", "float", 1.0, "factor of the learning rate here", minimum=0),
    STOP_KEY,
)
"""What training changes, and how fast; no part of what a network computes."""

COMMON_KEYS: tuple[Key, ...] = (
    *FREEZING_KEYS,
    Key("clip", "float", 0.0, "Darknet's: clip of the update", unused=True),
    Key("onlyforward", "bool", False, "Darknet's: no gradient here", unused=True),
    Key("burnin_update", "int", 0, "Darknet's: parameters wait", unused=True),
    Key("train_only_bn", "int", 0, "Darknet's: weights stay", unused=True),
    Key("smooth", "float", 0.0, "Darknet's", unused=True),
    Key("truth", "bool", False, "Darknet's", unused=True),
    Key("dontsave", "bool", False, "Darknet's: not in the .weights", unused=True),
    Key("dontload", "bool", False, "Darknet's: not read from .weights", unused=True),
    Key("dontloadscales", "bool", False, "Darknet's: no scales there", unused=True),
    Key("numload", "int", 0, "Darknet's: how many filters to read", unused=True),
)


def unsupported(*names: str) -> tuple[Key, ...]:
    """Keys that change results in Darknet and that zoo knows only to refuse.

    See :func:`refuse`.
    """
    return tuple(
        Key(name, "int", 0, "Darknet's, not supported: only 0 is accepted")
        for name in names
    )


def refuse(layer: Any, keys: Iterable[Key]) -> None:
    """Raise ValueError if a layer has another value than 0 for one of the keys."""
    for key in keys:
        value = getattr(layer, key.attribute)
        if value:
            raise ValueError(
                f"{key.name}={value} is a Darknet option that zoo does not support; "
                f"leave it out if the network can do without it"
            )
