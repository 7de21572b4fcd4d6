"""RDN: residual dense blocks, all of whose results are fused.

::

    dense(x):  for k = 1..C:  x_k = relu(conv([x, x_1, ..., x_{k-1}]))
               x + conv 1x1 of [x, x_1, ..., x_C]
    f = conv(picture);  y_0 = conv(f);  y_d = dense(y_{d-1})
    y = f + conv(conv 1x1 of [y_1, ..., y_D])
    (conv to p^2 channels, shuffle p) for each prime p of the scale;  picture = conv
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
    range_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["RDN"]


class RDN(NetworkFamily):
    """Dense blocks with a fusion of all."""

    name = "rdn"
    summary = "residual dense network"
    paper = "Zhang et al., Residual Dense Network for Image Super-Resolution, 2018"
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(16, "dense blocks"),
        Key("layers", "int", 8, "convolutions of a dense block", minimum=1),
        filters_key(64, "channels between blocks"),
        Key("growth", "int", 64, "filters inside a dense block", minimum=1),
        Key("width", "int", 64, "channels after upsampling", minimum=1),
        scale_key(2),
        CHANNELS,
        COLOR,
        range_key(1.0),
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {"range": (1.0, 255.0)}

    exports = True
    program: ClassVar[Mapping[str, Any]] = {"range": 255.0}

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, scale = options["filters"], options["scale"]
        net = NetworkBuilder(
            channels=options["channels"],
            range=options["range"],
            color=options["color"],
        )
        shallow = net.conv("SFENet1", net.input(), filters)
        x = net.conv("SFENet2", shallow, filters)
        blocks = []
        for block in range(options["blocks"]):
            name, parts = f"RDBs.{block}", [x]
            for number in range(options["layers"]):
                y = net.concat(*parts) if number else x
                module = f"{name}.convs.{number}.conv.0"
                parts.append(net.conv(module, y, options["growth"], activation="relu"))
            y = net.conv(f"{name}.LFF", net.concat(*parts), filters, 1)
            x = net.sum(y, x)
            blocks.append(x)
        x = net.conv("GFF.0", net.concat(*blocks), filters, 1)
        x = net.sum(net.conv("GFF.1", x, filters), shallow)
        stages = prime_factors(scale)
        for stage, factor in enumerate(stages):
            x = net.conv(f"UPNet.{2 * stage}", x, options["width"] * factor**2)
            x = net.shuffle(x, factor)
        net.conv(f"UPNet.{2 * len(stages)}", x, options["channels"])
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("SFENet1")
        stages = next(n for n in range(64) if not state.has(f"UPNet.{2 * n}")) - 1
        width = state.kernel(f"UPNet.{2 * max(stages, 0)}")[1]
        scale = 1
        for stage in range(stages):
            scale *= state.shuffle_factor(f"UPNet.{2 * stage}", width)
        return {
            "blocks": state.count("RDBs.{}"),
            "layers": state.count("RDBs.0.convs.{}"),
            "filters": filters,
            "growth": state.filters("RDBs.0.convs.0.conv.0"),
            "width": width,
            "scale": scale,
            "channels": channels,
        }


def _assume(white: float) -> Any:
    return lambda options: {
        **assume_color(options),
        "range": (white, "as published"),
    }


_SMALL = (
    ("sfe{k}", "SFENet{k}"),
    ("rdbs.{b}.layers.{k}.conv", "RDBs.{b}.convs.{k}.conv.0"),
    ("rdbs.{b}.lff", "RDBs.{b}.LFF"),
    ("gff.{k}", "GFF.{k}"),
    ("upscale.{k}", "UPNet.{k}"),
)

RDN.namings = (
    Naming("RDN", assume=_assume(255.0)),
    Naming(
        "RDN-pytorch",
        (*_SMALL, ("output", "UPNet.{2n}")),
        counts={"n": "upscale.{2b}"},
        assume=_assume(1.0),
    ),
    Naming(
        "mmagic",
        (
            *_SMALL[:4],
            ("upscale.{k}.upsample_conv", "UPNet.{2k}"),
            ("output", "UPNet.{2n}"),
        ),
        counts={"n": "upscale.{b}"},
        assume=_assume(1.0),
    ),
)
