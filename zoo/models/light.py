"""What the light networks of the challenges have in common: their keys and ends.

::

    h = conv(picture);  y = blocks of h;  picture = shuffle(conv(h + conv(y)))
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.models.builder import NetworkBuilder
from zoo.models.state_dict import StateDict

__all__ = ["LEAKY", "light_end", "light_shape", "light_start"]

LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.05}


def light_start(module: str, options: Mapping[str, Any]) -> tuple[NetworkBuilder, int]:
    """A network of pictures from 0 to 1, and h, which ``module`` makes."""
    net = NetworkBuilder(channels=options["channels"], range=1, color=options["color"])
    return net, net.conv(module, net.input(), options["filters"])


def light_end(
    net: NetworkBuilder, module: str, x: int, head: int, options: Mapping[str, Any]
) -> NetworkBuilder:
    """From the blocks, and h beside them, to the larger picture."""
    x, scale = net.sum(net.conv(module, x, options["filters"]), head), options["scale"]
    net.shuffle(net.conv("upsampler.0", x, options["channels"] * scale**2), scale)
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
