"""PLKSR and RealPLKSR: large kernels on a part of the channels.

::

    block(x):  y = conv(f(conv(x)));  the first channels of y = conv K x K of them
               y = y sigmoid(conv(y));  x + conv 1x1 of y
    y = conv(B blocks of conv(picture))
    picture = shuffle(y) + nearest(picture)

With upsampler=dysample the sum is made before it is enlarged, the picture repeated for
each pixel of a cell, and then sampled at learned places in place of shuffled.

RealPLKSR has mish for f and normalizes the result of a block's branch (in groups, or
its beginning over the channels); PLKSR has gelu and, at both places, kernels of 3 or
1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

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
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import ConstantMap

__all__ = ["PLKSR"]


class PLKSR(NetworkFamily):
    """A dense large kernel on a quarter of the channels."""

    name = "plksr"
    summary = "partial large kernels; variant=real is RealPLKSR"
    paper = "Lee et al., Partial Large Kernel CNNs for Efficient Super-Resolution, 2024"
    options: ClassVar[tuple[Key, ...]] = (
        Key("variant", "str", "real", "which of the two", choices=("real", "plain")),
        blocks_key(28),
        filters_key(64),
        Key("size", "int", 17, "side of the large kernel; odd", minimum=1, maximum=63),
        Key("partial", "int", 16, "channels it works on", minimum=1, maximum=4096),
        Key("width", "int", 128, "channels inside a block", minimum=1, maximum=16384),
        Key("sizes", "ints", (3, 3), "sides of a block's first kernels", minimum=1),
        Key("attention", "bool", True, "0: no factor per value"),
        Key(
            "norm",
            "str",
            "group",
            "normalization of a block",
            choices=("group", "layer", "none"),
        ),
        Key("groups", "int", 4, "of that normalization", minimum=1),
        Key("upsampler", "str", "shuffle", "way out", choices=("shuffle", "dysample")),
        Key("samplings", "int", 4, "groups of channels of dysample", minimum=1),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, channels = options["filters"], options["channels"]
        is_real = options["variant"] == "real"
        partial, scale = options["partial"], options["scale"]
        first_size, second_size = options["sizes"]
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])
        picture = net.input()
        mixer = "channel_mixer" if is_real else "channe_mixer"  # so spelled in files
        activation = "mish" if is_real else "gelu_erf"
        x = net.conv("feats.0", picture, filters)
        for block in range(1, options["blocks"] + 1):
            name, y = f"feats.{block}", x
            if options["norm"] == "layer":
                y = net.add("layernorm", y, module=f"{name}.layer_norm")
            y = net.conv(
                f"{name}.{mixer}.0", y, options["width"], first_size, activation
            )
            y = net.conv(f"{name}.{mixer}.2", y, filters, second_size)
            large = net.conv(
                f"{name}.lk.conv",
                net.channels_of(y, 0, partial),
                partial,
                options["size"],
            )
            if partial < filters:
                rest = net.channels_of(y, partial, filters - partial)
                large = net.concat(large, rest)
            y = large
            if options["attention"]:
                factors = net.conv(f"{name}.attn.f.0", y, filters, 3, "logistic")
                y = net.product(factors, y)
            y = net.conv(f"{name}.refine", y, filters, 1)
            if options["norm"] == "group":
                y = net.add(
                    "groupnorm", y, module=f"{name}.norm", groups=options["groups"]
                )
            x = net.sum(y, x)
        # RealPLKSR has dropout between the blocks and the last convolution.
        last = options["blocks"] + (2 if is_real else 1)
        x = net.conv(f"feats.{last}", x, channels * scale**2)
        if options["upsampler"] == "shuffle":
            x = net.shuffle(x, scale)
            net.sum(net.upsample(picture, scale), x)
            return net
        repeated = net.conv(
            "",
            picture,
            channels * scale**2,
            1,
            groups=channels,
            bias=False,
            map_by=ConstantMap,
            map_keys={"values": {"weights": 1.0}},
        )
        x = net.sum(repeated, x)
        net.dysample("to_img", x, channels, scale, options["samplings"])
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("feats.0")
        is_real = state.has("feats.1.channel_mixer")
        mixer = f"feats.1.{'channel_mixer' if is_real else 'channe_mixer'}"
        width, _, first_size, _ = state.kernel(f"{mixer}.0")
        partial, _, size, _ = state.kernel("feats.1.lk.conv")
        norm = "none"
        if is_real:
            norm = "layer" if state.has("feats.1.layer_norm") else "group"
        blocks = state.count("feats.{}.refine", first=1)
        last = f"feats.{blocks + (2 if is_real else 1)}"
        scale = state.shuffle_factor(last, channels)
        sampled: dict[str, Any] = {"upsampler": "shuffle"}
        if state.has("to_img"):
            groups = state.filters("to_img.offset") // (2 * scale**2)
            sampled = {"upsampler": "dysample", "samplings": max(groups, 1)}
        return {
            **sampled,
            "variant": "real" if is_real else "plain",
            "blocks": blocks,
            "filters": filters,
            "size": size,
            "partial": partial,
            "width": width,
            "sizes": (first_size, state.kernel(f"{mixer}.2")[2]),
            "attention": state.has("feats.1.attn.f.0"),
            "norm": norm,
            "scale": scale,
            "channels": channels,
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        known = "to_img.init_pos"
        return {known: "follows from the scale"} if known in state else {}


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "groups": (4, "as published")}


PLKSR.namings = (Naming("PLKSR", assume=_assume),)
