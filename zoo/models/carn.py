"""CARN and CARN-M: cascading residual networks.

::

    block(x):  c_0 = x;  for k = 1..3:  c_k = [c_{k-1}, residual(o_{k-1})]
               o_k = relu(conv 1x1 of c_k),  o_0 = x;  the result is o_3
    h = conv(picture - mean);  the same cascade once more, of three blocks
    (relu(conv F -> p^2 F), shuffle p) for each prime p of the scale
    picture = conv + mean

A residual is x + two convolutions, and in CARN-M x + two grouped ones and a 1 x 1,
activated in the end; there the three of a block are one and the same, which the cfg
writes out three times.
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
    assume_color,
    filters_key,
    mean_of,
    prime_factors,
    range_key,
    scale_key,
)
from zoo.models.mean_shift import mean_shift
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["CARN"]


class CARN(NetworkFamily):
    """Residual blocks whose results are all carried on."""

    name = "carn"
    summary = "cascading residual network; variant=m is the small one"
    paper = (
        "Ahn et al., Fast, Accurate, and Lightweight Super-Resolution with Cascading "
        "Residual Network, 2018"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("variant", "str", "plain", "kind of residual", choices=("plain", "m")),
        filters_key(64),
        Key("groups", "int", 1, "groups of convolutions", minimum=1, maximum=4096),
        Key("shared", "bool", False, "1: the residuals of a block are the same"),
        scale_key(2),
        Key(
            "scales",
            "ints",
            (),
            "scales that a checkpoint has ways out for, if several",
            minimum=1,
            maximum=8,
        ),
        CHANNELS,
        COLOR,
        range_key(1.0),
        Key("mean", "floats", (), "subtracted from the input; DIV2K's if not given"),
        Key("std", "floats", (1.0,), "divides the input after that"),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, groups = options["filters"], options["groups"]
        if options["scales"] and options["scale"] not in options["scales"]:
            held = ", ".join(map(str, options["scales"]))
            raise UsageError(
                f"scale={options['scale']} is not one of the scales {held}"
            )
        grouped: dict[str, Any] = {"groups": groups} if groups > 1 else {}
        net = NetworkBuilder(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
            mean=mean_of(options),
            std=options["std"],
            denormalize=True,
        )

        def residual(name: str, x: int) -> int:
            y = net.conv(f"{name}.body.0", x, filters, activation="relu", **grouped)
            if options["variant"] == "plain":
                y = net.conv(f"{name}.body.2", y, filters, **grouped)
            else:
                y = net.conv(f"{name}.body.2", y, filters, activation="relu", **grouped)
                y = net.conv(f"{name}.body.4", y, filters, 1)
            return net.sum(y, x, activation="relu")

        def block(name: str, x: int) -> int:
            parts = [x]
            for number in (1, 2, 3):
                which = 1 if options["shared"] else number
                parts.append(residual(f"{name}.b{which}", x))
                x = net.concat(*parts)
                x = net.conv(f"{name}.c{number}.body.0", x, filters, 1, "relu")
            return x

        x = net.conv("entry", net.input(), filters)
        parts = [x]
        for number in (1, 2, 3):
            parts.append(block(f"b{number}", x))
            x = net.conv(f"c{number}.body.0", net.concat(*parts), filters, 1, "relu")
        scale = options["scale"]
        way = f"upsample.up{scale if options['scales'] else ''}"
        for stage, factor in enumerate(prime_factors(scale)):
            outputs = filters * factor**2
            x = net.conv(
                f"{way}.body.{3 * stage}", x, outputs, activation="relu", **grouped
            )
            x = net.shuffle(x, factor)
        net.conv("exit", x, options["channels"])
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("entry")
        _, inputs, _, _ = state.kernel("b1.b1.body.0")
        options: dict[str, Any] = {
            "variant": "m" if state.has("b1.b1.body.4") else "plain",
            "filters": filters,
            "groups": max(1, filters // max(1, inputs)),
            "shared": not state.has("b1.b2"),
            "channels": channels,
        }
        scales = tuple(s for s in range(2, 9) if state.has(f"upsample.up{s}"))
        if scales:
            return {**options, "scales": scales}
        scale = 1
        for stage in range(0, 9, 3):
            if state.has(f"upsample.up.body.{stage}"):
                scale *= state.shuffle_factor(f"upsample.up.body.{stage}", filters)
        return {**options, "scale": scale}

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        return mean_shift(state, "sub_mean.shifter", "add_mean.shifter")

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        own = f"upsample.up{options['scale']}."
        return {
            name: "the way out of another scale"
            for name in state
            if options["scales"]
            and name.startswith("upsample.")
            and not name.startswith(own)
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    scales = options.get("scales", ())
    held = " and ".join(map(str, scales))
    return {
        **assume_color(options),
        "scale": (scales[0] if scales else 2, f"the file is for scales {held}"),
        "range": (1.0, "as published"),
        "mean": ((), "as published: DIV2K's mean colour"),
        "std": ((1.0,), "as published"),
    }


CARN.namings = (Naming("CARN-pytorch", assume=_assume),)
