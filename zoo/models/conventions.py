"""Conventions that super-resolution networks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.keys import Key

__all__ = [
    "CHANNELS",
    "COLOR",
    "DIV2K_MEAN",
    "ORDER",
    "RES_SCALES",
    "assume_color",
    "blocks_key",
    "filters_key",
    "mean_of",
    "prime_factors",
    "range_key",
    "scale_key",
]

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
"""Mean red, green and blue of DIV2K's training pictures, white being 1."""

CHANNELS = Key("channels", "int", 3, "channels of the picture", minimum=1, maximum=64)
COLOR = Key(
    "color",
    "str",
    "rgb",
    "order of the channels; y for luma alone, any for what is no colour",
    choices=("rgb", "bgr", "y", "any"),
)
ORDER = Key(
    "order",
    "str",
    "crd",
    "channel order of the pixel shuffle: crd as in PyTorch, dcr as in TensorFlow",
    choices=("crd", "dcr"),
)

RES_SCALES: Mapping[str, tuple[Any, ...]] = {"res_scale": (1.0, 0.1)}
"""Factors of a residual branch in published files, which none of their tensors tells."""


def blocks_key(default: int, meaning: str = "residual blocks") -> Key:
    """The hyper-parameter that says how deep a network is."""
    return Key("blocks", "int", default, meaning, minimum=1, maximum=1024)


def filters_key(default: int, meaning: str = "channels inside") -> Key:
    """The hyper-parameter that says how wide a network is."""
    return Key("filters", "int", default, meaning, minimum=1, maximum=4096)


def scale_key(default: int, maximum: int = 8) -> Key:
    """The hyper-parameter that says how much larger the picture becomes."""
    return Key(
        "scale", "int", default, "output rows per input row", minimum=1, maximum=maximum
    )


def range_key(default: float) -> Key:
    """The hyper-parameter that says how pictures are given."""
    return Key("range", "float", default, "value of white at the input", minimum=1e-6)


def assume_color(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Three channels are taken for red, green and blue, others for no colour."""
    color = "rgb" if options["channels"] == 3 else "any"
    return {"color": (color, "as published")}


def mean_of(options: Mapping[str, Any]) -> tuple[float, ...]:
    """The mean to subtract: the one given, else DIV2K's, else half the range.

    Parameters
    ----------
    options : mapping
        With mean (() where not given), range, color and channels.

    Returns
    -------
    tuple of float
        In the order of the channels and the units of range.
    """
    if options["mean"]:
        return tuple(options["mean"])
    scale = options["range"]
    means = {"rgb": DIV2K_MEAN, "bgr": DIV2K_MEAN[::-1]}
    if options["channels"] == 3 and options["color"] in means:
        return tuple(round(scale * mean, 6) for mean in means[options["color"]])
    return (0.5 * scale,)


def prime_factors(number: int) -> list[int]:
    """Prime factors in rising order; none of 1."""
    factors = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors
