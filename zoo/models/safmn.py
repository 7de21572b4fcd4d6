"""SAFMN: spatially adaptive feature modulation.

::

    block(x):  x = x + modulation(norm(x));  x = x + conv 1x1 of gelu(conv(norm(x)))
    modulation(x):  the channels in four parts; part i, the largest of each cell of
        2^i x 2^i pixels, through a convolution per channel, and as large as before;
        x gelu(conv 1x1 of the four)
    h = conv(picture);  picture = shuffle(conv(h + B blocks of h))

Where a picture is no multiple of 8, cells share rows and columns with their neighbours,
as the published program's adaptive pooling has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["SAFMN"]

_LEVELS = 4


class SAFMN(NetworkFamily):
    """Features modulated by themselves at four sizes."""

    name = "safmn"
    summary = "spatially adaptive feature modulation network"
    paper = (
        "Sun et al., Spatially-Adaptive Feature Modulation for Efficient Image "
        "Super-Resolution, 2023"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(8),
        filters_key(36, "channels inside; a multiple of four"),
        Key("width", "int", 72, "channels inside a mixer", minimum=1, maximum=16384),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale = options["filters"], options["scale"]
        if filters % _LEVELS:
            raise UsageError(f"filters={filters} is no multiple of {_LEVELS}")
        part = filters // _LEVELS
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )

        def modulation(name: str, x: int) -> int:
            parts = []
            for level in range(_LEVELS):
                y = net.channels_of(x, level * part, part)
                if level:
                    y = net.add("maxpool", y, stride=2**level, adaptive=True)
                y = net.conv(f"{name}.mfr.{level}", y, part, groups=part)
                parts.append(net.resize_like(y, x, "nearest") if level else y)
            y = net.conv(f"{name}.aggr", net.concat(*parts), filters, 1, "gelu_erf")
            return net.product(y, x)

        x = head = net.conv("to_feat", net.input(), filters)
        for block in range(options["blocks"]):
            name = f"feats.{block}"
            y = net.add("layernorm", x, module=f"{name}.norm1", eps=1e-6)
            x = net.sum(modulation(f"{name}.safm", y), x)
            y = net.add("layernorm", x, module=f"{name}.norm2", eps=1e-6)
            y = net.conv(f"{name}.ccm.ccm.0", y, options["width"], 3, "gelu_erf")
            x = net.sum(net.conv(f"{name}.ccm.ccm.2", y, filters, 1), x)
        x = net.conv("to_img.0", net.sum(x, head), options["channels"] * scale**2)
        net.shuffle(x, scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("to_feat")
        return {
            "blocks": state.count("feats.{}"),
            "filters": filters,
            "width": state.filters("feats.0.ccm.ccm.0"),
            "scale": state.shuffle_factor("to_img.0", channels),
            "channels": channels,
        }


SAFMN.namings = (Naming("SAFMN", assume=assume_color),)
