"""Attention in windows of two shapes, as DAT and RGT have it, and the gate beside it.

Half of the heads attend inside windows of rows x columns, the others of columns x
rows. The biases of positions come of a small network of the differences of places;
they are computed when a checkpoint is converted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.models.base import NotRecognized
from zoo.models.builder import NetworkBuilder
from zoo.models.folding import finite_float32
from zoo.models.state_dict import StateDict
from zoo.models.tensor_map import Mapped, TensorMap, by, require_shape
from zoo.models.transformer import norm

__all__ = [
    "gated_mlp",
    "groups_of",
    "is_moved",
    "masks_of",
    "require_window",
    "split_windows",
    "window_of",
]


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


def require_window(window: tuple[int, ...]) -> None:
    """Raise UsageError unless a window has rows and columns."""
    if len(window) != 2:
        raise UsageError(f"window={by(window)} is not rows and columns")


def is_moved(group: int, block: int) -> bool:
    """Whether the windows of a block are moved by half of their lengths."""
    return block % 4 == (2 if group % 2 == 0 else 0)


def split_windows(
    net: NetworkBuilder,
    name: str,
    qkv: int,
    like: int,
    heads: int,
    window: tuple[int, ...],
    moved: bool,
) -> int:
    """Attention of q, k and v beside each other; as large as ``like``."""
    filters = net.channels(qkv) // 3
    (rows, columns), half = window, filters // 2
    # The programs pad q, k and v with zeros.
    padded = net.add("pad", qkv, multiple=max(rows, columns), mode="zero")
    parts = []
    for side, extent in enumerate(((rows, columns), (columns, rows))):
        thirds = [
            net.channels_of(padded, third * filters + side * half, half)
            for third in range(3)
        ]
        shift = tuple(length // 2 for length in extent) if moved else (0,)
        parts.append(
            net.add(
                "window_attention",
                net.concat(*thirds),
                module=f"{name}.attns.{side}",
                map_by=_PositionNetwork,
                heads=heads // 2,
                window=extent,
                shift=shift,
            )
        )
    return net.like_picture(net.concat(*parts), like, max(rows, columns), 1)


def gated_mlp(net: NetworkBuilder, name: str, x: int, hidden: int) -> int:
    """[a, b] = gelu(linear(x)); linear of a * conv 3 x 3 per channel of norm(b)."""
    half = hidden // 2
    y = net.conv(f"{name}.fc1", x, 2 * half, 1, "gelu_erf")
    b = norm(net, f"{name}.sg.norm", net.channels_of(y, half, half))
    b = net.conv(f"{name}.sg.conv", b, half, groups=half)
    y = net.product(b, net.channels_of(y, 0, half))
    return net.conv(f"{name}.fc2", y, net.channels(x), 1)


def groups_of(state: StateDict) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Blocks and heads of each group."""
    depths, heads = [], []
    for group in range(state.count("layers.{}.blocks")):
        blocks = f"layers.{group}.blocks"
        depths.append(state.count(f"{blocks}.{{}}"))
        last = f"{blocks}.0.attn.attns.0.pos.pos3.2.weight"
        heads.append(2 * state.shape(last)[0])
    return tuple(depths), tuple(heads)


def window_of(state: StateDict) -> tuple[int, int]:
    """Rows and columns of the windows, from the differences of places.

    Raises
    ------
    NotRecognized
        If there are none.
    """
    name = "layers.0.blocks.0.attn.attns.0.rpe_biases"
    places = state.shape(name)
    if len(places) != 2 or places[0] < 1 or places[1] != 2:
        raise NotRecognized("its windows have no places")
    # The last of the differences is that of the corners.
    rows, columns = np.asarray(state[name][-1], np.float64)
    if not (abs(rows) < 512 and abs(columns) < 512):
        raise NotRecognized(f"its windows are {rows} x {columns} pixels large")
    return round(rows) + 1, round(columns) + 1


def masks_of(state: StateDict) -> dict[str, str]:
    """Tensors that follow from the size of the picture, and that they do."""
    ends = (".attn_mask_0", ".attn_mask_1")
    return {
        name: "follows from the size of the picture"
        for name in state
        if name.endswith(ends)
    }
