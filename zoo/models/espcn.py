"""ESPCN: convolutions of the small picture and the first pixel shuffle.

::

    y = f(conv 5 x 5);  each further one  y = f(conv 3 x 3)
    picture = g(shuffle(conv 3 x 3 to r^2 channels))

f is tanh or relu; g nothing, or the logistic function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, scale_key
from zoo.models.luma import assume_luma
from zoo.models.naming import Assume, Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict

__all__ = ["ESPCN"]


class ESPCN(NetworkFamily):
    """A few convolutions, and channels that become pixels."""

    name = "espcn"
    summary = "efficient sub-pixel convolution"
    paper = (
        "Shi et al., Real-Time Single Image and Video Super-Resolution Using an "
        "Efficient Sub-Pixel Convolutional Neural Network, 2016"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("widths", "ints", (64, 32), "channels of all layers but the last"),
        Key("activation", "str", "tanh", "between them", choices=("tanh", "relu")),
        Key("end", "str", "linear", "at the end", choices=("linear", "logistic")),
        scale_key(2),
        CHANNELS,
        COLOR,
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "activation": ("tanh", "relu"),
        "end": ("linear", "logistic"),
    }

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        channels, scale = options["channels"], options["scale"]
        net = NetworkBuilder(channels=channels, range=1, color=options["color"])
        x = net.input()
        for number, width in enumerate(options["widths"]):
            size = 3 if number else 5
            x = net.conv(f"conv{number + 1}", x, width, size, options["activation"])
        last = f"conv{len(options['widths']) + 1}"
        x = net.conv(last, x, channels * scale**2, 3, options["end"])
        net.shuffle(x, scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        channels = state.kernel("conv1")[1]
        widths: list[int] = []
        while state.has(f"conv{len(widths) + 2}"):
            widths.append(state.filters(f"conv{len(widths) + 1}"))
        return {
            "widths": tuple(widths),
            "scale": state.shuffle_factor(f"conv{len(widths) + 1}", channels),
            "channels": channels,
        }


def _assume(activation: str, end: str) -> Assume:
    def assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
        return {
            **assume_luma(options),
            "activation": (activation, "as published"),
            "end": (end, "as published"),
        }

    return assume


ESPCN.namings = (
    Naming("ESPCN of leftthomas", assume=_assume("tanh", "logistic")),
    Naming(
        "ESPCN-pytorch",
        (("first_part.{2k}", "conv{k+1}"), ("last_part.0", "conv{n+1}")),
        counts={"n": "first_part.{2b}"},
        assume=_assume("tanh", "linear"),
    ),
    Naming(
        "ESPCN-PyTorch of Lornatang",
        (("feature_maps.{2k}", "conv{k+1}"), ("sub_pixel.0", "conv{n+1}")),
        counts={"n": "feature_maps.{2b}"},
        assume=_assume("tanh", "linear"),
    ),
)
