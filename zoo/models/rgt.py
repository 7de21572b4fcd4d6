"""RGT: attention in windows and to a small picture of the features, by turns.

::

    each block:  y = x + attention(norm(x));  y = y + gate(norm(y));  x = y + gamma x
    h = conv(picture - mean);  y = norm(h);  each group:  y = y + conv(blocks of y)
    y = h + conv(norm(y));  picture = way out of y, + mean

In even blocks pixels attend inside windows of two shapes, as in DAT, and a convolution
per channel of v is added. In odd blocks every pixel attends to a small picture: the
features less by a convolution of 4 x 4 pixels, one and the same for each of ``times``
times. The published program goes on to fewer than 64 pixels a side, so that from 1024
pixels on it has one more time, from 4096 two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from zoo.keys import Key
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.conventions import (
    CHANNELS,
    COLOR,
    assume_color,
    filters_key,
    range_key,
    scale_key,
)
from zoo.models.folding import finite_float32
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
from zoo.models.tensor_map import Mapped, TensorMap, require_shape
from zoo.models.transformer import (
    DEEP,
    QKV_BIAS,
    WIDTH,
    biases,
    body_convolution,
    color_keys,
    end_of,
    norm,
    paired_groups,
    upsampled,
)

__all__ = ["RGT"]


@dataclass(frozen=True)
class _FactorsMap(TensorMap):
    """A factor per channel, as a convolution of single pixels has it."""

    def names(self, state: StateDict) -> tuple[str, ...]:
        return (self.module,)

    def check(self, state: StateDict) -> None:
        require_shape(state, self.module, self.shapes["weights"][-1:])

    def convert(self, state: StateDict) -> Mapped:
        factors = finite_float32(state[self.module], state.original(self.module))
        target = self.tensor("weights")
        return Mapped(
            {"weights": factors.reshape(self.shapes["weights"])},
            {self.module: ("stored", target)},
        )


class RGT(NetworkFamily):
    """Attention in windows and to generalised features."""

    name = "rgt"
    summary = "recursive generalization transformer"
    paper = (
        "Chen et al., Recursive Generalization Transformer for Image "
        "Super-Resolution, 2024"
    )
    options: ClassVar[tuple[Key, ...]] = (
        Key("depths", "ints", (6,) * 8, "blocks of each group", minimum=1),
        Key("heads", "ints", (6,) * 8, "heads of each group; even", minimum=2),
        filters_key(180, "channels inside; a multiple of the heads"),
        Key("window", "ints", (8, 32), "rows and columns of the windows", minimum=2),
        Key("hidden", "int", 360, "channels inside a gate; even", minimum=2),
        Key("keys", "int", 90, "channels of q and k of the small picture", minimum=1),
        Key("times", "int", 2, "how often that is made smaller", minimum=1, maximum=6),
        DEEP,
        QKV_BIAS,
        WIDTH,
        scale_key(4),
        CHANNELS,
        COLOR,
        range_key(1.0),
    )

    @classmethod
    def build(cls, options: Mapping[str, Any]) -> NetworkBuilder:
        filters = options["filters"]
        require_window(options["window"])
        net = NetworkBuilder(**color_keys(options))
        x = head = net.conv("conv_first", net.input(), filters)
        x = norm(net, "before_RG.1", x)
        for group, (depth, count) in enumerate(paired_groups(options)):
            y = x
            for block in range(depth):
                name = f"layers.{group}.blocks.{block}"
                moved = None if block % 2 else is_moved(group, block)
                y = cls._block(net, name, y, count, moved, options)
            name = f"layers.{group}.conv"
            x = net.sum(body_convolution(net, name, y, options["deep"]), x)
        x = norm(net, "norm", x)
        x = body_convolution(net, "conv_after_body", x, options["deep"])
        upsampled(net, net.sum(x, head), {**options, "end": "pixelshuffle"})
        return net

    @classmethod
    def _block(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        moved: bool | None,
        options: Mapping[str, Any],
    ) -> int:
        filters = options["filters"]
        z = norm(net, f"{name}.norm1", x)
        if moved is None:
            z = cls._small(net, f"{name}.attn", z, heads, options)
        else:
            z = cls._windows(net, f"{name}.attn", z, heads, moved, options)
        y = net.sum(net.conv(f"{name}.attn.proj", z, filters, 1), x)
        z = norm(net, f"{name}.norm2", y)
        y = net.sum(gated_mlp(net, f"{name}.mlp", z, options["hidden"]), y)
        factors = net.conv(
            f"{name}.gamma",
            x,
            filters,
            1,
            groups=filters,
            bias=False,
            map_by=_FactorsMap,
        )
        return net.sum(factors, y)

    @staticmethod
    def _windows(
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        moved: bool,
        options: Mapping[str, Any],
    ) -> int:
        filters = options["filters"]
        qkv = net.conv(f"{name}.qkv", x, 3 * filters, 1, **biases(options["bias"]))
        v = net.channels_of(qkv, 2 * filters, filters)
        convolved = net.conv(f"{name}.get_v", v, filters, groups=filters)
        attended = split_windows(net, name, qkv, x, heads, options["window"], moved)
        return net.sum(attended, convolved)

    @staticmethod
    def _small(
        net: NetworkBuilder, name: str, x: int, heads: int, options: Mapping[str, Any]
    ) -> int:
        filters, keys = options["filters"], options["keys"]
        plain = biases(options["bias"])
        y = x
        for _ in range(options["times"]):
            y = net.conv(
                f"{name}.reduction1", y, filters, 4, stride=4, pad=False, groups=filters
            )
        y = net.conv(f"{name}.dwconv", y, filters, groups=filters)
        y = norm(net, f"{name}.norm_act.0", net.conv(f"{name}.conv", y, keys, 1))
        y = net.activation(y, "gelu_erf")
        v = net.conv(f"{name}.v", y, filters, 1, **plain)
        v = net.sum(net.conv(f"{name}.cpe", v, filters, groups=filters), v)
        k = net.conv(f"{name}.k", y, keys, 1, **plain)
        kv = net.concat(k, v)
        q = net.conv(f"{name}.q", x, keys, 1, **plain)
        return net.cross_attention(
            name, q, kv, heads=heads, window=(0,), positions=False
        )

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        filters, channels, _, _ = state.kernel("conv_first")
        depths, heads = groups_of(state)
        first = "layers.0.blocks.0"
        end = end_of(state, channels)
        if end.pop("end") != "pixelshuffle":
            raise NotRecognized("it has another way out than convolutions and shuffles")
        small = [
            state.filters(f"layers.{group}.blocks.1.attn.conv")
            for group, depth in enumerate(depths)
            if depth > 1
        ]
        return {
            "depths": depths,
            "heads": heads,
            "filters": filters,
            "window": window_of(state),
            "hidden": state.shape(f"{first}.mlp.fc1.weight")[0],
            "keys": small[0] if small else max(filters // 2, 1),
            "deep": state.has("conv_after_body.0"),
            "bias": f"{first}.attn.qkv.bias" in state,
            "channels": channels,
            **end,
        }

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        return masks_of(state)


def _assume(options: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    return {
        **assume_color(options),
        "range": (1.0, "as published"),
        "times": (2, "as published for sides below 1024 pixels; 3 from there on"),
    }


RGT.namings = (Naming("RGT", assume=_assume),)
