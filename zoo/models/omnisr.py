"""OmniSR: attention between pixels and between channels, near and far, by turns.

::

    each block, with x = x + f(norm(x)) for each f but the first, which is not
    normalized:  inverted bottleneck, attention in windows, gate, channels in windows,
    gate, attention of pixels that are spread, gate, channels of spread pixels, gate
    gate(x):  [a, b] = conv 3 x 3 per channel of conv 1 x 1 of x;  conv 1x1 of gelu(a) b
    each group:  y = spatial attention of x + conv 1 x 1 of blocks of x
    h = conv(picture);  picture = shuffle(conv(h + conv(groups of h)))

The picture is padded with zeros at the bottom and right to a multiple of the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.attention import enhanced_spatial_attention
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
from zoo.models.tensor_map import VectorsMap

__all__ = ["OmniSR"]

_HEADS = 4


@dataclass(frozen=True)
class _Positions(VectorsMap):
    """The table of biases, as torch.nn.Embedding keeps it."""

    parts: ClassVar[Mapping[str, str]] = {"rel_pos_bias.weight": "position_biases"}


class OmniSR(NetworkFamily):
    """Groups of blocks that look at windows, grids and channels."""

    name = "omnisr"
    summary = "omni aggregation networks"
    paper = (
        "Wang et al., Omni Aggregation Networks for Lightweight Image "
        "Super-Resolution, 2023"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("groups", "int", 5, "groups of blocks", minimum=1, maximum=1024),
        blocks_key(1, "blocks of a group"),
        filters_key(64, "channels inside; a multiple of four"),
        Key("window", "int", 8, "side of the windows", minimum=2, maximum=64),
        Key("positions", "bool", True, "0: no biases of positions"),
        Key("expanded", "int", 64, "channels inside a bottleneck", minimum=1),
        Key("squeeze", "int", 16, "channels of its squeeze", minimum=1),
        Key("hidden", "int", 16, "channels inside a spatial attention", minimum=1),
        Key("gate", "int", 64, "channels inside a gate", minimum=1),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, window, scale = (options[k] for k in ("filters", "window", "scale"))
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        picture = net.input()
        x = net.to_multiple(picture, window, mode="zero")
        x = head = net.conv("input", x, filters)
        for group in range(options["groups"]):
            y, name = x, f"residual_layer.{group}"
            for block in range(options["blocks"]):
                y = cls._block(net, f"{name}.residual_layer.{block}.layer", y, options)
            y = net.conv(f"{name}.residual_layer.{options['blocks']}", y, filters, 1)
            x = enhanced_spatial_attention(
                net, f"{name}.esa", net.sum(y, x), options["hidden"], deep=False
            )
        x = net.sum(net.conv("output", x, filters), head)
        x = net.shuffle(net.conv("up.0", x, options["channels"] * scale**2), scale)
        net.like_picture(x, picture, window, scale)
        return net

    @classmethod
    def _block(
        cls, net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> int:
        x = cls._bottleneck(net, f"{name}.0.fn", x, options)
        # Two rearrangements stand around each attention between pixels.
        for place, grid in ((2, False), (8, True)):
            x = cls._pixels(net, f"{name}.{place}", x, grid, options)
            x = cls._gate(net, f"{name}.{place + 2}", x, options)
            x = cls._channels(net, f"{name}.{place + 3}", x, grid, options)
            x = cls._gate(net, f"{name}.{place + 4}", x, options)
        return x

    @staticmethod
    def _bottleneck(
        net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> int:
        expanded = options["expanded"]
        y = net.conv(f"{name}.0", x, expanded, 1, "gelu_erf")
        y = net.conv(f"{name}.2", y, expanded, 3, "gelu_erf", groups=expanded)
        z = net.add("avgpool", y)
        z = net.conv(f"{name}.4.gate.1", z, options["squeeze"], 1, "silu", bias=False)
        z = net.conv(f"{name}.4.gate.3", z, expanded, 1, "logistic", bias=False)
        y = net.conv(f"{name}.5", net.scaled(y, z), options["filters"], 1)
        return net.sum(y, x)

    @staticmethod
    def _pixels(
        net: NetworkBuilder, name: str, x: int, grid: bool, options: Mapping[str, Any]
    ) -> int:
        filters = options["filters"]
        y = net.add("layernorm", x, module=f"{name}.norm", eps=1e-5)
        y = net.conv(f"{name}.fn.to_qkv", y, 3 * filters, 1, bias=False)
        y = net.add(
            "window_attention",
            y,
            module=f"{name}.fn",
            map_by=_Positions,
            heads=_HEADS,
            window=(options["window"],),
            grid=grid,
            positions=options["positions"],
        )
        return net.sum(net.conv(f"{name}.fn.to_out.0", y, filters, 1, bias=False), x)

    @staticmethod
    def _channels(
        net: NetworkBuilder, name: str, x: int, grid: bool, options: Mapping[str, Any]
    ) -> int:
        filters, inner = options["filters"], 3 * options["filters"]
        y = net.add("layernorm", x, module=f"{name}.norm", eps=1e-6)
        y = net.conv(f"{name}.fn.qkv", y, inner, 1, bias=False)
        y = net.conv(f"{name}.fn.qkv_dwconv", y, inner, groups=inner, bias=False)
        y = net.add(
            "transposed_attention",
            y,
            module=f"{name}.fn",
            heads=_HEADS,
            window=options["window"],
            grid=grid,
        )
        y = net.conv(f"{name}.fn.project_out", y, filters, 1, bias=False)
        return net.sum(y, x)

    @staticmethod
    def _gate(
        net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> int:
        gate, filters = options["gate"], options["filters"]
        y = net.add("layernorm", x, module=f"{name}.norm", eps=1e-6)
        y = net.conv(f"{name}.fn.project_in", y, 2 * gate, 1, bias=False)
        y = net.conv(f"{name}.fn.dwconv", y, 2 * gate, groups=2 * gate, bias=False)
        a = net.activation(net.channels_of(y, 0, gate), "gelu_erf")
        y = net.product(net.channels_of(y, gate, gate), a)
        return net.sum(net.conv(f"{name}.fn.project_out", y, filters, 1, bias=False), x)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("input")
        block = "residual_layer.0.residual_layer.0.layer"
        table = f"{block}.2.fn.rel_pos_bias.weight"
        options: dict[str, Any] = {}
        if table in state:
            side = math.isqrt(state.shape(table)[0])
            options = {"window": (side + 1) // 2}
        return {
            **options,
            "groups": state.count("residual_layer.{}"),
            "blocks": state.count("residual_layer.0.residual_layer.{}.layer"),
            "filters": filters,
            "positions": table in state,
            "expanded": state.filters(f"{block}.0.fn.0"),
            "squeeze": state.shape(f"{block}.0.fn.4.gate.1.weight")[0],
            "hidden": state.filters("residual_layer.0.esa.conv1"),
            "gate": state.kernel(f"{block}.4.fn.project_out")[1],
            "scale": state.shuffle_factor("up.0", channels),
            "channels": channels,
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "window": (8, "as published")}


OmniSR.namings = (Naming("OmniSR", assume=_assume),)
