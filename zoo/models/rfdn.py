"""RFDN: residual feature distillation.

::

    block(x):  r_0 = x;  for k = 1..3:  d_k = leaky(conv 1x1 of r_{k-1})
                                        r_k = leaky(r_{k-1} + conv(r_{k-1}))
               attention(conv 1x1 of [d_1, d_2, d_3, leaky(conv(r_3))])
    h = conv(picture);  y_b = block(y_{b-1}),  y_0 = h
    picture = shuffle(conv(h + conv(leaky(conv 1x1 of [y_1, ..., y_B]))))

The attention is spatial, of a small picture. Leaky slopes are 0.05. With ``merged``
(SFDN of NTIRE 2022) r_k is leaky(conv(r_{k-1})), trained so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.attention import enhanced_spatial_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.light import (
    LEAKY,
    RANGE,
    RANGES,
    assume_range,
    light_end,
    light_shape,
    light_start,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["RFDN"]


class RFDN(NetworkFamily):
    """Blocks that distil features beside shallow residuals."""

    name = "rfdn"
    summary = "residual feature distillation network"
    paper = (
        "Liu et al., Residual Feature Distillation Network for Lightweight Image "
        "Super-Resolution, 2020"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(4, "distillation blocks"),
        filters_key(50),
        Key("distilled", "int", 25, "channels set aside at each step", minimum=1),
        Key("hidden", "int", 12, "channels inside an attention", minimum=1),
        Key(
            "merged",
            "bool",
            False,
            "1: without conv_f, and what shallow residuals add is in their kernels",
        ),
        Key(
            "dilations",
            "ints",
            (1, 1, 1),
            "of the three shallow residual convolutions of a block",
            minimum=1,
            maximum=16,
        ),
        scale_key(4),
        CHANNELS,
        COLOR,
        RANGE,
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "range": RANGES,
        "dilations": ((1, 1, 1), (1, 2, 5)),
    }

    exports = True
    program: ClassVar[Mapping[str, Any]] = {
        "dilations": (1, 1, 1),
        "merged": False,
    }

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, aside = options["filters"], options["distilled"]
        if len(options["dilations"]) != 3:
            raise UsageError("dilations are three, for the three steps of a block")
        net, x = light_start("fea_conv", options)
        head = x

        def block(name: str, x: int) -> int:
            parts = []
            for number, dilation in enumerate(options["dilations"], start=1):
                parts.append(net.conv(f"{name}.c{number}_d", x, aside, 1, **LEAKY))
                keys: dict[str, Any] = {"dilation": dilation} if dilation > 1 else {}
                if options["merged"]:
                    x = net.conv(f"{name}.c{number}_r", x, filters, **keys, **LEAKY)
                else:
                    y = net.conv(f"{name}.c{number}_r", x, filters, **keys)
                    x = net.sum(y, x, **LEAKY)
            parts.append(net.conv(f"{name}.c4", x, aside, **LEAKY))
            x = net.conv(f"{name}.c5", net.concat(*parts), filters, 1)
            return enhanced_spatial_attention(
                net,
                f"{name}.esa",
                x,
                options["hidden"],
                deep=True,
                mixed=not options["merged"],
            )

        blocks = []
        for number in range(options["blocks"]):
            x = block(f"B{number + 1}", x)
            blocks.append(x)
        x = net.conv("c.0", net.concat(*blocks), filters, 1, **LEAKY)
        return light_end(net, "LR_conv", x, head, options)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **light_shape(state, "fea_conv", "B{}"),
            "distilled": state.filters("B1.c1_d"),
            "hidden": state.filters("B1.esa.conv1"),
            "merged": state.has("B1.esa.conv1") and not state.has("B1.esa.conv_f"),
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_range(options), "dilations": ((1, 1, 1), "as published")}


RFDN.namings = (Naming("RFDN", assume=_assume),)
