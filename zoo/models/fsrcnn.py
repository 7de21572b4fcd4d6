"""FSRCNN: convolutions of the small picture, and a transposed one that enlarges.

::

    y = prelu(conv 5 x 5);  y = prelu(conv 1 x 1 to fewer channels)
    m times  y = prelu(conv 3 x 3);  y = prelu(conv 1 x 1 to d channels)
    picture = transposed conv 9 x 9 with the scale as stride

The tensors are the same for every scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, blocks_key, filters_key, scale_key
from zoo.models.luma import assume_luma
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["FSRCNN"]


class FSRCNN(NetworkFamily):
    """Narrow in the middle, enlarged by the last layer."""

    name = "fsrcnn"
    summary = "fast super-resolution by a transposed convolution"
    paper = "Dong et al., Accelerating the Super-Resolution Neural Network, 2016"
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(4, "convolutions in the middle"),
        filters_key(56, "channels at both ends"),
        Key("width", "int", 12, "channels in the middle", minimum=1),
        scale_key(2),
        CHANNELS,
        COLOR,
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {"scale": (2, 3, 4)}

    exports = True

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, width, scale = options["filters"], options["width"], options["scale"]
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        x = net.conv("first_part.0", net.input(), filters, 5)
        x = net.prelu("first_part.1", x)
        shapes = [(width, 1), *[(width, 3)] * options["blocks"], (filters, 1)]
        for number, (outputs, size) in enumerate(shapes):
            x = net.conv(f"mid_part.{2 * number}", x, outputs, size)
            x = net.prelu(f"mid_part.{2 * number + 1}", x)
        # PyTorch's padding=4, output_padding=scale-1.
        net.deconv(
            "last_part",
            x,
            options["channels"],
            9,
            scale,
            padding=4,
            output_padding=scale - 1,
        )
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("first_part.0")
        return {
            "blocks": state.count("mid_part.{}") // 2 - 2,
            "filters": filters,
            "width": state.filters("mid_part.0"),
            "channels": channels,
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        **assume_luma(options),
        "scale": (2, "the tensors are the same for every scale"),
    }


FSRCNN.namings = (
    Naming("FSRCNN-pytorch", assume=_assume),
    Naming(
        "FSRCNN-PyTorch of Lornatang",
        (
            ("feature_extraction.{k}", "first_part.{k}"),
            ("shrink.{k}", "mid_part.{k}"),
            ("map.{k}", "mid_part.{k+2}"),
            ("expand.0", "mid_part.{2m+2}"),
            ("expand.1", "mid_part.{2m+3}"),
            ("deconv", "last_part"),
        ),
        counts={"m": "map.{2b}"},
        assume=_assume,
    ),
)
