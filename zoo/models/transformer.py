"""What transformers for pictures share: blocks of attention, ends, and their keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import DIV2K_MEAN, prime_factors
from zoo.models.state_dict import StateDict

__all__ = [
    "DEEP",
    "ENDS",
    "QKV_BIAS",
    "WIDTH",
    "biases",
    "body_convolution",
    "changed",
    "color_keys",
    "end_of",
    "mlp",
    "norm",
    "paired_groups",
    "self_attention",
    "upsampled",
    "window_block",
]

ENDS = Key(
    "end",
    "str",
    "pixelshuffle",
    "way out: convolutions and shuffles, one shuffle, nearest neighbours, or none",
    choices=("pixelshuffle", "direct", "nearest", "none"),
)

DEEP = Key("deep", "bool", False, "1: three convolutions at the end of a group")
QKV_BIAS = Key("bias", "bool", True, "1: q, k and v have biases")
WIDTH = Key("width", "int", 64, "channels of the way out", minimum=1, maximum=4096)

_NORM = 1e-5  # PyTorch's
_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.2}


def paired_groups(options: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Depth and attention heads of each group.

    Raises
    ------
    UsageError
        If they are not for as many groups.
    """
    depths, heads = options["depths"], options["heads"]
    if len(depths) != len(heads):
        raise UsageError(
            f"depths and heads are for {len(depths)} and {len(heads)} groups"
        )
    return list(zip(depths, heads, strict=True))


def color_keys(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of [net]: three channels lose DIV2K's mean and get it back."""
    keys: dict[str, Any] = {"channels": options["channels"], "range": options["range"]}
    keys["color"] = options["color"]
    if options["channels"] == 3:
        mean = DIV2K_MEAN if options["color"] != "bgr" else DIV2K_MEAN[::-1]
        scaled = tuple(round(options["range"] * value, 6) for value in mean)
        keys |= {"mean": scaled, "denormalize": True}
    return keys


def norm(net: NetworkBuilder, module: str, x: int) -> int:
    """Layer normalization over the channels of each pixel."""
    return net.add("layernorm", x, module=module, eps=_NORM)


def mlp(net: NetworkBuilder, name: str, x: int, hidden: int) -> int:
    """Two linear maps of each pixel and gelu between them."""
    y = net.conv(f"{name}.fc1", x, hidden, 1, "gelu_erf")
    return net.conv(f"{name}.fc2", y, net.channels(x), 1)


def self_attention(
    net: NetworkBuilder,
    name: str,
    x: int,
    window: int,
    heads: int,
    shifted: bool,
    bias: bool = True,
) -> int:
    """Attention inside windows, moved by half of one or not, between linear maps."""
    filters = net.channels(x)
    y = net.conv(f"{name}.qkv", x, 3 * filters, 1, **biases(bias))
    shift: dict[str, Any] = {"shift": (window // 2,)} if shifted else {}
    y = net.add(
        "window_attention", y, module=name, heads=heads, window=(window,), **shift
    )
    return net.conv(f"{name}.proj", y, filters, 1)


def biases(wanted: bool) -> dict[str, Any]:
    """The keys of a convolution that may have no biases."""
    return {} if wanted else {"bias": False}


def changed(options: tuple[Key, ...], **defaults: Any) -> tuple[Key, ...]:
    """Options with other values by default."""
    return tuple(
        replace(key, default=defaults.get(key.name, key.default)) for key in options
    )


def window_block(
    net: NetworkBuilder,
    name: str,
    x: int,
    *,
    window: int,
    heads: int,
    shifted: bool,
    hidden: int,
    bias: bool = True,
) -> int:
    """A block of a Swin transformer: attention inside windows, then an MLP."""
    y = norm(net, f"{name}.norm1", x)
    y = self_attention(net, f"{name}.attn", y, window, heads, shifted, bias)
    x = net.sum(y, x)
    return net.sum(mlp(net, f"{name}.mlp", norm(net, f"{name}.norm2", x), hidden), x)


def body_convolution(net: NetworkBuilder, name: str, x: int, deep: bool) -> int:
    """A 3 x 3 convolution, or three through a quarter of the channels."""
    filters = net.channels(x)
    if not deep:
        return net.conv(name, x, filters)
    y = net.conv(f"{name}.0", x, filters // 4, **_LEAKY)
    y = net.conv(f"{name}.2", y, filters // 4, 1, **_LEAKY)
    return net.conv(f"{name}.4", y, filters)


def upsampled(net: NetworkBuilder, x: int, options: Mapping[str, Any]) -> int:
    """From features to the larger picture."""
    channels, scale, width = options["channels"], options["scale"], options["width"]
    match options["end"]:
        case "direct":
            return net.shuffle(net.conv("upsample.0", x, channels * scale**2), scale)
        case "nearest":
            x = net.conv(
                "conv_before_upsample.0", x, width, activation="leaky", slope=0.01
            )
            for stage in range(int(math.log2(scale))):
                x = net.conv(f"conv_up{stage + 1}", net.upsample(x, 2), width, **_LEAKY)
            x = net.conv("conv_hr", x, width, **_LEAKY)
        case "pixelshuffle":
            x = net.conv(
                "conv_before_upsample.0", x, width, activation="leaky", slope=0.01
            )
            for stage, factor in enumerate(prime_factors(scale)):
                x = net.conv(f"upsample.{2 * stage}", x, width * factor**2)
                x = net.shuffle(x, factor)
    return net.conv("conv_last", x, channels)


def end_of(state: StateDict, channels: int) -> dict[str, Any]:
    """Way out, scale and width, from the names and shapes of the last modules.

    Raises
    ------
    NotRecognized
        If they enlarge by no whole number.
    """
    if not state.has("conv_before_upsample"):
        if state.has("upsample.0"):
            scale = state.shuffle_factor("upsample.0", channels)
            return {"end": "direct", "scale": scale, "width": 64}
        return {"end": "none", "scale": 1, "width": 64}
    width = state.filters("conv_before_upsample.0")
    if state.has("conv_hr"):
        stages = state.count("conv_up{}", first=1)
        return {"end": "nearest", "scale": 2**stages, "width": width}
    scale = 1
    for stage in range(0, 16, 2):
        if state.has(f"upsample.{stage}"):
            scale *= state.shuffle_factor(f"upsample.{stage}", width)
    if scale < 1:
        raise NotRecognized(f"it enlarges {scale} times")
    return {"end": "pixelshuffle", "scale": scale, "width": width}
