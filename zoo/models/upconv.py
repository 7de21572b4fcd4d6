"""waifu2x's upconv_7: six convolutions and a transposed one.

::

    y = the picture with a border of 7 pixels;  6 times  y = leaky(conv(y))
    picture = transposed conv 4 x 4 with stride 2

Nothing is padded inside. Leaky slopes are 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, assume_color
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["UpConv"]

_LEAKY: dict[str, Any] = {"activation": "leaky", "slope": 0.1}


class UpConv(NetworkFamily):
    """Convolutions of growing width, enlarged by the last layer."""

    name = "upconv"
    summary = "waifu2x's upconv_7"
    paper = "nagadomi, waifu2x, 2015"
    options: ClassVar[tuple[Key, ...]] = (
        Key("widths", "ints", (16, 32, 64, 128, 128, 256), "channels", minimum=1),
        Key("bias", "bool", True, "0: the last layer has no biases"),
        Key(
            "padding",
            "str",
            "edge",
            "the border of the picture",
            choices=("edge", "reflect", "symmetric", "zero"),
        ),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        widths = options["widths"]
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )
        net.input()
        x = net.add("pad", size=len(widths) + 1, mode=options["padding"])
        for number, width in enumerate(widths):
            x = net.conv(f"net.{2 * number}", x, width, pad=False, **_LEAKY)
        bias: dict[str, Any] = {} if options["bias"] else {"bias": False}
        net.deconv(
            f"net.{2 * len(widths)}", x, options["channels"], 4, 2, padding=3, **bias
        )
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        widths: list[int] = []
        while state.has(f"net.{2 * len(widths) + 2}"):
            widths.append(state.filters(f"net.{2 * len(widths)}"))
        return {
            "widths": tuple(widths),
            "bias": f"net.{2 * len(widths)}.bias" in state,
            "channels": state.kernel("net.0")[1],
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        **assume_color(options),
        "padding": ("edge", "as the program's border; reflect in others"),
    }


UpConv.namings = (
    Naming("nunif", assume=_assume),
    Naming("Waifu2x of yu45020", (("Sequential.{k}", "net.{k}"),), assume=_assume),
)
