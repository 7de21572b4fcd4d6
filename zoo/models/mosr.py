"""MoSR: gated convolutional blocks.

::

    block(x):  [g, i, c] = conv(norm(x));  c = conv 7 x 7 of c, per channel
               x - 1/2 + mish(conv(mish(g) [i, c]))
    y = conv 1x1 of mish(conv(mish(conv(B blocks of conv(picture)))))
    s = conv 1x1 of picture + mish(conv(mish(conv(picture))))
    picture = shuffle(conv(y + s - 1/2)), or dysample(y + s - 1/2)

The normalization takes no notice of a constant that all channels share, so the
halves that the blocks subtract are subtracted once, behind them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

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
from zoo.models.folding import finite_float32
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import AffineMap, ConstantMap, Mapped, require_shape

__all__ = ["MoSR"]

_HALF = 0.5


class _LessHalf(AffineMap):
    """A convolution from whose bias one half is subtracted."""

    def convert(self, state: StateDict) -> Mapped:
        mapped = super().convert(state)
        mapped.parameters["biases"] = mapped.parameters["biases"] - np.float32(_HALF)
        mapped.uses[f"{self.module}.bias"] = (
            "folded",
            f"{self.tensor('biases')} (less 1/2)",
        )
        return mapped


class _MeanOfEight(AffineMap):
    """A convolution that is made eight times, of which the program takes the mean."""

    def check(self, state: StateDict) -> None:
        filters, *others = self.weight_shape
        require_shape(state, f"{self.module}.weight", (8 * filters, *others))
        require_shape(state, f"{self.module}.bias", (8 * filters,))

    def convert(self, state: StateDict) -> Mapped:
        mapped = Mapped()
        for part, parameter, shape in (
            ("weight", "weights", self.weight_shape),
            ("bias", "biases", self.shapes["biases"]),
        ):
            name = f"{self.module}.{part}"
            tensor = finite_float32(state[name], state.original(name))
            mean = tensor.reshape(8, *shape).mean(0, dtype=np.float64)
            mapped.parameters[parameter] = mean.astype(np.float32)
            where = f"{self.tensor(parameter)} (mean of eight)"
            mapped.uses[name] = ("folded", where)
        weights = mapped.parameters["weights"].transpose(2, 3, 1, 0)
        mapped.parameters["weights"] = np.ascontiguousarray(weights)
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
        Key(
            "upsampler",
            "str",
            "shuffle",
            "way out; ensemble is a shuffle of the mean of eight convolutions",
            choices=("shuffle", "ensemble", "dysample"),
        ),
        Key("samplings", "int", 4, "groups of channels of dysample", minimum=1),
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
        x, channels = net.sum(s, x), options["channels"]
        if options["upsampler"] == "dysample":
            net.dysample("upsampler", x, channels, scale, options["samplings"])
            return net
        module, how = "upsampler.0", AffineMap
        if options["upsampler"] == "ensemble":
            module, how = "upsampler.in_to_k", _MeanOfEight
        net.shuffle(net.conv(module, x, channels * scale**2, map_by=how), scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("gblocks.0")
        end: dict[str, Any] = {"upsampler": "shuffle"}
        if state.has("upsampler.offset"):
            # Its groups are four, which only the program says.
            factor = math.isqrt(state.filters("upsampler.offset") // 8)
            end = {"upsampler": "dysample", "samplings": 4, "scale": max(factor, 1)}
        elif state.has("upsampler.in_to_k"):
            factor = state.shuffle_factor("upsampler.in_to_k", 8 * channels)
            end = {"upsampler": "ensemble", "scale": factor}
        else:
            end["scale"] = state.shuffle_factor("upsampler.0", channels)
        blocks = state.count("gblocks.{}.norm", first=1)
        convolved, _, size, _ = state.kernel("gblocks.1.conv")
        return {
            "blocks": blocks,
            "filters": filters,
            "width": state.filters("gblocks.1.fc1") // 2,
            "convolved": convolved,
            "size": size,
            "channels": channels,
            **end,
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        known = "upsampler.init_pos"
        return {known: "follows from the scale"} if known in state else {}


MoSR.namings = (Naming("MoSR", assume=assume_color),)
