"""The generator of SRGAN: residual blocks with batch normalization and PReLU.

::

    h = prelu(conv 9 x 9 of the picture)
    y = B times  y + norm(conv(prelu(norm(conv(y)))))  of h
    y = h + norm(conv(y))
    prelu(shuffle p of (conv F -> p^2 F)) for each prime p of the scale
    picture = conv 9 x 9 of y, or a function of it

Programs differ in the last function: none, or tanh, whose range from -1 to 1 is that
of black to white.
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
    prime_factors,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["SRGAN", "half_tanh"]


class SRGAN(NetworkFamily):
    """Residual blocks with batch normalization, larger kernels at both ends."""

    name = "srgan"
    summary = "the generator of SRGAN, with batch normalization"
    paper = (
        "Ledig et al., Photo-Realistic Single Image Super-Resolution Using a "
        "Generative Adversarial Network, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16),
        filters_key(64),
        Key("size", "int", 9, "side of the first and last kernel; odd", minimum=1),
        scale_key(4),
        Key(
            "end",
            "str",
            "linear",
            "last function; half_tanh is (tanh + 1) / 2",
            choices=("linear", "half_tanh"),
        ),
        CHANNELS,
        COLOR,
        Key("mean", "floats", (0.0,), "subtracted from the input, from 0 to 1"),
        Key("std", "floats", (1.0,), "divides the input after that"),
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "end": ("linear", "half_tanh")
    }

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, size, scale = options["filters"], options["size"], options["scale"]
        keys: dict[str, Any] = {"channels": options["channels"], "range": 1}
        keys["color"] = options["color"]
        if options["mean"] != (0.0,) or options["std"] != (1.0,):
            keys |= {"mean": options["mean"], "std": options["std"]}
        net = NetworkBuilder(**keys)
        x = net.conv("conv1.0", net.input(), filters, size)
        x = head = net.prelu("conv1.1", x)
        for block in range(options["blocks"]):
            name = f"trunk.{block}.rcb"
            y = net.conv(f"{name}.0", x, filters, norm=f"{name}.1", bn_eps=1e-5)
            y = net.prelu(f"{name}.2", y)
            y = net.conv(f"{name}.3", y, filters, norm=f"{name}.4", bn_eps=1e-5)
            x = net.sum(y, x)
        x = net.conv("conv2.0", x, filters, norm="conv2.1", bn_eps=1e-5)
        x = net.sum(x, head)
        for stage, factor in enumerate(prime_factors(scale)):
            name = f"upsampling.{stage}.upsample_block"
            x = net.shuffle(net.conv(f"{name}.0", x, filters * factor**2), factor)
            x = net.prelu(f"{name}.2", x)
        x = net.conv("conv3", x, options["channels"], size)
        if options["end"] == "half_tanh":
            half_tanh(net, x)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, size, _ = state.kernel("conv1.0")
        scale = 1
        for stage in range(state.count("upsampling.{}.upsample_block")):
            name = f"upsampling.{stage}.upsample_block.0"
            scale *= state.shuffle_factor(name, filters)
        return {
            "blocks": state.count("trunk.{}.rcb"),
            "filters": filters,
            "size": size,
            "scale": scale,
            "channels": channels,
        }


def half_tanh(net: NetworkBuilder, x: int) -> int:
    """(tanh x + 1) / 2, which is the logistic function of 2 x."""
    return net.activation(net.sum(x, x), "logistic")


def _assume(end: str, **others: Any) -> Any:
    def assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
        values = {"end": end, "mean": (0.0,), "std": (1.0,), **others}
        said = {name: (value, "as published") for name, value in values.items()}
        return {**assume_color(options), **said}

    return assume


_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

SRGAN.namings = (
    Naming("SRGAN-PyTorch of Lornatang", assume=_assume("linear")),
    Naming(
        "SRGAN of leftthomas",
        (
            ("block1.{k}", "conv1.{k}"),
            ("block{b+2}.conv1", "trunk.{b}.rcb.0"),
            ("block{b+2}.bn1", "trunk.{b}.rcb.1"),
            ("block{b+2}.prelu", "trunk.{b}.rcb.2"),
            ("block{b+2}.conv2", "trunk.{b}.rcb.3"),
            ("block{b+2}.bn2", "trunk.{b}.rcb.4"),
            ("block{n+2}.{k}", "conv2.{k}"),
            ("block{n+3}.{k}.conv", "upsampling.{k}.upsample_block.0"),
            ("block{n+3}.{k}.prelu", "upsampling.{k}.upsample_block.2"),
            ("block{n+3}.{m}", "conv3"),
        ),
        counts={"n": "block{b+2}.conv1", "m": "block8.{b}.conv"},
        assume=_assume("half_tanh"),
    ),
    Naming(
        "a-PyTorch-Tutorial-to-Super-Resolution",
        (
            ("conv_block1.conv_block.{k}", "conv1.{k}"),
            ("residual_blocks.{b}.conv_block1.conv_block.{k}", "trunk.{b}.rcb.{k}"),
            ("residual_blocks.{b}.conv_block2.conv_block.{k}", "trunk.{b}.rcb.{k+3}"),
            ("conv_block2.conv_block.{k}", "conv2.{k}"),
            (
                "subpixel_convolutional_blocks.{b}.conv",
                "upsampling.{b}.upsample_block.0",
            ),
            (
                "subpixel_convolutional_blocks.{b}.prelu",
                "upsampling.{b}.upsample_block.2",
            ),
            ("conv_block3.conv_block.0", "conv3"),
        ),
        assume=_assume("half_tanh", **_IMAGENET),
    ),
)
