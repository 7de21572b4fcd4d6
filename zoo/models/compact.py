"""SRVGGNetCompact: a plain stack of convolutions, of Real-ESRGAN's small models.

::

    y = prelu(conv(picture));  N times  y = prelu(conv(y))
    picture = shuffle(conv(y)) + nearest(picture)

Real-ESRGAN's files for video at scales 2 and 3 hold the network of scale 4; its
program makes the result smaller afterwards (``resized``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.base import NotRecognized
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

__all__ = ["Compact"]


class Compact(NetworkFamily):
    """Convolutions with learned slopes, and the enlarged picture added."""

    name = "compact"
    summary = "SRVGGNetCompact, a plain stack of convolutions"
    paper = (
        "Wang et al., Real-ESRGAN: Training Real-World Blind Super-Resolution with "
        "Pure Synthetic Data, 2021"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16, "convolutions between the first and the last"),
        filters_key(64),
        scale_key(4),
        Key(
            "resized",
            "int",
            0,
            "the scale that the result is brought to, by a bicubic filter; 0: none",
            minimum=0,
            maximum=16,
        ),
        CHANNELS,
        COLOR,
    )

    exports = True
    export_key = "params_ema"

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        channels, scale = options["channels"], options["scale"]
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])
        x = picture = net.input()
        last = 2 * options["blocks"] + 2
        for place in range(0, last, 2):
            x = net.conv(f"body.{place}", x, options["filters"])
            x = net.prelu(f"body.{place + 1}", x)
        x = net.shuffle(net.conv(f"body.{last}", x, channels * scale**2), scale)
        x = net.sum(net.upsample(picture, scale), x)
        if options["resized"]:
            like = net.upsample(picture, options["resized"])
            net.resize_like(x, like, "bicubic")
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("body.0")
        if state.has("body.2") and not state.has("body.1"):
            raise NotRecognized(
                "it has no slopes (body.1, body.3, ...), so that no tensor tells what its "
                "activations are"
            )
        last = state.count("body.{}") - 1
        return {
            "blocks": last // 2 - 1,
            "filters": filters,
            "scale": state.shuffle_factor(f"body.{last}", channels),
            "channels": channels,
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "resized": (0, "as published for one scale")}


Compact.namings = (Naming("Real-ESRGAN", assume=_assume),)
