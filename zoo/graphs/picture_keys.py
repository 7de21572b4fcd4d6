"""Range and colours: what no graph says, and what its constants let guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import UsageError
from zoo.graphs.graph import GraphInput

__all__ = ["CLIPPED", "USUAL", "Assumed", "color_of", "range_of"]


@dataclass(frozen=True)
class Assumed:
    """What the graph does not say.

    Attributes
    ----------
    option : str
    value : object
    reason : str
    """

    option: str
    value: Any
    reason: str


USUAL = Assumed("range", 1.0, "as most are; no graph says it")
CLIPPED = Assumed("range", 255.0, "its result is clipped to bytes")
"""A guess that may be wrong: it may take 0 to 1 all the same."""


def range_of(
    settings: Mapping[str, str],
    item: GraphInput,
    keys: Mapping[str, Any],
    assumed: list[Assumed],
    stated: dict[str, Any],
) -> float:
    if "range" in settings:
        try:
            stated["range"] = float(settings["range"])
        except ValueError:
            raise UsageError(f"range={settings['range']} is no number") from None
        return float(stated["range"])
    means, stds = keys.get("mean", (0.0,)), keys.get("std", (1.0,))
    if item.dtype == "uint8":
        stated["range"] = 255.0
        return 255.0
    if min(stds) > 40 or any(90 < mean < 130 for mean in means):
        assumed.append(
            Assumed("range", 255.0, "it divides by numbers, or takes means, of bytes")
        )
        return 255.0
    if "white" in keys:
        assumed.append(CLIPPED)
        return 255.0
    assumed.append(USUAL)
    return 1.0


def color_of(
    settings: Mapping[str, str],
    channels: int,
    keys: Mapping[str, Any],
    assumed: list[Assumed],
    stated: dict[str, Any],
) -> str:
    usual = {1: "y", 3: "rgb"}.get(channels, "any")
    if "color" in settings:
        if settings["color"] not in ("rgb", "bgr", "y", "any"):
            raise UsageError(
                f"color={settings['color']} is none of rgb, bgr, y and any"
            )
        stated["color"] = settings["color"]
        return settings["color"]
    means = keys.get("mean", ())
    if channels == 3 and len(means) == 3:
        red_first = means[0] > means[1] > means[2]
        blue_first = means[0] < means[1] < means[2]
        if red_first or blue_first:
            color = "rgb" if red_first else "bgr"
            assumed.append(Assumed("color", color, "by the order of the means"))
            return color
    if usual == "any":
        stated["color"] = "any"
    elif usual == "y":
        assumed.append(Assumed("color", "y", "one channel; it may be gray as well"))
    else:
        assumed.append(Assumed("color", "rgb", "as most are; no graph says it"))
    return usual
