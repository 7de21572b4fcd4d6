"""Swift-SRGAN: SRGAN's generator of separable convolutions.

::

    conv(x): a convolution per channel, then one of single pixels
    h = prelu(conv 9 x 9 of the picture)
    y = B times  y + norm(conv(prelu(norm(conv(y)))))  of h
    y = h + norm(conv(y));  prelu(shuffle 2 of conv F -> 4F) for each doubling
    picture = (tanh(conv 9 x 9 of y) + 1) / 2
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
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.srgan import half_tanh
from zoo.models.state_dict import StateDict

__all__ = ["SwiftSRGAN"]


class SwiftSRGAN(NetworkFamily):
    """Residual blocks of separable convolutions with batch normalization."""

    name = "swiftsrgan"
    summary = "SRGAN's generator with separable convolutions"
    paper = (
        "Krishnan and Krishnan, SwiftSRGAN: Rethinking Super-Resolution for Efficient "
        "and Real-time Inference, 2021"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16),
        filters_key(64),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, channels = options["filters"], options["channels"]
        stages = int(math.log2(options["scale"]))
        if 2**stages != options["scale"]:
            raise UsageError(f"scale={options['scale']} is no power of two")
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])

        def conv(name: str, x: int, outputs: int, size: int = 3, norm: str = "") -> int:
            inputs = net.channels(x)
            plain: dict[str, Any] = {"bias": False} if norm else {}
            y = net.conv(f"{name}.depthwise", x, inputs, size, groups=inputs, **plain)
            if norm:
                plain = {"norm": norm, "bn_eps": 1e-5}
            return net.conv(f"{name}.pointwise", y, outputs, 1, **plain)

        def block(name: str, x: int) -> int:
            return conv(f"{name}.cnn", x, filters, norm=f"{name}.bn")

        x = conv("initial.cnn", net.input(), filters, 9)
        x = head = net.prelu("initial.act", x)
        for number in range(options["blocks"]):
            name = f"residual.{number}"
            y = net.prelu(f"{name}.block1.act", block(f"{name}.block1", x))
            x = net.sum(block(f"{name}.block2", y), x)
        x = net.sum(block("convblock", x), head)
        for stage in range(stages):
            y = conv(f"upsampler.{stage}.conv", x, 4 * filters)
            x = net.prelu(f"upsampler.{stage}.act", net.shuffle(y, 2))
        half_tanh(net, conv("final_conv", x, channels, 9))
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("initial.cnn.pointwise")
        return {
            "blocks": state.count("residual.{}.block1"),
            "filters": filters,
            "scale": 2 ** state.count("upsampler.{}.conv"),
            "channels": channels,
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        blocks = [f"residual.{number}.block2" for number in range(options["blocks"])]
        names = [f"{block}.act.weight" for block in (*blocks, "convblock")]
        return {name: "the program does not use it" for name in names if name in state}


SwiftSRGAN.namings = (Naming("Swift-SRGAN", assume=assume_color),)
