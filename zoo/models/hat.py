"""HAT: SwinIR with attention between channels beside it, and over overlapping windows.

::

    each block:  y = norm(x);  x = x + attention(y) + weight * channels(y)
                 x = x + mlp(norm(x))
    channels(x): y = conv(gelu(conv(x)));  y times a factor per channel of its mean
    behind the blocks of a group:  x = x + overlapping attention(norm(x))
                                   x = x + mlp(norm(x))

In the overlapping attention a pixel of a window sees keys and values around it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from zoo.keys import Key
from zoo.models.attention import channel_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.naming import Naming
from zoo.models.state_dict import StateDict
from zoo.models.swinir import SwinIR, assume_range
from zoo.models.tensor_map import Mapped, PositionsMap
from zoo.models.transformer import biases, changed, mlp, norm, self_attention

__all__ = ["HAT"]


@dataclass(frozen=True)
class _OverlappingPositions(PositionsMap):
    """The table in the order in which the program counts: from k at its beginning.

    A difference of places d, of k less q, is row d + window - larger + 1 of a square,
    and the same in columns; where that is below zero it counts from the table's end.

    Attributes
    ----------
    window, overlap : int
        Side of a window, and what is seen around it.
    """

    window: int = 0
    overlap: int = 0

    def convert(self, state: StateDict) -> Mapped:
        mapped = super().convert(state)
        side = 2 * self.window + 2 * self.overlap - 1
        # The layer's table begins with q as far behind k as it can be, and goes on.
        theirs = self.window - np.arange(side)
        rows = (theirs[:, None] * side + theirs).ravel() % side**2
        table = mapped.parameters["position_biases"]
        mapped.parameters["position_biases"] = np.ascontiguousarray(table[rows])
        return mapped


class HAT(SwinIR):
    """Groups of blocks with attention inside windows and between channels."""

    name = "hat"
    summary = "hybrid attention transformer"
    paper = "Chen et al., Activating More Pixels in Image Super-Resolution Transformer, 2023"
    options: ClassVar[tuple[Key, ...]] = (
        *changed(
            SwinIR.options,
            depths=(6,) * 6,
            heads=(6,) * 6,
            filters=180,
            window=16,
            hidden=360,
            scale=4,
        ),
        Key("overlap", "int", 4, "pixels seen around a window", minimum=0, maximum=64),
        Key(
            "convolved", "int", 60, "channels inside a block's convolutions", minimum=1
        ),
        Key("squeeze", "int", 6, "channels that factors are made of", minimum=1),
        Key("weight", "float", 0.01, "factor of the attention between channels"),
    )

    @classmethod
    def block(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        shifted: bool,
        options: Mapping[str, Any],
    ) -> int:
        y = norm(net, f"{name}.norm1", x)
        attended = self_attention(
            net, f"{name}.attn", y, options["window"], heads, shifted, options["bias"]
        )
        x = net.sum(attended, x)
        inner = f"{name}.conv_block.cab"
        z = net.conv(f"{inner}.0", y, options["convolved"], activation="gelu_erf")
        z = net.conv(f"{inner}.2", z, options["filters"])
        factors = f"{inner}.3.attention"
        z = channel_attention(
            net, f"{factors}.1", f"{factors}.3", z, options["squeeze"]
        )
        x = net.sum(z, x, alpha=options["weight"])
        y = norm(net, f"{name}.norm2", x)
        return net.sum(mlp(net, f"{name}.mlp", y, options["hidden"]), x)

    @classmethod
    def group_end(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        options: Mapping[str, Any],
    ) -> int:
        name = f"{name}.overlap_attn"
        filters, window, overlap = (
            options[k] for k in ("filters", "window", "overlap")
        )
        y = norm(net, f"{name}.norm1", x)
        qkv = net.conv(f"{name}.qkv", y, 3 * filters, 1, **biases(options["bias"]))
        kv = net.channels_of(qkv, filters, 2 * filters)
        q = net.channels_of(qkv, 0, filters)
        y = net.cross_attention(
            name,
            q,
            kv,
            map_by=_OverlappingPositions,
            map_keys={"window": window, "overlap": overlap},
            heads=heads,
            window=(window,),
            overlap=overlap,
        )
        x = net.sum(net.conv(f"{name}.proj", y, filters, 1), x)
        y = norm(net, f"{name}.norm2", x)
        return net.sum(mlp(net, f"{name}.mlp", y, options["hidden"]), x)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        options = super().infer(state, stated)
        group = "layers.0.residual_group"
        table = state.shape(f"{group}.overlap_attn.relative_position_bias_table")
        block = f"{group}.blocks.0.conv_block.cab"
        return {
            **options,
            "overlap": (math.isqrt(table[0]) + 1) // 2 - options["window"],
            "convolved": state.filters(f"{block}.0"),
            "squeeze": state.filters(f"{block}.3.attention.1"),
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: "follows from the size of the window"
            for name in ("relative_position_index_SA", "relative_position_index_OCA")
            if name in state
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_range(options), "weight": (0.01, "as published")}


HAT.namings = (Naming("HAT", assume=_assume),)
