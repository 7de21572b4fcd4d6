"""LapSRN: a pyramid, twice as large at each level.

::

    f = leaky(conv(picture));  g = picture;  at each level
        f = leaky(transposed conv of ten times leaky(conv))
        g = transposed conv of g + conv(f)

Each level is a result; the last is the picture here. Leaky slopes are 0.2, nothing
has biases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, blocks_key, filters_key, scale_key
from zoo.models.luma import assume_luma
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["LapSRN"]

_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.2, "bias": False}


class LapSRN(NetworkFamily):
    """Levels that enlarge features and picture side by side."""

    name = "lapsrn"
    summary = "Laplacian pyramid of transposed convolutions"
    paper = (
        "Lai et al., Deep Laplacian Pyramid Networks for Fast and Accurate "
        "Super-Resolution, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(10, "convolutions of a level"),
        filters_key(64),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, channels = options["filters"], options["channels"]
        levels = math.log2(options["scale"])
        if levels < 1 or levels != int(levels):
            raise UsageError(f"scale={options['scale']} is not 2, 4 or 8")
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])
        picture = net.input()
        x = net.conv("conv_input", picture, filters, **_LEAKY)
        twice: dict[str, Any] = {"size": 4, "stride": 2, "padding": 1, "bias": False}
        for level in range(1, int(levels) + 1):
            name = f"convt_F{level}.0.cov_block"
            for block in range(options["blocks"]):
                x = net.conv(f"{name}.{2 * block}", x, filters, **_LEAKY)
            x = net.deconv(
                f"{name}.{2 * options['blocks']}",
                x,
                filters,
                **{**_LEAKY, **twice},
            )
            larger = net.deconv(f"convt_I{level}", picture, channels, **twice)
            detail = net.conv(f"convt_R{level}", x, channels, bias=False)
            picture = net.sum(detail, larger)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_input")
        levels = state.count("convt_F{}", first=1)
        convolutions = 0
        while state.has(f"convt_F1.0.cov_block.{2 * convolutions}"):
            convolutions += 1
        return {
            "blocks": convolutions - 1,
            "filters": filters,
            "scale": 2**levels,
            "channels": channels,
        }


LapSRN.namings = (Naming("pytorch-LapSRN", assume=assume_luma),)
