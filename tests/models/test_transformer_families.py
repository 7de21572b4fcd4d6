"""Families of transformers against functions in PyTorch, random weights, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from families_check import check
from torch_modules import IMAGE

torch = pytest.importorskip("torch")
F = torch.nn.functional


def swin_block(t: Any, name: str, x: Any, window: int, heads: int, shift: int) -> Any:
    """x is N x H x W x C."""
    count, height, width, filters = x.shape

    def norm(module: str, x: Any) -> Any:
        scales = t.draw(f"{module}.weight", filters, scale=0.2, mean=1)
        biases = t.draw(f"{module}.bias", filters, scale=0.1)
        return F.layer_norm(x, (filters,), scales, biases)

    def windows(x: Any) -> Any:
        x = x.unfold(1, window, window).unfold(2, window, window)
        return x.permute(0, 1, 2, 4, 5, 3).reshape(-1, window**2, x.shape[3])

    ids = torch.zeros(1, height, width, 1)
    if shift:  # which pixels only the rolling brings together
        for number, (rows, columns) in enumerate(
            (rows, columns)
            for rows in (slice(-shift), slice(-shift, None))
            for columns in (slice(-shift), slice(-shift, None))
        ):
            ids[:, rows, columns] = number
    apart = windows(ids) - windows(ids).transpose(1, 2)
    mask = torch.where(apart != 0, -100.0, 0.0)[:, None]

    y = norm(f"{name}.norm1", x).roll((-shift, -shift), (1, 2))
    y = t.linear(f"{name}.attn.qkv", windows(y), 3 * filters)
    q, k, v = y.reshape(len(y), window**2, 3, heads, -1).permute(2, 0, 3, 1, 4)
    table = t.draw(
        f"{name}.attn.relative_position_bias_table", (2 * window - 1) ** 2, heads
    )
    at = torch.arange(window)
    at = torch.stack(torch.meshgrid(at, at, indexing="ij")).flatten(1)
    at = at[:, :, None] - at[:, None] + window - 1
    index = at[0] * (2 * window - 1) + at[1]
    t.state[f"{name}.attn.relative_position_index"] = index
    logits = q @ k.transpose(-1, -2) / (filters // heads) ** 0.5
    logits = logits + table[index].permute(2, 0, 1) + mask
    y = (logits.softmax(-1) @ v).transpose(1, 2).reshape(len(y), window**2, filters)
    y = t.linear(f"{name}.attn.proj", y, filters)
    y = y.reshape(count, height // window, width // window, window, window, filters)
    y = y.transpose(2, 3).reshape(count, height, width, filters)
    x = x + y.roll((shift, shift), (1, 2))
    y = t.linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", x), 2 * filters)
    return x + t.linear(f"{name}.mlp.fc2", F.gelu(y), filters)


def swinir(
    t: Any,
    x: Any,
    window: int = 4,
    depths: tuple[int, ...] = (2, 3),
    heads: tuple[int, ...] = (2, 3),
    filters: int = 12,
    end: str = "pixelshuffle",
    scale: int = 2,
    deep: bool = False,
) -> Any:
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % window, 0, -height % window), "reflect")
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
    picture = x = x - mean

    def convolution(name: str, x: Any) -> Any:
        if not deep:
            return t.conv(name, x, filters)
        y = F.leaky_relu(t.conv(f"{name}.0", x, filters // 4), 0.2)
        y = F.leaky_relu(t.conv(f"{name}.2", y, filters // 4, 1), 0.2)
        return t.conv(f"{name}.4", y, filters)

    x = head = t.conv("conv_first", x, filters)
    x = t.layernorm("patch_embed.norm", x, 1e-5)
    for group, (depth, count) in enumerate(zip(depths, heads, strict=True)):
        y = x.permute(0, 2, 3, 1)
        for block in range(depth):
            name = f"layers.{group}.residual_group.blocks.{block}"
            y = swin_block(t, name, y, window, count, block % 2 * (window // 2))
        x = x + convolution(f"layers.{group}.conv", y.permute(0, 3, 1, 2))
    x = head + convolution("conv_after_body", t.layernorm("norm", x, 1e-5))
    if end == "direct":
        x = F.pixel_shuffle(t.conv("upsample.0", x, 3 * scale**2), scale)
    elif end == "none":
        x = picture + t.conv("conv_last", x, 3)
    else:
        x = F.leaky_relu(t.conv("conv_before_upsample.0", x, 6))
        if end == "nearest":
            for stage in range(1, {2: 2, 4: 3}[scale]):
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = F.leaky_relu(t.conv(f"conv_up{stage}", x, 6), 0.2)
            x = F.leaky_relu(t.conv("conv_hr", x, 6), 0.2)
        else:
            for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale]):
                x = t.conv(f"upsample.{2 * stage}", x, 6 * factor**2)
                x = F.pixel_shuffle(x, factor)
        x = t.conv("conv_last", x, 3)
    return x[:, :, : scale * height, : scale * width] + mean


@pytest.mark.parametrize(
    "end, scale",
    [
        ("pixelshuffle", 2),
        ("pixelshuffle", 3),
        ("pixelshuffle", 4),
        ("direct", 3),
        ("nearest", 2),
        ("nearest", 4),
        ("none", 1),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
def test_swinir(end: str, scale: int, deep: bool) -> None:
    expected = {"end": end, "scale": scale, "window": 4, "hidden": 24, "deep": deep}
    expected |= {"depths": (2, 3), "heads": (2, 3)}
    check(swinir, expected, end=end, scale=scale, deep=deep)


def test_a_table_of_another_size_is_refused() -> None:
    from torch_functions import evaluate

    from zoo.errors import WeightsError
    from zoo.models.identify import identify
    from zoo.parsers.base import Checkpoint

    state, _ = evaluate(swinir, IMAGE)
    name = "layers.1.residual_group.blocks.1.attn.relative_position_bias_table"
    state[name] = np.zeros((48, 3), np.float32)
    with pytest.raises(WeightsError, match=f"{name} is 48x3 in place of 49x3"):
        identify(Checkpoint("torch", state), "x")
