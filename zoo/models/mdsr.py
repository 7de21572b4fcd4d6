"""MDSR: EDSR for several scales at once, of which a network here has one.

::

    h = conv(picture - mean);  h = 2 blocks of 5 x 5 of the scale's own
    y = h;  B times  y = y + s conv(relu(conv(y)));  y = h + conv(y)
    (conv F -> p^2 F, shuffle p) for each prime p of the scale, of its own
    picture = conv(y) + mean
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    RES_SCALES,
    assume_color,
    blocks_key,
    filters_key,
    mean_of,
    prime_factors,
    range_key,
    scale_key,
)
from zoo.models.mean_shift import mean_shift, of_gray
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["MDSR"]


class MDSR(NetworkFamily):
    """EDSR with a way in and a way out per scale."""

    name = "mdsr"
    summary = "multi-scale EDSR, one of its scales"
    paper = (
        "Lim et al., Enhanced Deep Residual Networks for Single Image "
        "Super-Resolution, 2017"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16),
        filters_key(64),
        scale_key(2),
        Key("scales", "ints", (2, 3, 4), "scales of the whole", minimum=1, maximum=8),
        Key("res_scale", "float", 1.0, "factor of the branch of a residual block"),
        CHANNELS,
        COLOR,
        range_key(255.0),
        Key("mean", "floats", (), "subtracted from the input; DIV2K's if not given"),
        Key("std", "floats", (1.0,), "divides the input after that"),
    )
    undecided = RES_SCALES

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale = options["filters"], options["scale"]
        if scale not in options["scales"]:
            held = ", ".join(map(str, options["scales"]))
            raise UsageError(f"scale={scale} is not one of the scales {held}")
        place = options["scales"].index(scale)
        net = NetworkBuilder(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )

        def block(name: str, x: int, size: int) -> int:
            y = net.conv(f"{name}.body.0", x, filters, size, "relu")
            y = net.conv(f"{name}.body.2", y, filters, size)
            return net.sum(y, x, alpha=options["res_scale"])

        x = net.conv("head.0", net.input(), filters)
        for number in (0, 1):
            x = block(f"pre_process.{place}.{number}", x, 5)
        entry = x
        for number in range(options["blocks"]):
            x = block(f"body.{number}", x, 3)
        x = net.sum(net.conv(f"body.{options['blocks']}", x, filters), entry)
        for stage, factor in enumerate(prime_factors(scale)):
            x = net.conv(f"upsample.{place}.{2 * stage}", x, filters * factor**2)
            x = net.shuffle(x, factor)
        net.conv("tail.0", x, options["channels"])
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("head.0")
        scales = []
        for place in range(state.count("upsample.{}")):
            scale = 1
            for stage in range(0, 6, 2):
                if state.has(f"upsample.{place}.{stage}"):
                    scale *= state.shuffle_factor(f"upsample.{place}.{stage}", filters)
            scales.append(scale)
        return {
            "blocks": state.count("body.{}.body"),
            "filters": filters,
            "scales": tuple(scales),
            "channels": channels,
        }

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        constants = mean_shift(state)
        if not constants.uses:
            return constants
        return of_gray(constants, state.kernel("head.0")[1])

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        place = options["scales"].index(options["scale"])
        ways = ("pre_process.", "upsample.")
        own = tuple(f"{way}{place}." for way in ways)
        return {
            name: "the way in or out of another scale"
            for name in state
            if name.startswith(ways) and not name.startswith(own)
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    scales = options["scales"] or (2,)
    held = " and ".join(map(str, scales))
    return {
        **assume_color(options),
        "scale": (scales[0], f"the file is for scales {held}"),
        "res_scale": (1.0, "as published"),
        "range": (255.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((1.0,), "as published"),
    }


MDSR.namings = (Naming("EDSR-PyTorch", assume=_assume),)
