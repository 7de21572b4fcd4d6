"""SRFormer: SwinIR whose keys and values are made of cells of pixels, in larger windows.

::

    each block:  x = x + attention(norm(x));  x = x + mlp(norm(x))
    attention:   q = linear(x);  k, v: a quarter of the channels, of 2 x 2 pixels each
    mlp(x):      y = gelu(linear(x));  linear(y + gelu(conv 5 x 5 per channel of y))

Every pixel of a window attends to its cells, a quarter as many. Moved windows hold
pixels of both ends of the picture, which attend to each other: the published program
computes a mask for cells that does not part those of the last window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from zoo.errors import UsageError
from zoo.keys import Key
from zoo.models.builder import NetworkBuilder
from zoo.models.naming import Naming
from zoo.models.state_dict import StateDict
from zoo.models.swinir import SwinIR, assume_range
from zoo.models.transformer import biases, changed, norm

__all__ = ["SRFormer"]


class SRFormer(SwinIR):
    """Groups of blocks with permuted attention inside windows."""

    name = "srformer"
    summary = "permuted self-attention in large windows"
    paper = (
        "Zhou et al., SRFormer: Permuted Self-Attention for Single Image "
        "Super-Resolution, 2023"
    )
    options: ClassVar[tuple[Key, ...]] = changed(SwinIR.options, window=16)

    @classmethod
    def block(
        cls,
        net: NetworkBuilder,
        name: str,
        x: int,
        heads: int,
        shifted: bool,
        options: Mapping[str, Any],
    ) -> int:
        filters, window = options["filters"], options["window"]
        if window % 4 or filters % 4:
            raise UsageError(
                f"window={window} and filters={filters} must be multiples of four"
            )
        plain = biases(options["bias"])
        y = norm(net, f"{name}.norm1", x)
        kv = net.conv(f"{name}.attn.kv", y, filters // 2, 1, **plain)
        # Cells of 2 x 2 pixels: all of k's channels of each pixel, then v's.
        cells = [
            net.add(
                "reorg3d",
                net.channels_of(kv, half * filters // 4, filters // 4),
                stride=2,
                order="dcr",
            )
            for half in (0, 1)
        ]
        kv = net.concat(*cells)
        q = net.conv(f"{name}.attn.q", y, filters, 1, **plain)
        shift: dict[str, Any] = {"shift": (window // 2,)} if shifted else {}
        y = net.cross_attention(
            f"{name}.attn",
            q,
            kv,
            heads=heads,
            window=(window,),
            **shift,
            masked=False,
        )
        x = net.sum(net.conv(f"{name}.attn.proj", y, filters, 1), x)
        y = norm(net, f"{name}.norm2", x)
        hidden = options["hidden"]
        y = net.conv(f"{name}.mlp.fc1", y, hidden, 1, "gelu_erf")
        depthwise = f"{name}.mlp.dwconv.depthwise_conv.0"
        z = net.conv(depthwise, y, hidden, 5, "gelu_erf", groups=hidden)
        return net.sum(net.conv(f"{name}.mlp.fc2", net.sum(z, y), filters, 1), x)

    @classmethod
    def infer(cls, state: StateDict, stated: Mapping[str, Any]) -> dict[str, Any]:
        options = super().infer(state, stated)
        return {**options, "window": 2 * options["window"]}

    @classmethod
    def unused(cls, state: StateDict, options: Mapping[str, Any]) -> dict[str, str]:
        return {
            name: "follows from the size of the window"
            for name in state
            if name.endswith(".aligned_relative_position_index")
        }


SRFormer.namings = (Naming("SRFormer", assume=assume_range),)
