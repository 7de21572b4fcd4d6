"""What the light networks of the challenges have in common: their keys and ends.

::

    h = conv(picture);  y = blocks of h;  picture = shuffle(conv(h + conv(y)))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    assume_color,
    range_key,
)
from zoo.models.state_dict import StateDict

__all__ = [
    "LEAKY",
    "RANGE",
    "RANGES",
    "assume_range",
    "light_end",
    "light_shape",
    "light_start",
]

LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.05}

RANGE = range_key(1.0)
RANGES: Final = (1.0, 255.0)
"""Of white, in the published files of one and the same network."""


def assume_range(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Colours as published; the entries of the challenges differ in their range."""
    return {
        **assume_color(options),
        "range": (1.0, "as in the papers; entries of challenges often have 255"),
    }


def light_start(module: str, options: Mapping[str, Any]) -> tuple[NetworkBuilder, int]:
    """A network of pictures from 0 to ``range``, and h, which ``module`` makes."""
    net = NetworkBuilder(
        channels=options["channels"],
        range=options.get("range", 1),
        color=options["color"],
    )
    return net, net.conv(module, net.input(), options["filters"])


def light_end(
    net: NetworkBuilder, module: str, x: int, head: int, options: Mapping[str, Any]
) -> NetworkBuilder:
    """From the blocks, and h beside them, to the larger picture.

    The first layer is the picture itself, which is enlarged and added on demand.
    """
    x, scale = net.sum(net.conv(module, x, options["filters"]), head), options["scale"]
    x = net.conv("upsampler.0", x, options["channels"] * scale**2)
    x = net.shuffle(x, scale)
    if options.get("enlarged"):
        net.sum(net.upsample(0, scale, "bilinear"), x)
    return net


def light_shape(state: StateDict, module: str, block: str) -> dict[str, Any]:
    """Blocks, filters, scale and channels, from the first module and a block's name."""
    filters, channels, _, _ = state.kernel(module)
    return {
        "blocks": state.count(block, first=1),
        "filters": filters,
        "scale": state.shuffle_factor("upsampler.0", channels),
        "channels": channels,
    }
