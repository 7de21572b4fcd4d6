"""The keys of [net]: what a network expects of a picture, and Darknet's own."""

from __future__ import annotations

from typing import Any, NamedTuple

from zoo.errors import CfgError
from zoo.keys import Key
from zoo.training_keys import RECIPE_KEYS, UNUSED_KEYS

__all__ = [
    "DIALECTS",
    "INHERITED",
    "NET_KEYS",
    "TRAINING_KEYS",
    "PixelFormat",
    "pixel_format",
    "vector_input",
]

DIALECTS = ("zoo", "alexeyab", "pjreddie")

_DIALECT = (
    Key(
        "dialect",
        "str",
        "zoo",
        "whose defaults and rules hold where Darknets differ: dropout, batch "
        "normalization, alpha and beta of shortcuts, gates in .weights files, dilation",
        choices=DIALECTS,
    ),
    Key(
        "bn_eps",
        "float",
        1e-5,
        "bn_eps of all layers that do not give their own",
        minimum=0,
    ),
    Key(
        "inputs",
        "int",
        0,
        "values of the input where it is no picture; 0: height x width x channels",
        minimum=0,
        maximum=2**24,
    ),
    Key(
        "letter_box",
        "bool",
        False,
        "zoo detect fits the whole picture in, with gray borders",
    ),
)

_PICTURE = (
    Key("height", "int", 0, "rows of the input; 0 takes any", minimum=0),
    Key("width", "int", 0, "columns of the input; 0 takes any", minimum=0),
    Key("channels", "int", 3, "channels of the input", minimum=1, maximum=65536),
    Key("range", "float", 1.0, "value of white at the input: 1 or 255", minimum=1e-6),
    Key(
        "color",
        "str",
        "rgb",
        "order of the channels; y is the luma, with the chroma resized by bicubic",
        choices=("rgb", "bgr", "y", "any"),
    ),
    Key("mean", "floats", (0.0,), "subtracted from the input, per channel or one"),
    Key("std", "floats", (1.0,), "divides what is left, per channel or one"),
    Key("denormalize", "bool", False, "multiply the output by std and add mean"),
)

NET_KEYS = _PICTURE + _DIALECT + RECIPE_KEYS + UNUSED_KEYS

INHERITED = ("bn_eps", "dialect", "time_steps")
"""Keys of [net] that hold for all layers with a key of that name and none given."""

TRAINING_KEYS = frozenset(key.name for key in RECIPE_KEYS + UNUSED_KEYS)
"""Keys that do not change what a network computes: no part of its fingerprint."""


def vector_input(values: dict[str, Any], source: str, line: int) -> dict[str, Any]:
    """The values of [net] with height, width and channels for its ``inputs``.

    Darknet's recurrent networks take a vector: ``inputs`` and no picture, which is
    one pixel with so many channels here.

    Raises
    ------
    CfgError
        If ``inputs`` contradicts the picture.
    """
    inputs = values["inputs"]
    sides = values["height"], values["width"]
    if not inputs:
        return values
    if not any(sides):
        return {**values, "height": 1, "width": 1, "channels": inputs}
    if 0 not in sides and inputs != sides[0] * sides[1] * values["channels"]:
        raise CfgError(
            f"[net] inputs={inputs} is not height x width x channels = {sides[0]} x "
            f"{sides[1]} x {values['channels']}; leave inputs out",
            source,
            line,
        )
    return values


class PixelFormat(NamedTuple):
    """How a picture must look at a network's input.

    The input is (v / white * range - mean) / std, v being a pixel and white its
    largest value; channels in the order ``color``.
    """

    channels: int
    range: float
    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    denormalize: bool


def pixel_format(values: dict[str, Any], source: str, line: int) -> PixelFormat:
    """Check the picture keys of [net] against each other.

    Raises
    ------
    CfgError
        If mean or std do not match channels, or a std is zero.
    """
    channels = values["channels"]
    full = {}
    for name in ("mean", "std"):
        given = values[name]
        if len(given) not in (1, channels):
            raise CfgError(
                f"[net] {name} has {len(given)} values for {channels} channels; "
                f"give one, or one per channel",
                source,
                line,
            )
        full[name] = tuple(given) * (channels if len(given) == 1 else 1)
    if any(value == 0 for value in full["std"]):
        raise CfgError("[net] std must not be zero", source, line)
    wanted = {"rgb": 3, "bgr": 3, "y": 1, "any": channels}[values["color"]]
    color = values["color"]
    if channels != wanted:
        # rgb is only the default's name: other channel counts have no colour.
        if color == "rgb":
            color = "any"
        else:
            raise CfgError(
                f"[net] color={color} needs channels={wanted}, not {channels}",
                source,
                line,
            )
    return PixelFormat(
        channels,
        values["range"],
        color,
        full["mean"],
        full["std"],
        values["denormalize"],
    )
