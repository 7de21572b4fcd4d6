"""SRResNet without normalization (MSRResNet): EDSR's blocks, and the picture enlarged.

::

    h = leaky(conv(picture));  y = B times  y + conv(relu(conv(y)))  of h
    leaky(shuffle p of (conv F -> p^2 F)) for each prime p of the scale
    picture = conv(leaky(conv(y))) + bilinear(picture)

Leaky slopes are 0.1. The network behind ESRGAN's and BasicSR's MSRResNet.
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

__all__ = ["SRResNet"]

_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.1}


class SRResNet(NetworkFamily):
    """Residual blocks on the way to what is added to the enlarged picture."""

    name = "srresnet"
    summary = "SRResNet without batch normalization (MSRResNet)"
    paper = (
        "Ledig et al., Photo-Realistic Single Image Super-Resolution Using a "
        "Generative Adversarial Network, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16),
        filters_key(64),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    exports = True
    export_key = "params"

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale = options["filters"], options["scale"]
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        picture = net.input()
        x = net.conv("conv_first", picture, filters, **_LEAKY)
        for block in range(options["blocks"]):
            y = net.conv(f"body.{block}.conv1", x, filters, activation="relu")
            x = net.sum(net.conv(f"body.{block}.conv2", y, filters), x)
        for stage, factor in enumerate(prime_factors(scale)):
            # The activation may as well come before the shuffle.
            x = net.conv(f"upconv{stage + 1}", x, filters * factor**2, **_LEAKY)
            x = net.shuffle(x, factor)
        x = net.conv("conv_hr", x, filters, **_LEAKY)
        x = net.conv("conv_last", x, options["channels"])
        net.sum(net.upsample(picture, scale, "bilinear"), x)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_first")
        scale = stage = 1
        while state.has(f"upconv{stage}"):
            scale *= state.shuffle_factor(f"upconv{stage}", filters)
            stage += 1
        return {
            "blocks": state.count("body.{}.conv1"),
            "filters": filters,
            "scale": scale,
            "channels": channels,
        }


SRResNet.namings = (
    Naming("BasicSR", assume=assume_color),
    Naming(
        "BasicSR, 2019",
        (
            ("conv_first", "conv_first"),
            ("recon_trunk.{b}.conv{k}", "body.{b}.conv{k}"),
            ("upconv{k}", "upconv{k}"),
            ("HRconv", "conv_hr"),
            ("conv_last", "conv_last"),
        ),
        assume=assume_color,
    ),
    Naming(
        "mmagic",
        (
            ("conv_first", "conv_first"),
            ("trunk_net.{b}.conv{k}", "body.{b}.conv{k}"),
            ("upsample{k}.upsample_conv", "upconv{k}"),
            ("conv_hr", "conv_hr"),
            ("conv_last", "conv_last"),
        ),
        assume=assume_color,
    ),
)
