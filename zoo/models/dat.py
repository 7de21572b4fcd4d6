"""DAT: dual aggregation, attention in windows and between channels by turns.

::

    each block:  x = x + attention(norm(x));  x = x + gate(norm(x))
    gate(x):  [a, b] = gelu(linear(x));  linear of a * conv 3 x 3 per channel of norm(b)
    h = conv(picture - mean);  y = norm(h);  each group:  y = y + conv(blocks of y)
    y = h + conv(norm(y));  picture = way out of y, + mean

In even blocks half of the heads attend inside windows of rows x columns, the others of
columns x rows, in some blocks moved by half of that; in odd blocks channels attend
to channels. Beside either a convolution per channel of v goes, and the two weigh each
other: one by a factor per channel that the other makes, which is weighed by a factor
per pixel. The biases of positions come of a small network of the differences of
places; they are computed when a checkpoint is converted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import CHANNELS, COLOR, assume_color, filters_key, scale_key
from zoo.models.folding import finite_float32
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import Mapped, TensorMap, by, require_shape
from zoo.models.transformer import (
    ENDS,
    body_convolution,
    color_keys,
    end_of,
    norm,
    upsampled,
)

__all__ = ["DAT"]


@dataclass(frozen=True)
class _PositionNetwork(TensorMap):
    """The biases of positions, which a small network makes of differences of places.

    A linear map of (rows, columns), then three times normalization, relu and a linear
    map. The module's ``rpe_biases`` are the differences, in the order of the table.
    """

    def _layers(self) -> list[str]:
        pos = f"{self.module}.pos"
        return [
            f"{pos}.pos_proj",
            *(f"{pos}.pos{n}.{k}" for n in (1, 2, 3) for k in (0, 2)),
        ]

    def names(self, state: StateDict) -> tuple[str, ...]:
        tensors = [f"{m}.{part}" for m in self._layers() for part in ("weight", "bias")]
        return (f"{self.module}.rpe_biases", *tensors)

    def check(self, state: StateDict) -> None:
        count, heads = self.shapes["position_biases"]
        places = f"{self.module}.rpe_biases"
        require_shape(state, places, (count, 2))
        first, *others = self._layers()
        width = state.shape(f"{first}.weight")[0]
        require_shape(state, f"{first}.weight", (width, 2))
        require_shape(state, f"{first}.bias", (width,))
        for place, module in enumerate(others):
            outputs = heads if place == 5 else width
            shape = (width,) if place % 2 == 0 else (outputs, width)
            require_shape(state, f"{module}.weight", shape)
            require_shape(state, f"{module}.bias", shape[:1])

    def convert(self, state: StateDict) -> Mapped:
        def tensor(name: str) -> NDArray[np.float64]:
            return finite_float32(state[name], state.original(name)).astype(np.float64)

        first, *others = self._layers()
        x = tensor(f"{self.module}.rpe_biases") @ tensor(f"{first}.weight").T
        x = x + tensor(f"{first}.bias")
        for place, module in enumerate(others):
            weight, bias = tensor(f"{module}.weight"), tensor(f"{module}.bias")
            if place % 2:
                x = x @ weight.T + bias
            else:
                x = x - x.mean(axis=1, keepdims=True)
                x = x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + 1e-5)
                x = np.maximum(x * weight + bias, 0)
        target = self.tensor("position_biases")
        return Mapped(
            {"position_biases": x.astype(np.float32)},
            {name: ("folded", f"{target} (computed)") for name in self.names(state)},
        )


class DAT(NetworkFamily):
    """Attention in rectangular windows and between channels."""

    name = "dat"
    summary = "dual aggregation transformer"
    paper = "Chen et al., Dual Aggregation Transformer for Image Super-Resolution, 2023"
    options: ClassVar[tuple[Key, ...]] = (
        Key("depths", "ints", (18,), "blocks of each group", minimum=1),
        Key("heads", "ints", (6,), "attention heads of each group; even", minimum=2),
        filters_key(60, "channels inside; a multiple of the heads"),
        Key("window", "ints", (8, 32), "rows and columns of the windows", minimum=2),
        Key("hidden", "int", 120, "channels inside a gate; even", minimum=2),
        Key("deep", "bool", False, "1: three convolutions at the end of a group"),
        Key("bias", "bool", True, "1: q, k and v have biases"),
        ENDS,
        Key("width", "int", 64, "channels of the way out", minimum=1, maximum=4096),
        scale_key(2),
        CHANNELS,
        COLOR,
        Key("range", "float", 1.0, "value of white at the input", minimum=1e-6),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters, depths, heads = (options[k] for k in ("filters", "depths", "heads"))
        if len(depths) != len(heads):
            raise UsageError(
                f"depths and heads are for {len(depths)} and {len(heads)} groups"
            )
        if len(options["window"]) != 2:
            raise UsageError(f"window={by(options['window'])} is not rows and columns")
        if options["end"] not in ("pixelshuffle", "direct"):
            raise UsageError(f"end={options['end']} is no way out of a dat")
        net = NetworkBuilder(**color_keys(options))
        x = head = net.conv("conv_first", net.input(), filters)
        x = norm(net, "before_RG.1", x)
        for group, (depth, count) in enumerate(zip(depths, heads, strict=True)):
            y = x
            for block in range(depth):
                name = f"layers.{group}.blocks.{block}"
                inner = norm(net, f"{name}.norm1", y)
                if block % 2:
                    z = cls._channels(net, f"{name}.attn", inner, count, options)
                else:
                    moved = block % 4 == (2 if group % 2 == 0 else 0)
                    z = cls._windows(net, f"{name}.attn", inner, count, moved, options)
                y = net.sum(net.conv(f"{name}.attn.proj", z, filters, 1), y)
                y = net.sum(cls._gate(net, name, y, options), y)
            convolved = body_convolution(
                net, f"layers.{group}.conv", y, options["deep"]
            )
            x = net.sum(convolved, x)
        x = body_convolution(
            net, "conv_after_body", norm(net, "norm", x), options["deep"]
        )
        upsampled(net, net.sum(x, head), options)
        return net

    @staticmethod
    def _qkv(
        net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> tuple[int, int]:
        """q, k and v, and the convolution of v."""
        filters = options["filters"]
        plain: dict[str, Any] = {} if options["bias"] else {"bias": False}
        qkv = net.conv(f"{name}.qkv", x, 3 * filters, 1, **plain)
        v = net.channels_of(qkv, 2 * filters, filters)
        convolved = net.conv(
            f"{name}.dwconv.0",
            v,
            filters,
            3,
            "gelu_erf",
            norm=f"{name}.dwconv.1",
            groups=filters,
        )
        return qkv, convolved

    @staticmethod
    def _channel_map(net: NetworkBuilder, name: str, x: int) -> int:
        """A factor per channel, made of x."""
        filters, inner = net.channels(x), f"{name}.channel_interaction"
        y = net.add("avgpool", x)
        y = net.conv(f"{inner}.1", y, filters // 8, 1, "gelu_erf", norm=f"{inner}.2")
        return net.conv(f"{inner}.4", y, filters, 1, "logistic")

    @staticmethod
    def _spatial_map(net: NetworkBuilder, name: str, x: int) -> int:
        """A factor per pixel, made of x."""
        filters, inner = net.channels(x), f"{name}.spatial_interaction"
        y = net.conv(f"{inner}.0", x, filters // 16, 1, "gelu_erf", norm=f"{inner}.1")
        return net.conv(f"{inner}.3", y, 1, 1, "logistic")

    @classmethod
    def _windows(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        moved: bool,
        options: Mapping[str, Any],
    ) -> int:
        filters, (rows, columns) = options["filters"], options["window"]
        half = filters // 2
        qkv, convolved = cls._qkv(net, name, x, options)
        # The program pads q, k and v with zeros.
        padded = net.add("pad", qkv, multiple=max(rows, columns), mode="zero")
        parts = []
        for side, window in enumerate(((rows, columns), (columns, rows))):
            thirds = [
                net.channels_of(padded, third * filters + side * half, half)
                for third in range(3)
            ]
            shift = tuple(length // 2 for length in window) if moved else (0,)
            parts.append(
                net.add(
                    "window_attention",
                    net.concat(*thirds),
                    module=f"{name}.attns.{side}",
                    map_by=_PositionNetwork,
                    heads=heads // 2,
                    window=window,
                    shift=shift,
                )
            )
        joined = net.concat(*parts)
        attended = net.like_picture(joined, x, max(rows, columns), 1)
        by_channel = cls._channel_map(net, name, convolved)
        by_pixel = cls._spatial_map(net, name, attended)
        return net.sum(
            net.product(convolved, by_pixel), net.scaled(attended, by_channel)
        )

    @classmethod
    def _channels(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        options: Mapping[str, Any],
    ) -> int:
        qkv, convolved = cls._qkv(net, name, x, options)
        attended = net.add("transposed_attention", qkv, module=name, heads=heads)
        by_channel = cls._channel_map(net, name, attended)
        by_pixel = cls._spatial_map(net, name, convolved)
        return net.sum(
            net.product(attended, by_pixel), net.scaled(convolved, by_channel)
        )

    @staticmethod
    def _gate(
        net: NetworkBuilder, name: str, x: int, options: Mapping[str, Any]
    ) -> int:
        half = options["hidden"] // 2
        y = norm(net, f"{name}.norm2", x)
        y = net.conv(f"{name}.ffn.fc1", y, 2 * half, 1, "gelu_erf")
        b = norm(net, f"{name}.ffn.sg.norm", net.channels_of(y, half, half))
        b = net.conv(f"{name}.ffn.sg.conv", b, half, groups=half)
        y = net.product(b, net.channels_of(y, 0, half))
        return net.conv(f"{name}.ffn.fc2", y, net.channels(x), 1)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_first")
        depths, heads = [], []
        for group in range(state.count("layers.{}.blocks")):
            blocks = f"layers.{group}.blocks"
            depths.append(state.count(f"{blocks}.{{}}"))
            last = f"{blocks}.0.attn.attns.0.pos.pos3.2.weight"
            heads.append(2 * state.shape(last)[0])
        first = "layers.0.blocks.0"
        places = state.shape(f"{first}.attn.attns.0.rpe_biases")
        if len(places) != 2 or places[0] < 1:
            raise NotRecognized("its windows have no places")
        # The last of the differences is that of the corners.
        corner = np.asarray(state[f"{first}.attn.attns.0.rpe_biases"][-1], np.float64)
        return {
            "depths": tuple(depths),
            "heads": tuple(heads),
            "filters": filters,
            "window": tuple(round(value) + 1 for value in corner),
            "hidden": state.shape(f"{first}.ffn.fc1.weight")[0],
            "deep": state.has("conv_after_body.0"),
            "bias": f"{first}.attn.qkv.bias" in state,
            "channels": channels,
            **end_of(state, channels),
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: "follows from the size of the picture"
            for name in state
            if name.endswith((".attn_mask_0", ".attn_mask_1"))
        }


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "range": (1.0, "as published")}


DAT.namings = (Naming("DAT", assume=_assume),)
