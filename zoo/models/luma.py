"""What the first networks share: luma alone, enlarged before or at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder

__all__ = ["ENLARGED", "assume_enlarged", "assume_luma", "enlarged_picture"]

ENLARGED = Key(
    "enlarge",
    "str",
    "bicubic",
    "how the picture is enlarged before the network; none where it is so already",
    choices=("bicubic", "bilinear", "nearest", "none"),
)

_MATLAB = -0.5  # the a of MATLAB's bicubic filter, which these papers used


def enlarged_picture(net: NetworkBuilder, options: Mapping[str, Any]) -> int:
    """The picture, ``scale`` times as large."""
    picture = net.input()
    mode = options["enlarge"]
    if options["scale"] == 1 or mode == "none":
        return picture
    a: dict[str, Any] = {"a": _MATLAB} if mode == "bicubic" else {}
    return net.add("upsample", picture, stride=options["scale"], mode=mode, **a)


def assume_luma(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """One channel is the luma, three are red, green and blue."""
    color = {1: "y", 3: "rgb"}.get(options["channels"], "any")
    return {"color": (color, "as published")}


def assume_enlarged(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """The same, and a scale of which the tensors know nothing."""
    return {
        **assume_luma(options),
        "scale": (2, "the tensors are the same for every scale"),
        "enlarge": ("bicubic", "as published"),
    }
