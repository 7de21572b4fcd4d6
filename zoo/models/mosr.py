"""MoSR: gated convolutional blocks.

::

    block(x):  [g, i, c] = conv(norm(x));  c = conv 7 x 7 of c, per channel
               x - 1/2 + mish(conv(mish(g) [i, c]))
    y = conv 1x1 of mish(conv(mish(conv(B blocks of conv(picture)))))
    s = conv 1x1 of picture + mish(conv(mish(conv(picture))))
    picture = shuffle(conv(y + s - 1/2))

The normalization takes no notice of a constant that all channels share, so the
halves that the blocks subtract are subtracted once, behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.base import NotRecognized
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
from zoo.models.tensor_map import AffineMap, ConstantMap, Mapped

__all__ = ["MoSR"]

_HALF = 0.5


class _LessHalf(AffineMap):
    """A convolution from whose bias one half is subtracted."""

    def convert(self, state: StateDict) -> Mapped:
        mapped = super().convert(state)
        mapped.parameters["biases"] = mapped.parameters["biases"] - np.float32(_HALF)
        mapped.ledger[f"{self.module}.bias"] = (
            "folded",
            f"{self.tensor('biases')} (less 1/2)",
        )
        return mapped


class MoSR(NetworkFamily):
    """Half of the channels are gates of the other half."""

    name = "mosr"
    summary = "gated convolutional blocks, after MambaOut"
    paper = "umzi2, MoSR, 2024; its blocks: Yu and Wang, MambaOut, 2024"
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(24, "gated blocks"),
        filters_key(64),
        Key("width", "int", 96, "channels inside a block", minimum=1, maximum=16384),
        Key("convolved", "int", 64, "channels of the large kernel", minimum=1),
        Key("size", "int", 7, "side of the large kernel; odd", minimum=1, maximum=63),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale = options["filters"], options["scale"]
        width, convolved = options["width"], options["convolved"]
        if convolved > width:
            raise UsageError(f"convolved={convolved} is more than width={width}")
        blocks = options["blocks"]
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        picture = net.input()
        x = net.conv("gblocks.0", picture, filters)
        for block in range(1, blocks + 1):
            name = f"gblocks.{block}"
            y = net.add("layernorm", x, module=f"{name}.norm", eps=1e-6)
            y = net.conv(f"{name}.fc1", y, 2 * width)
            gate = net.activation(net.channels_of(y, 0, width), "mish")
            last = net.channels_of(y, 2 * width - convolved, convolved)
            last = net.conv(
                f"{name}.conv", last, convolved, options["size"], groups=convolved
            )
            if convolved < width:
                last = net.concat(net.channels_of(y, width, width - convolved), last)
            y = net.conv(f"{name}.fc2", net.product(last, gate), filters, 3, "mish")
            x = net.sum(y, x)
        x = net.conv(
            "",
            x,
            filters,
            1,
            groups=filters,
            map_by=ConstantMap,
            map_keys={"values": {"weights": 1.0, "biases": -_HALF * blocks}},
        )
        x = net.conv(f"gblocks.{blocks + 1}", x, 2 * filters, 3, "mish")
        x = net.conv(f"gblocks.{blocks + 3}", x, filters, 3, "mish")
        x = net.conv(f"gblocks.{blocks + 5}", x, filters, 1)
        s = net.conv("shortcut.block.0", picture, filters, 3, "mish")
        s = net.conv("shortcut.block.2", s, filters, 3, "mish")
        s = net.sum(
            net.conv("shortcut.conv11", picture, filters, 1, map_by=_LessHalf), s
        )
        x = net.conv("upsampler.0", net.sum(s, x), options["channels"] * scale**2)
        net.shuffle(x, scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("gblocks.0")
        for tensor, what in (("init_pos", "DySample"), ("in_to_k.weight", "GPS")):
            if f"upsampler.{tensor}" in state:
                raise NotRecognized(
                    f"its last layer is {what}; zoo converts the form that ends in a "
                    f"pixel shuffle"
                )
        blocks = state.count("gblocks.{}.norm", first=1)
        convolved, _, size, _ = state.kernel("gblocks.1.conv")
        return {
            "blocks": blocks,
            "filters": filters,
            "width": state.filters("gblocks.1.fc1") // 2,
            "convolved": convolved,
            "size": size,
            "scale": state.shuffle_factor("upsampler.0", channels),
            "channels": channels,
        }


MoSR.namings = (Naming("MoSR", assume=assume_color),)
