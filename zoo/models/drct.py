"""DRCT: dense blocks whose steps are shifted-window transformer blocks.

::

    dense(x):  for k = 1..4:  x_k = leaky(conv 1x1 of block([x, x_1, ..., x_{k-1}]))
               x + 0.2 conv 1x1 of block([x, x_1, ..., x_4])
    h = conv(picture - mean);  y = groups of dense of norm(h)
    y = h + conv(norm(y));  picture = way out of y, + mean

A block is SwinIR's; the second and the fourth have moved windows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    filters_key,
    range_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.transformer import (
    QKV_BIAS,
    WIDTH,
    color_keys,
    end_of,
    norm,
    upsampled,
    window_block,
)

__all__ = ["DRCT"]

_STEPS = 5
_RESIDUAL = 0.2


class DRCT(NetworkFamily):
    """Dense blocks of transformer blocks."""

    name = "drct"
    summary = "dense residual connected transformer"
    paper = (
        "Hsu et al., DRCT: Saving Image Super-Resolution away from Information "
        "Bottleneck, 2024"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("groups", "int", 6, "dense blocks", minimum=1, maximum=1024),
        filters_key(180, "channels between dense blocks"),
        Key("growth", "int", 32, "channels that a step adds", minimum=1),
        Key(
            "heads", "ints", (6, 4, 2, 6, 4), "attention heads of the steps", minimum=1
        ),
        Key(
            "hidden",
            "ints",
            (360, 424, 488, 276, 308),
            "channels inside the MLPs of the steps",
            minimum=1,
        ),
        Key("window", "int", 16, "side of the windows", minimum=2, maximum=64),
        QKV_BIAS,
        Key("end", "str", "pixelshuffle", "way out", choices=("pixelshuffle",)),
        WIDTH,
        scale_key(4),
        CHANNELS,
        COLOR,
        range_key(1.0),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, window = options["filters"], options["window"]
        heads, hidden = options["heads"], options["hidden"]
        if len(heads) != _STEPS or len(hidden) != _STEPS:
            raise UsageError(f"heads and hidden are for {_STEPS} steps each")
        net = NetworkBuilder(**color_keys(options))
        picture = net.input()
        x = head = net.conv("conv_first", net.to_multiple(picture, window), filters)
        x = norm(net, "patch_embed.norm", x)
        for group in range(options["groups"]):
            parts = [x]
            for step in range(_STEPS):
                y = net.concat(*parts) if step else x
                y = window_block(
                    net,
                    f"layers.{group}.swin{step + 1}",
                    y,
                    window=window,
                    heads=heads[step],
                    shifted=step % 2 == 1,
                    hidden=hidden[step],
                    bias=options["bias"],
                )
                name = f"layers.{group}.adjust{step + 1}"
                if step < _STEPS - 1:
                    y = net.conv(name, y, options["growth"], 1, "leaky", slope=0.2)
                else:
                    y = net.conv(name, y, filters, 1)
                parts.append(y)
            x = net.sum(parts[-1], x, alpha=_RESIDUAL)
        x = net.conv("conv_after_body", norm(net, "norm", x), filters)
        x = upsampled(net, net.sum(x, head), options)
        net.like_picture(x, picture, window, options["scale"])
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_first")
        steps = [f"layers.0.swin{step + 1}" for step in range(_STEPS)]
        tables = [
            state.shape(f"{step}.attn.relative_position_bias_table") for step in steps
        ]
        return {
            "groups": state.count("layers.{}.swin1"),
            "filters": filters,
            "growth": state.filters("layers.0.adjust1"),
            "heads": tuple(table[-1] for table in tables),
            "hidden": tuple(state.shape(f"{s}.mlp.fc1.weight")[0] for s in steps),
            "window": (math.isqrt(tables[0][0]) + 1) // 2,
            "bias": f"{steps[0]}.attn.qkv.bias" in state,
            "channels": channels,
            **end_of(state, channels),
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "range": (1.0, "as published")}


DRCT.namings = (Naming("DRCT", assume=_assume),)
