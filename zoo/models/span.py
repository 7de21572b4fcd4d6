"""SPAN: swift parameter-free attention.

::

    block(x):  a = silu(conv(x));  b = silu(conv(a));  c = conv(b)
               y = (c + x)(sigmoid(c) - 1/2)
    h = conv((picture - mean) 255);  y = 6 blocks of h
    picture = shuffle(conv(conv 1x1 of [h, conv(y), y of block 1, a of block 6]))

While it is trained a convolution is three in a row and one beside them, which are
one 3 x 3 convolution: the row sees the picture with a border of one pixel, so that
nothing of it depends on where the border is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    blocks_key,
    filters_key,
    mean_of,
    scale_key,
)
from zoo.models.folding import finite_float32
from zoo.models.naming import Naming
from zoo.models.network_family import Constants, NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import AffineMap, Mapped, require_shape

__all__ = ["SPAN", "ThreeConvolutions"]

_ROW = ("conv.0", "conv.1", "conv.2")
_BESIDE = "sk"
_DEPLOYED = "eval_conv"


@dataclass(frozen=True)
class ThreeConvolutions(AffineMap):
    """1 x 1, 3 x 3, 1 x 1 in a row and a 1 x 1 beside them, as one 3 x 3.

    A checkpoint's ``eval_conv``, the same thing merged, may be older than the parts,
    and is used only where they are missing.
    """

    def _modules(self, state: StateDict) -> tuple[str, ...]:
        parts = tuple(f"{self.module}.{part}" for part in (*_ROW, _BESIDE))
        if any(state.has(part) for part in parts):
            return parts
        return (f"{self.module}.{_DEPLOYED}",)

    def names(self, state: StateDict) -> tuple[str, ...]:
        names = [
            f"{module}.{part}"
            for module in self._modules(state)
            for part in ("weight", "bias")
        ]
        merged = [f"{self.module}.{_DEPLOYED}.{part}" for part in ("weight", "bias")]
        return (
            *names,
            *(name for name in merged if name in state and name not in names),
        )

    def check(self, state: StateDict) -> None:
        outputs, inputs, _, _ = self.weight_shape
        modules = self._modules(state)
        if len(modules) == 1:
            wanted = [(outputs, inputs, 3, 3)]
        else:
            into, middle = (state.kernel(module)[0] for module in modules[:2])
            wanted = [
                (into, inputs, 1, 1),
                (middle, into, 3, 3),
                (outputs, middle, 1, 1),
                (outputs, inputs, 1, 1),
            ]
        for module, shape in zip(modules, wanted, strict=True):
            require_shape(state, f"{module}.weight", shape)
            require_shape(state, f"{module}.bias", shape[:1])

    def convert(self, state: StateDict) -> Mapped:
        modules = self._modules(state)
        target = f"{self.layer}.weights and .biases"
        if len(modules) == 1:
            weight, bias = (_float64(state, f"{modules[0]}.{p}") for p in _PARTS)
            how = "stored", f"{target} (OIHW to HWIO)"
        else:
            (w0, b0), (w1, b1), (w2, b2), (ws, bs) = (
                [_float64(state, f"{module}.{part}") for part in _PARTS]
                for module in modules
            )
            w0, w2 = w0[:, :, 0, 0], w2[:, :, 0, 0]
            weight = np.einsum("om,mkhw,ki->oihw", w2, w1, w0, optimize=True)
            weight[:, :, 1, 1] += ws[:, :, 0, 0]
            bias = w2 @ (w1.sum(axis=(2, 3)) @ b0 + b1) + b2 + bs
            how = "folded", f"{target} (one of four convolutions that are one)"
        mapped = Mapped(
            {
                "weights": np.ascontiguousarray(
                    weight.transpose(2, 3, 1, 0), np.float32
                ),
                "biases": bias.astype(np.float32),
            }
        )
        for name in self.names(state):
            is_merged = name.startswith(f"{self.module}.{_DEPLOYED}.")
            mapped.uses[name] = how
            if is_merged and len(modules) > 1:
                mapped.uses[name] = (
                    "ignored",
                    "the parts it was merged of are there, and may be newer",
                )
        return mapped

    def export(self, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        merged = AffineMap(f"{self.module}.{_DEPLOYED}", self.layer, self.shapes)
        return merged.export(parameters)


_PARTS = ("weight", "bias")


def _float64(state: StateDict, name: str) -> NDArray[np.float64]:
    return finite_float32(state[name], state.original(name)).astype(np.float64)


class SPAN(NetworkFamily):
    """Blocks whose last convolution is their own attention."""

    name = "span"
    summary = "swift parameter-free attention network"
    paper = (
        "Wan et al., Swift Parameter-free Attention Network for Efficient "
        "Super-Resolution, 2024"
    )
    options: ClassVar[tuple[Key, ...]] = (
        blocks_key(6, "attention blocks"),
        filters_key(48),
        Key(
            "width",
            "int",
            0,
            "channels after the concatenation; 0: as many as inside",
            minimum=0,
            maximum=4096,
        ),
        scale_key(4),
        CHANNELS,
        COLOR,
        Key(
            "norm",
            "bool",
            True,
            "1: DIV2K's mean is subtracted, and the difference multiplied by 255",
        ),
        Key(
            "mean", "floats", (), "subtracted from the input; DIV2K's mean if not given"
        ),
    )
    undecided: ClassVar[Mapping[str, tuple[Any, ...]]] = {"norm": (True, False)}

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, channels = options["filters"], options["channels"]
        net_keys: dict[str, Any] = {"channels": channels, "range": 1}
        net_keys["color"] = options["color"]
        if options["norm"]:
            net_keys["mean"] = mean_of({**options, "range": 1.0})
            net_keys["std"] = (1 / 255,)
        net = NetworkBuilder(**net_keys)

        def conv(module: str, x: int, activation: str = "linear") -> int:
            return net.conv(
                module, x, filters, activation=activation, map_by=ThreeConvolutions
            )

        x = head = conv("conv_1", net.input())
        firsts = [head]
        for block in range(1, options["blocks"] + 1):
            name = f"block_{block}"
            a = conv(f"{name}.c1_r", x, "silu")
            b = conv(f"{name}.c2_r", a, "silu")
            c = conv(f"{name}.c3_r", b)
            # loggy is 2 sigmoid(c) - 1, hence the halves.
            attention = net.activation(c, "loggy")
            x = net.product(net.sum(c, x, alpha=0.5, beta=0.5), attention)
            firsts.append(x)
        x = net.concat(head, conv("conv_2", x), firsts[1], a)
        x = net.conv("conv_cat", x, options["width"] or filters, 1)
        scale = options["scale"]
        net.shuffle(net.conv("upsampler.0", x, channels * scale**2), scale)
        return net

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        parts = [f"conv_1.{part}" for part in (_BESIDE, _DEPLOYED)]
        filters, channels, _, _ = state.kernel(
            parts[0] if state.has(parts[0]) else parts[1]
        )
        width = state.filters("conv_cat")
        blocks = state.count("block_{}", first=1)
        return {
            "blocks": blocks,
            "filters": filters,
            "width": width if width != filters else 0,
            "scale": state.shuffle_factor("upsampler.0", channels),
            "channels": channels,
        }

    @classmethod
    def constants(cls, state: StateDict) -> Constants:
        if "no_norm" not in state:
            why = "there is no tensor no_norm"
            return Constants(assumed={"norm": (True, why)})
        return Constants({"norm": False}, {"no_norm": ("stated", "norm=0")})


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "mean": ((), "as published: DIV2K's mean colour")}


SPAN.namings = (Naming("SPAN", assume=_assume),)
