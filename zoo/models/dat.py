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
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    filters_key,
    range_key,
    scale_key,
)
from zoo.models.naming import Naming
from zoo.models.network_family import NetworkFamily
from zoo.models.split_windows import (
    gated_mlp,
    groups_of,
    is_moved,
    masks_of,
    require_window,
    split_windows,
    window_of,
)
from zoo.models.state_dict import StateDict
from zoo.models.transformer import (
    DEEP,
    ENDS,
    QKV_BIAS,
    WIDTH,
    body_convolution,
    color_keys,
    end_of,
    norm,
    paired_groups,
    upsampled,
)

__all__ = ["DAT"]


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
        DEEP,
        QKV_BIAS,
        ENDS,
        WIDTH,
        scale_key(2),
        CHANNELS,
        COLOR,
        range_key(1.0),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters = options["filters"]
        require_window(options["window"])
        if options["end"] not in ("pixelshuffle", "direct"):
            raise UsageError(f"end={options['end']} is no way out of a dat")
        net = NetworkBuilder(**color_keys(options))
        x = head = net.conv("conv_first", net.input(), filters)
        x = norm(net, "before_RG.1", x)
        for group, (depth, count) in enumerate(paired_groups(options)):
            y = x
            for block in range(depth):
                name = f"layers.{group}.blocks.{block}"
                inner = norm(net, f"{name}.norm1", y)
                if block % 2:
                    z = cls._channels(net, f"{name}.attn", inner, count, options)
                else:
                    moved = is_moved(group, block)
                    z = cls._windows(net, f"{name}.attn", inner, count, moved, options)
                y = net.sum(net.conv(f"{name}.attn.proj", z, filters, 1), y)
                z = norm(net, f"{name}.norm2", y)
                y = net.sum(gated_mlp(net, f"{name}.ffn", z, options["hidden"]), y)
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
        qkv, convolved = cls._qkv(net, name, x, options)
        attended = split_windows(net, name, qkv, x, heads, options["window"], moved)
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

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_first")
        depths, heads = groups_of(state)
        first = "layers.0.blocks.0"
        return {
            "depths": depths,
            "heads": heads,
            "filters": filters,
            "window": window_of(state),
            "hidden": state.shape(f"{first}.ffn.fc1.weight")[0],
            "deep": state.has("conv_after_body.0"),
            "bias": f"{first}.attn.qkv.bias" in state,
            "channels": channels,
            **end_of(state, channels),
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        return masks_of(state)


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {**assume_color(options), "range": (1.0, "as published")}


DAT.namings = (Naming("DAT", assume=_assume),)
