"""RCAN: residual channel attention.

::

    h = conv(picture - mean);  y = h
    G times:  z = y;  B times  z = z + attention(conv(relu(conv(z))))
              y = y + conv(z)
    y = h + conv(y)
    (conv F -> p^2 F, shuffle p) for each prime p of the scale
    picture = conv(y) + mean

The attention is a factor per channel. With ``unshuffle`` r, cells of r x r pixels
become channels first, and the network enlarges r times as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import NDArray

from zoo.keys import Key
from zoo.models.attention import channel_attention
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    mean_of,
    prime_factors,
    range_key,
    scale_key,
)
from zoo.models.mean_shift import mean_shift, mean_shift_tensors, of_gray
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["RCAN"]


class RCAN(NetworkFamily):
    """Groups of residual blocks, each with a factor per channel."""

    name = "rcan"
    summary = "residual channel attention network"
    paper = (
        "Zhang et al., Image Super-Resolution Using Very Deep Residual Channel "
        "Attention Networks, 2018"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("groups", "int", 10, "groups of blocks", minimum=1, maximum=1024),
        blocks_key(20, "residual blocks of a group"),
        filters_key(64),
        Key("hidden", "int", 4, "channels inside an attention", minimum=1),
        Key("size", "int", 3, "height and width of kernels; odd", minimum=1),
        Key(
            "activation",
            "str",
            "relu",
            "inside a block's branch; silu is RCAN-it's (Lin et al., 2022)",
            choices=("relu", "silu"),
        ),
        scale_key(4),
        Key("unshuffle", "int", 1, "side of the cells at the start", minimum=1),
        Key("res_scale", "float", 1.0, "factor of the branch of a residual block"),
        CHANNELS,
        COLOR,
        range_key(255.0),
        Key("mean", "floats", (), "subtracted from the input; DIV2K's if not given"),
        Key("std", "floats", (1.0,), "divides the input after that"),
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "activation": ("relu", "silu")
    }

    exports = True
    program: ClassVar[Mapping[str, Any]] = {"std": (1.0,), "activation": "relu"}

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, size = options["filters"], options["size"]
        unshuffle = options["unshuffle"]
        net = NetworkBuilder(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )

        def block(name: str, x: int) -> int:
            y = net.conv(f"{name}.0", x, filters, size, options["activation"])
            y = net.conv(f"{name}.2", y, filters, size)
            squeeze, excite = (f"{name}.3.conv_du.{place}" for place in (0, 2))
            y = channel_attention(net, squeeze, excite, y, options["hidden"])
            return net.sum(y, x, alpha=options["res_scale"])

        picture = net.input()
        head = "head.1" if unshuffle > 1 else "head.0"
        x = first = net.conv(head, net.unshuffle(picture, unshuffle), filters, size)
        for group in range(options["groups"]):
            y = x
            for number in range(options["blocks"]):
                y = block(f"body.{group}.body.{number}.body", y)
            y = net.conv(f"body.{group}.body.{options['blocks']}", y, filters, size)
            x = net.sum(y, x)
        x = net.sum(net.conv(f"body.{options['groups']}", x, filters, size), first)
        scale = options["scale"]
        for stage, factor in enumerate(prime_factors(scale * unshuffle)):
            x = net.conv(f"tail.0.{2 * stage}", x, filters * factor**2)
            x = net.shuffle(x, factor)
        x = net.conv("tail.1", x, options["channels"], size)
        net.like_picture(x, picture, unshuffle, scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        head = "head.1" if state.has("head.1") else "head.0"
        filters, inputs, size, _ = state.kernel(head)
        channels = state.filters("tail.1")
        unshuffle = math.isqrt(inputs // channels) if channels else 0
        scale = 1
        for stage in range(0, 16, 2):
            if state.has(f"tail.0.{stage}"):
                scale *= state.shuffle_factor(f"tail.0.{stage}", filters)
        if unshuffle < 1 or inputs != channels * unshuffle**2 or scale % unshuffle:
            raise NotRecognized(
                f"it takes {inputs} channels, makes {channels} and enlarges {scale} "
                f"times, which do not go together"
            )
        return {
            "groups": state.count("body.{}.body.0"),
            "blocks": state.count("body.0.body.{}.body"),
            "filters": filters,
            "hidden": state.filters("body.0.body.0.body.3.conv_du.0"),
            "size": size,
            "scale": scale // unshuffle,
            "unshuffle": unshuffle,
            "channels": channels,
        }

    @classmethod
    def export(
        cls, options: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        exported = super().export(options, tensors)
        return mean_shift_tensors(options) | exported

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        constants = mean_shift(state)
        if not constants.uses:
            return constants
        return of_gray(constants, state.filters("tail.1"))


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        **assume_color(options),
        "res_scale": (1.0, "as published"),
        "activation": ("relu", "as published"),
        "range": (255.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((1.0,), "as published"),
    }


def _assume_none(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Newer programs leave the mean out, and the range of 255 with it."""
    why = "the file has no sub_mean"
    return {**_assume(options), "mean": ((0.0,), why), "range": (1.0, why)}


RCAN.namings = (
    Naming("RCAN", assume=_assume_none),
    Naming(
        "BasicSR",
        (
            ("conv_first", "head.0"),
            (
                "body.{g}.residual_group.{b}.rcab.{k}",
                "body.{g}.body.{b}.body.{k}",
            ),
            (
                "body.{g}.residual_group.{b}.rcab.3.attention.1",
                "body.{g}.body.{b}.body.3.conv_du.0",
            ),
            (
                "body.{g}.residual_group.{b}.rcab.3.attention.3",
                "body.{g}.body.{b}.body.3.conv_du.2",
            ),
            ("body.{g}.conv", "body.{g}.body.{m}"),
            ("conv_after_body", "body.{n}"),
            ("upsample.{k}", "tail.0.{k}"),
            ("conv_last", "tail.1"),
        ),
        counts={"n": "body.{b}.conv", "m": "body.0.residual_group.{b}"},
        assume=_assume,
    ),
)
