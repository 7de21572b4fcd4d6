"""RLFN: residual local features.

::

    block(x):  y = x;  3 times  y = leaky(conv(y))
               attention(conv 1x1 of x + y)
    h = conv(picture);  y = B blocks of h
    picture = shuffle(conv(h + conv(y))), with ``enlarged`` + bilinear(picture)

The attention is spatial, of a small picture. Leaky slopes are 0.05. Entries of later
challenges have blocks of different widths, or batch normalization.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.attention import enhanced_spatial_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.light import (
    LEAKY,
    RANGE,
    RANGES,
    assume_range,
    light_end,
    light_shape,
    light_start,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["RLFN"]


class RLFN(NetworkFamily):
    """Three convolutions and an attention a block."""

    name = "rlfn"
    summary = "residual local feature network"
    paper = (
        "Kong et al., Residual Local Feature Network for Efficient Super-Resolution, "
        "2022"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(6),
        filters_key(52, "channels between blocks"),
        Key("width", "int", 52, "channels inside a block", minimum=1, maximum=4096),
        Key(
            "widths",
            "ints",
            (),
            "after the first and the second convolution of each block, where they differ",
            minimum=1,
            maximum=4096,
        ),
        Key("hidden", "int", 16, "channels inside an attention", minimum=1),
        Key("mixed", "bool", True, "0: attention without its 1x1 convolution conv_f"),
        Key("norm", "bool", False, "1: batch normalization behind a first convolution"),
        Key("enlarged", "bool", False, "1: a bilinear enlargement is added at the end"),
        scale_key(4),
        CHANNELS,
        COLOR,
        RANGE,
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "range": RANGES,
        "enlarged": (False, True),
    }

    exports = True
    program: ClassVar[Mapping[str, Any]] = {
        "enlarged": False,
        "mixed": True,
        "norm": False,
    }

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, blocks = options["filters"], options["blocks"]
        widths = options["widths"] or (options["width"],) * (2 * blocks)
        if len(widths) != 2 * blocks:
            raise UsageError(f"widths are two for each of {blocks} blocks")
        net, x = light_start("conv_1", options)
        head = x
        for number in range(blocks):
            name, (first, second) = f"block_{number + 1}", widths[2 * number :][:2]
            normed: dict[str, Any] = {}
            if options["norm"]:
                normed = {"norm": f"{name}.bn1", "bn_eps": 1e-5}
            y = net.conv(f"{name}.c1_r", x, first, **LEAKY, **normed)
            y = net.conv(f"{name}.c2_r", y, second, **LEAKY)
            y = net.conv(f"{name}.c3_r", y, filters, **LEAKY)
            x = net.conv(f"{name}.c5", net.sum(y, x), filters, 1)
            x = enhanced_spatial_attention(
                net,
                f"{name}.esa",
                x,
                options["hidden"],
                deep=False,
                mixed=options["mixed"],
            )
        return light_end(net, "conv_2", x, head, options)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        shape = light_shape(state, "conv_1", "block_{}")
        widths = [
            state.filters(f"block_{number + 1}.c{place}_r")
            for number in range(shape["blocks"])
            for place in (1, 2)
        ]
        return {
            **shape,
            "width": widths[0] if widths else 0,
            "widths": tuple(widths) if len(set(widths)) > 1 else (),
            "hidden": state.filters("block_1.esa.conv1"),
            "mixed": state.has("block_1.esa.conv_f"),
            "norm": state.has("block_1.bn1"),
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_range(options), "enlarged": (False, "as published")}


RLFN.namings = (
    Naming("RLFN", assume=_assume),
    Naming(
        "RLFN of NTIRE 2022",
        (
            ("fea_conv", "conv_1"),
            ("B{b}.c{k}_r", "block_{b}.c{k}_r"),
            ("B{b}.c5", "block_{b}.c5"),
            ("B{b}.esa.conv{k}", "block_{b}.esa.conv{k}"),
            ("B{b}.esa.conv_f", "block_{b}.esa.conv_f"),
            ("LR_conv", "conv_2"),
            ("upsampler.0", "upsampler.0"),
        ),
        assume=_assume,
    ),
    Naming(
        "SlimRLFN of NTIRE 2024",
        (
            ("conv_{k}", "conv_{k}"),
            ("block_list.{b}.c{k}_r", "block_{b+1}.c{k}_r"),
            ("block_list.{b}.c5", "block_{b+1}.c5"),
            ("block_list.{b}.esa.conv{k}", "block_{b+1}.esa.conv{k}"),
            ("upsampler.upsample_conv", "upsampler.0"),
        ),
        assume=_assume,
    ),
)
