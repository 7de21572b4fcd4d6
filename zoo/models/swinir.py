"""SwinIR: residual groups of shifted-window transformer blocks.

::

    h = conv(picture - mean);  y = norm(h)
    each group:  z = y;  each block:  z = z + attention(norm(z));  z = z + mlp(norm(z))
                 y = y + conv(z)
    y = h + conv(norm(y))
    picture = way out of y, + mean

Attention looks at windows, in every other block moved by half a window. The picture
is reflected at the bottom and right to a multiple of the window. The way out is as
EDSR's (pixelshuffle), a single shuffle (direct, in the light ones), nearest
neighbours and convolutions (of the GAN ones), or, where nothing is enlarged (none),
what is added to the picture.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.base import NotRecognized
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
    DEEP,
    ENDS,
    QKV_BIAS,
    WIDTH,
    body_convolution,
    color_keys,
    end_of,
    norm,
    paired_groups,
    upsampled,
    window_block,
)
from zoo.parsers.base import Checkpoint

__all__ = ["SwinIR", "assume_range"]

JPEG_WINDOW = 7
"""Side of the windows of the networks that repair JPEG pictures, so that windows are
not JPEG's blocks of 8 (section 4.4 of the paper); they take pictures up to 255."""


class SwinIR(NetworkFamily):
    """Groups of blocks with attention inside windows."""

    name = "swinir"
    summary = "shifted-window transformer"
    paper = "Liang et al., SwinIR: Image Restoration Using Swin Transformer, 2021"
    options: ClassVar[tuple[Key, ...]] = (
        Key("depths", "ints", (6, 6, 6, 6), "blocks of each group", minimum=1),
        Key("heads", "ints", (6, 6, 6, 6), "attention heads of each group", minimum=1),
        filters_key(60, "channels inside; a multiple of the heads"),
        Key("window", "int", 8, "side of the windows", minimum=2, maximum=64),
        Key("hidden", "int", 120, "channels inside an MLP", minimum=1),
        DEEP,
        QKV_BIAS,
        Key("patch_norm", "bool", True, "1: features are normalized at first"),
        ENDS,
        WIDTH,
        scale_key(2),
        Key("unshuffle", "int", 1, "side of the cells at the start", minimum=1),
        CHANNELS,
        COLOR,
        range_key(1.0),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, window = options["filters"], options["window"]
        if options["end"] == "none" and options["scale"] != 1:
            raise UsageError(f"end=none enlarges nothing, not {options['scale']} times")
        net = NetworkBuilder(**color_keys(options))
        picture, cells = net.input(), options["unshuffle"]
        if options["end"] == "none" and cells > 1:
            raise UsageError("end=none adds the picture, which cells are not")
        padded = net.to_multiple(picture, window * cells)
        x = padded
        if cells > 1:
            x = net.add("reorg3d", x, stride=cells, order="crd")
        x = head = net.conv("conv_first", x, filters)
        if options["patch_norm"]:
            x = norm(net, "patch_embed.norm", x)
        for group, (depth, count) in enumerate(paired_groups(options)):
            y, name = x, f"layers.{group}"
            for block in range(depth):
                inner = f"{name}.residual_group.blocks.{block}"
                y = cls.block(net, inner, y, count, block % 2 == 1, options)
            y = cls.group_end(net, f"{name}.residual_group", y, count, options)
            x = net.sum(body_convolution(net, f"{name}.conv", y, options["deep"]), x)
        x = norm(net, "norm", x)
        x = net.sum(body_convolution(net, "conv_after_body", x, options["deep"]), head)
        x = upsampled(net, x, {**options, "scale": options["scale"] * cells})
        if options["end"] == "none":
            x = net.sum(x, padded)
        net.like_picture(x, picture, window * cells, options["scale"])
        return net

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
        """One block of a group."""
        return window_block(
            net,
            name,
            x,
            window=options["window"],
            heads=heads,
            shifted=shifted,
            hidden=options["hidden"],
            bias=options["bias"],
        )

    @classmethod
    def group_end(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        options: Mapping[str, Any],
    ) -> int:
        """What comes behind the blocks of a group, before its convolution."""
        return x

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, inputs, _, _ = state.kernel("conv_first")
        channels = state.filters("conv_last") if state.has("conv_last") else inputs
        cells = math.isqrt(inputs // channels) if channels else 0
        if cells < 1 or inputs != channels * cells**2:
            raise NotRecognized(f"it takes {inputs} channels and makes {channels}")
        groups = state.count("layers.{}.residual_group")
        depths, heads, tables = [], [], set()
        for group in range(groups):
            blocks = f"layers.{group}.residual_group.blocks"
            depths.append(state.count(f"{blocks}.{{}}"))
            table = state.shape(f"{blocks}.0.attn.relative_position_bias_table")
            if len(table) != 2:
                raise NotRecognized(f"{blocks}.0.attn has a table of {len(table)} axes")
            tables.add(table[0])
            heads.append(table[1])
        if len(tables) != 1:
            raise NotRecognized("its groups have windows of different sizes")
        side = math.isqrt(tables.pop())
        first = "layers.0.residual_group.blocks.0"
        return {
            "depths": tuple(depths),
            "heads": tuple(heads),
            "filters": filters,
            "window": (side + 1) // 2,
            "hidden": state.shape(f"{first}.mlp.fc1.weight")[0],
            "deep": state.has("conv_after_body.0"),
            "bias": any(f"{first}.attn.{q}.bias" in state for q in ("qkv", "q")),
            "patch_norm": state.has("patch_embed.norm"),
            "channels": channels,
            **cls._end(state, channels, cells),
        }

    @staticmethod
    def _end(state: StateDict, channels: int, cells: int) -> dict[str, Any]:
        end = end_of(state, channels)
        scale, rest = divmod(end["scale"], cells)
        if rest or not scale:
            raise NotRecognized(
                f"it enlarges {end['scale']} times after cells of {cells} pixels"
            )
        return {**end, "scale": scale, "unshuffle": cells}


def _of_cells(checkpoint: Checkpoint, names: Sequence[str]) -> dict[str, str]:
    """A convolution behind an unshuffle, in one Sequential, is the first."""
    return {name: name.replace("conv_first.1.", "conv_first.") for name in names}


def assume_range(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Order of colours and range of a SwinIR or one of its kind."""
    for_jpeg = options["end"] == "none" and options["window"] == JPEG_WINDOW
    white = (
        (255.0, "as published for JPEG pictures, for windows of 7 that is")
        if for_jpeg
        else (1.0, "as published")
    )
    return {**assume_color(options), "range": white}


SwinIR.namings = (
    Naming("SwinIR", assume=assume_range),
    Naming("SwinIR of cells", rename=_of_cells, assume=assume_range),
)
