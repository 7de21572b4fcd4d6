"""IMDN: information multi-distillation.

::

    block(x):  r_0 = x;  for k = 1..3:  [d_k, r_k] = leaky(conv(r_{k-1}))
               x + conv 1x1 of attention([d_1, d_2, d_3, conv(r_3)])
    h = conv(picture);  y_b = block(y_{b-1}),  y_0 = h
    picture = shuffle(conv(h + conv(leaky(conv 1x1 of [y_1, ..., y_B]))))

d has a quarter of the channels, r the rest; the attention is per channel, of mean
and standard deviation. Leaky slopes are 0.05. The form that won the AIM challenge of
2019 (``simple``) has no attention, and goes on from the last block alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.attention import channel_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.light import LEAKY, light_end, light_shape, light_start
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["IMDN"]


class IMDN(NetworkFamily):
    """Blocks that set aside a part of the channels at each step."""

    name = "imdn"
    summary = "information multi-distillation network"
    paper = (
        "Hui et al., Lightweight Image Super-Resolution with Information "
        "Multi-distillation Network, 2019"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(6, "distillation blocks"),
        filters_key(64),
        Key("distilled", "int", 16, "channels set aside at each step", minimum=1),
        Key("hidden", "int", 4, "channels inside an attention", minimum=1),
        Key("simple", "bool", False, "1: without attention and fusion of blocks"),
        scale_key(2),
        CHANNELS,
        COLOR,
    )

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, aside = options["filters"], options["distilled"]
        net, x = light_start("fea_conv", options)
        head = x

        def block(name: str, x: int) -> int:
            parts, rest = [], x
            for number in (1, 2, 3):
                y = net.conv(f"{name}.c{number}", rest, filters, **LEAKY)
                parts.append(net.channels_of(y, 0, aside))
                rest = net.channels_of(y, aside, filters - aside)
            parts.append(net.conv(f"{name}.c4", rest, aside))
            y = net.concat(*parts)
            if not options["simple"]:
                squeeze, excite = (f"{name}.cca.conv_du.{place}" for place in (0, 2))
                y = channel_attention(
                    net, squeeze, excite, y, options["hidden"], contrast=True
                )
            return net.sum(net.conv(f"{name}.c5", y, filters, 1), x)

        blocks = []
        for number in range(options["blocks"]):
            x = block(f"IMDB{number + 1}", x)
            blocks.append(x)
        if not options["simple"]:
            x = net.conv("c.0", net.concat(*blocks), filters, 1, **LEAKY)
        return light_end(net, "LR_conv", x, head, options)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        simple = not state.has("c.0")
        return {
            **light_shape(state, "fea_conv", "IMDB{}"),
            "distilled": state.filters("IMDB1.c4"),
            "hidden": 4 if simple else state.filters("IMDB1.cca.conv_du.0"),
            "simple": simple,
        }


IMDN.namings = (
    Naming("IMDN", assume=assume_color),
    Naming(
        "KAIR",  # whose names are wrapped in "model."
        (
            ("0", "fea_conv"),
            ("1.sub.{b}.conv{k}.0", "IMDB{b+1}.c{k}"),
            ("1.sub.{b}.conv4", "IMDB{b+1}.c4"),
            ("1.sub.{b}.conv1x1", "IMDB{b+1}.c5"),
            ("1.sub.{n}", "LR_conv"),
            ("2", "upsampler.0"),
        ),
        counts={"n": "1.sub.{b}.conv1"},
        assume=assume_color,
    ),
)
