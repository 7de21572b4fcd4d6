"""BSRN: RFDN with blueprint separable convolutions.

::

    sep(x):    conv 3 x 3 per channel of conv 1 x 1 of x
    block(x):  r_0 = x;  for k = 1..3:  d_k = gelu(conv 1x1 of r_{k-1})
                                        r_k = gelu(r_{k-1} + sep(r_{k-1}))
               y = spatial attention of conv 1x1 of [d_1, d_2, d_3, gelu(sep(r_3))]
               x + channel attention of y, or x + conv 1x1 of w y
    h = sep([picture, picture, picture, picture]);  y_b = block(y_{b-1}),  y_0 = h
    picture = shuffle(conv(h + sep(gelu(conv 1x1 of [y_1, ..., y_B]))))

The channel attention is of mean and standard deviation; the small network of the
challenge has learned factors w and a 1 x 1 convolution instead, here as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.attention import channel_attention, enhanced_spatial_attention
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    scale_key,
)
from zoo.models.folding import finite_float32
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import AffineMap, Mapped, require_shape

__all__ = ["BSRN"]

_COPIES = 4


@dataclass(frozen=True)
class _Weighted(AffineMap):
    """A linear map of channels that have factors of their own before."""

    factors: str = ""

    def names(self, state: StateDict) -> tuple[str, ...]:
        return (*super().names(state), self.factors)

    def check(self, state: StateDict) -> None:
        self.check_own(state)
        require_shape(state, self.factors, (1, self.shapes["weights"][2]))

    def convert(self, state: StateDict) -> Mapped:
        mapped = super().convert(state)
        factors = finite_float32(state[self.factors], state.original(self.factors))
        weights = mapped.parameters["weights"]
        mapped.parameters["weights"] = weights * factors.reshape(1, 1, -1, 1)
        where = f"{self.tensor('weights')} (multiplied in)"
        mapped.uses[f"{self.module}.weight"] = ("folded", where)
        mapped.uses[self.factors] = ("folded", where)
        return mapped


class BSRN(NetworkFamily):
    """Distillation blocks of separable convolutions."""

    name = "bsrn"
    summary = "blueprint separable residual network"
    paper = (
        "Li et al., Blueprint Separable Residual Network for Efficient Image "
        "Super-Resolution, 2022"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(8, "distillation blocks"),
        filters_key(64),
        Key("distilled", "int", 32, "channels set aside at each step", minimum=1),
        Key("hidden", "int", 16, "channels inside the spatial attention", minimum=1),
        Key(
            "squeeze",
            "int",
            4,
            "channels inside the channel attention; 0: learned factors instead",
            minimum=0,
            maximum=4096,
        ),
        Key(
            "bias", "bool", False, "1: 1x1 parts of separable convolutions have biases"
        ),
        scale_key(4),
        CHANNELS,
        COLOR,
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, aside = options["filters"], options["distilled"]
        plain: dict[str, Any] = {} if options["bias"] else {"bias": False}
        net = NetworkBuilder(
            channels=options["channels"], range=1, color=options["color"]
        )

        def sep(name: str, x: int, outputs: int, activation: str = "linear") -> int:
            y = net.conv(f"{name}.pw", x, outputs, 1, **plain)
            return net.conv(f"{name}.dw", y, outputs, 3, activation, groups=outputs)

        def block(name: str, x: int) -> int:
            parts, y = [], x
            for number in (1, 2, 3):
                parts.append(net.conv(f"{name}.c{number}_d", y, aside, 1, "gelu_erf"))
                rest = sep(f"{name}.c{number}_r", y, filters)
                y = net.sum(rest, y, activation="gelu_erf")
            parts.append(sep(f"{name}.c4", y, aside, "gelu_erf"))
            y = net.conv(f"{name}.c5", net.concat(*parts), filters, 1)
            y = enhanced_spatial_attention(
                net,
                f"{name}.esa",
                y,
                options["hidden"],
                deep=True,
                activation="gelu_erf",
                convolve=sep,
            )
            if options["squeeze"]:
                squeeze, excite = (f"{name}.cca.conv_du.{place}" for place in (0, 2))
                y = channel_attention(
                    net, squeeze, excite, y, options["squeeze"], contrast=True
                )
            else:
                y = net.conv(
                    f"{name}.conv_out",
                    y,
                    filters,
                    1,
                    map_by=_Weighted,
                    map_keys={"factors": f"{name}.cw"},
                )
            return net.sum(y, x)

        picture = net.input()
        x = head = sep("fea_conv", net.concat(*[picture] * _COPIES), filters)
        blocks = []
        for number in range(options["blocks"]):
            x = block(f"B{number + 1}", x)
            blocks.append(x)
        x = net.conv("c1", net.concat(*blocks), filters, 1, "gelu_erf")
        x = net.sum(sep("c2", x, filters), head)
        scale = options["scale"]
        x = net.conv("upsampler.upsampleOneStep.0", x, options["channels"] * scale**2)
        net.shuffle(x, scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, inputs = state.shape("fea_conv.pw.weight")[:2]
        channels = inputs // _COPIES
        blocks = state.count("B{}", first=1)
        squeeze = "B1.cca.conv_du.0.weight"
        return {
            "blocks": blocks,
            "filters": filters,
            "distilled": state.shape("B1.c1_d.weight")[0],
            "hidden": state.shape("B1.esa.conv1.weight")[0],
            "squeeze": state.shape(squeeze)[0] if squeeze in state else 0,
            "bias": "fea_conv.pw.bias" in state,
            "scale": state.shuffle_factor("upsampler.upsampleOneStep.0", channels),
            "channels": channels,
        }


BSRN.namings = (Naming("BSRN", assume=assume_color),)
