"""EFDN: edge-enhanced feature distillation, in the form that is deployed.

::

    cell(x):  a = prelu(conv 1x1 of x);  b = prelu(conv(a));  c = prelu(conv(b))
              x + attention(conv 1x1 of [half(x), half(a), half(b), half(c)])
    h = conv(picture);  y_1 = cell(h);  y_2 = cell(y_1);  z_2 = fuse(y_1, y_2)
    y_3 = cell(z_2);  y_4 = cell(fuse(y_2, y_3))
    picture = shuffle(conv(h + fuse(y_2, y_4))), clipped to 0..1

half is a 1 x 1 convolution to half the channels, fuse one of two layers' channels,
and the attention spatial, of a small picture. While it is trained a 3 x 3 convolution
is several branches, which the deployed form has merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.attention import enhanced_spatial_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    filters_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["EFDN"]


class EFDN(NetworkFamily):
    """Four cells, fused in pairs."""

    name = "efdn"
    summary = "edge-enhanced feature distillation network"
    paper = (
        "Wang, Edge-enhanced Feature Distillation Network for Efficient "
        "Super-Resolution, 2022"
    )
    options: ClassVar[tuple[Key, ...]] = (
        filters_key(48),
        Key("hidden", "int", 12, "channels inside an attention", minimum=1),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters = options["filters"]
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )

        def cell(number: int, x: int) -> int:
            name = f"cells.{number}"
            outputs = [x]
            for module, size in (
                ("conv1.conv1x1", 1),
                ("conv2.rep_conv", 3),
                ("conv3.rep_conv", 3),
            ):
                y = net.conv(f"{name}.{module}", outputs[-1], filters, size)
                act = f"{name}.{module.partition('.')[0]}.act"
                outputs.append(net.prelu(act, y))
            halves = [
                net.conv(f"{name}.branch.{place}", y, filters // 2, 1)
                for place, y in enumerate(outputs)
            ]
            y = net.conv(f"{name}.fuse", net.concat(*halves), filters, 1)
            y = enhanced_spatial_attention(
                net, f"{name}.att", y, options["hidden"], deep=True
            )
            return net.sum(y, x)

        def fused(number: int, one: int, two: int) -> int:
            return net.conv(f"local_fuse.{number}", net.concat(one, two), filters, 1)

        head = net.conv("head", net.input(), filters)
        first = cell(0, head)
        second = cell(1, first)
        third = cell(2, fused(0, first, second))
        fourth = cell(3, fused(1, second, third))
        x = net.sum(fused(2, second, fourth), head)
        scale = options["scale"]
        x = net.conv("tail.0", x, options["channels"] * scale**2)
        net.activation(net.shuffle(x, scale), "clip", low=0, high=1)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("head")
        return {
            "filters": filters,
            "hidden": state.filters("cells.0.att.conv1"),
            "scale": state.shuffle_factor("tail.0", channels),
            "channels": channels,
        }


EFDN.namings = (Naming("EFDN", assume=assume_color),)
