"""HAT, SRFormer and RGT against functions in PyTorch, random weights, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from families_check import check

torch = pytest.importorskip("torch")
from test_transformer_families import LARGER, dat_windows

F = torch.nn.functional
MEAN = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)


def linear(t: Any, name: str, x: Any, outputs: int, bias: bool = True) -> Any:
    """Of N x C x H x W."""
    return t.linear(name, x.permute(0, 2, 3, 1), outputs, bias).permute(0, 3, 1, 2)


def windows(x: Any, side: int) -> Any:
    """N x C x H x W to windows x pixels x C."""
    x = x.unfold(2, side, side).unfold(3, side, side)
    return x.permute(0, 2, 3, 4, 5, 1).reshape(-1, side**2, x.shape[1])


def picture(x: Any, side: int, height: int, width: int) -> Any:
    x = x.reshape(1, height // side, width // side, side, side, -1)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(1, -1, height, width)


def regions(length: int, side: int, shift: int) -> Any:
    """Per row: those before the last window, its first part, and the rest."""
    at = torch.arange(length)
    return (at >= length - side).long() + (at >= length - shift).long()


def apart(ours: Any, theirs: Any) -> Any:
    different = ours[:, :, None] != theirs[:, None]
    return torch.where(different, -100.0, 0.0)[:, None]


def attend(q: Any, k: Any, v: Any, heads: int, biases: Any, mask: Any = 0.0) -> Any:
    """windows x pixels x C each; biases pixels x pixels x heads."""
    q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    logits = logits + biases.permute(2, 0, 1) + mask
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def table_index(side: int) -> Any:
    at = torch.arange(side)
    y, x = (c.flatten() for c in torch.meshgrid(at, at, indexing="ij"))
    down = y[:, None] - y + side - 1
    return down * (2 * side - 1) + x[:, None] - x + side - 1


def mlp(t: Any, name: str, x: Any, hidden: int) -> Any:
    y = F.gelu(linear(t, f"{name}.fc1", x, hidden))
    return linear(t, f"{name}.fc2", y, x.shape[1])


def way_out(t: Any, x: Any, scale: int) -> Any:
    x = F.leaky_relu(t.conv("conv_before_upsample.0", x, 6))
    for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale]):
        x = F.pixel_shuffle(t.conv(f"upsample.{2 * stage}", x, 6 * factor**2), factor)
    return t.conv("conv_last", x, 3)


def shell(t: Any, x: Any, window: int, filters: int, scale: int, group: Any) -> Any:
    """What SwinIR, HAT and SRFormer have around their groups."""
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % window, 0, -height % window), "reflect") - MEAN
    x = head = t.conv("conv_first", x, filters)
    x = t.layernorm("patch_embed.norm", x, 1e-5)
    for number in range(2):
        y = group(f"layers.{number}.residual_group", x)
        x = x + t.conv(f"layers.{number}.conv", y, filters)
    x = head + t.conv("conv_after_body", t.layernorm("norm", x, 1e-5), filters)
    return way_out(t, x, scale)[:, :, : scale * height, : scale * width] + MEAN


# -- HAT ------------------------------------------------------------------------


def hat(
    t: Any, x: Any, window: int = 4, over: int = 1, scale: int = 2, weight: float = 0.01
) -> Any:
    filters, heads, larger = 12, 2, window + 2 * over
    at, more = torch.arange(window), torch.arange(larger)
    # As the program counts, from below zero, which is the end of the table.
    difference = more[None] - at[:, None] + window - larger + 1
    index = difference[:, None, :, None] * (window + larger - 1)
    index = (index + difference[None, :, None, :]).reshape(window**2, larger**2)
    t.state["relative_position_index_SA"] = table_index(window)
    t.state["relative_position_index_OCA"] = index

    def overlapping(name: str, x: Any) -> Any:
        q, k, v = linear(t, f"{name}.qkv", x, 3 * filters).chunk(3, 1)
        cells = [
            F.unfold(part, larger, padding=over, stride=window)
            .reshape(filters, larger**2, -1)
            .permute(2, 1, 0)
            for part in (k, v)
        ]
        table = t.draw(
            f"{name}.relative_position_bias_table", (window + larger - 1) ** 2, heads
        )
        y = attend(windows(q, window), *cells, heads, table[index])
        return linear(t, f"{name}.proj", picture(y, window, *x.shape[2:]), filters)

    def plain(name: str, x: Any, shift: int) -> Any:
        qkv = linear(t, f"{name}.qkv", x.roll((-shift, -shift), (2, 3)), 3 * filters)
        table = t.draw(
            f"{name}.relative_position_bias_table", (2 * window - 1) ** 2, heads
        )
        mask: Any = 0.0
        if shift:
            rows, columns = (regions(n, window, shift) for n in x.shape[2:])
            ids = windows((3 * rows[:, None] + columns)[None, None], window)[..., 0]
            mask = apart(ids, ids)
        parts = (windows(part, window) for part in qkv.chunk(3, 1))
        y = attend(*parts, heads, table[table_index(window)], mask)
        y = picture(y, window, *x.shape[2:]).roll((shift, shift), (2, 3))
        return linear(t, f"{name}.proj", y, filters)

    def group(name: str, x: Any) -> Any:
        for block in range(2):
            part = f"{name}.blocks.{block}"
            y = t.layernorm(f"{part}.norm1", x, 1e-5)
            cab = f"{part}.conv_block.cab"
            z = t.conv(f"{cab}.2", F.gelu(t.conv(f"{cab}.0", y, 4)), filters)
            mean = z.mean((2, 3), keepdim=True)
            s = F.relu(t.conv(f"{cab}.3.attention.1", mean, 3, 1))
            z = z * t.conv(f"{cab}.3.attention.3", s, filters, 1).sigmoid()
            x = x + plain(f"{part}.attn", y, block * (window // 2)) + weight * z
            x = x + mlp(t, f"{part}.mlp", t.layernorm(f"{part}.norm2", x, 1e-5), 10)
        part = f"{name}.overlap_attn"
        x = x + overlapping(part, t.layernorm(f"{part}.norm1", x, 1e-5))
        return x + mlp(t, f"{part}.mlp", t.layernorm(f"{part}.norm2", x, 1e-5), 10)

    return shell(t, x, window, filters, scale, group)


@pytest.mark.parametrize("window, over, scale", [(4, 1, 2), (4, 2, 4), (3, 1, 3)])
def test_hat(window: int, over: int, scale: int) -> None:
    expected = {"window": window, "overlap": over, "scale": scale, "depths": (2, 2)}
    expected |= {"convolved": 4, "squeeze": 3, "hidden": 10, "weight": 0.01}
    check(hat, expected, window=window, over=over, scale=scale)


def test_what_a_file_of_hat_does_not_state() -> None:
    check(hat, {"weight": 0.4}, weight=0.4, overrides={"weight": 0.4})


# -- SRFormer -------------------------------------------------------------------


def srformer(t: Any, x: Any, window: int = 8, scale: int = 2) -> Any:
    filters, heads, half = 8, 2, window // 2
    near = torch.arange(window).div(2, rounding_mode="floor")
    cell = torch.arange(half)
    down = near[:, None] - cell + half - 1
    index = down[:, None, :, None] * (2 * half - 1) + down[None, :, None, :]
    index = index.reshape(window**2, half**2)

    def attention(name: str, x: Any, shift: int) -> Any:
        t.state[f"{name}.aligned_relative_position_index"] = index
        height, width = x.shape[2:]
        x = x.roll((-shift, -shift), (2, 3))
        kv = linear(t, f"{name}.kv", x, filters // 2)
        # Of each cell of 2 x 2 pixels, row by row, all channels of k, and all of v.
        k, v = (
            part.unflatten(3, (-1, 2))
            .unflatten(2, (-1, 2))
            .permute(0, 3, 5, 1, 2, 4)
            .reshape(1, filters, height // 2, width // 2)
            for part in kv.chunk(2, 1)
        )
        q = windows(linear(t, f"{name}.q", x, filters), window)
        table = t.draw(
            f"{name}.relative_position_bias_table", (2 * half - 1) ** 2, heads
        )
        mask: Any = 0.0
        if shift:  # the program's, which has one number for a window's cells
            rows, columns = (regions(n, window, shift) for n in (height, width))
            ours = windows((3 * rows[:, None] + columns)[None, None], window)[..., 0]
            rows, columns = (
                2 * (torch.arange(n // 2) >= n // 2 - half).long()
                for n in (height, width)
            )
            theirs = windows((3 * rows[:, None] + columns)[None, None], half)[..., 0]
            mask = apart(ours, theirs)
        y = attend(q, windows(k, half), windows(v, half), heads, table[index], mask)
        y = picture(y, window, height, width).roll((shift, shift), (2, 3))
        return linear(t, f"{name}.proj", y, filters)

    def group(name: str, x: Any) -> Any:
        for block in range(2):
            part = f"{name}.blocks.{block}"
            y = t.layernorm(f"{part}.norm1", x, 1e-5)
            x = x + attention(f"{part}.attn", y, block * half)
            y = t.layernorm(f"{part}.norm2", x, 1e-5)
            y = F.gelu(linear(t, f"{part}.mlp.fc1", y, 12))
            z = t.conv(f"{part}.mlp.dwconv.depthwise_conv.0", y, 12, 5, groups=12)
            x = x + linear(t, f"{part}.mlp.fc2", y + F.gelu(z), filters)
        return x

    return shell(t, x, window, filters, scale, group)


@pytest.mark.parametrize("window, scale", [(8, 2), (4, 3)])
def test_srformer(window: int, scale: int) -> None:
    expected = {"window": window, "scale": scale, "hidden": 12, "heads": (2, 2)}
    check(srformer, expected, image=LARGER, window=window, scale=scale)


# -- RGT ------------------------------------------------------------------------


def rgt(
    t: Any, x: Any, window: tuple[int, int] = (2, 4), scale: int = 2, times: int = 2
) -> Any:
    filters, heads, keys = 16, 4, 12
    height, width = x.shape[2:]

    def in_windows(name: str, x: Any, moved: bool) -> Any:
        qkv = linear(t, f"{name}.qkv", x, 3 * filters)
        convolved = t.conv(
            f"{name}.get_v", qkv[:, 2 * filters :], filters, groups=filters
        )
        side = max(window)
        padded = F.pad(qkv, (0, -width % side, 0, -height % side))
        parts = padded.permute(0, 2, 3, 1).chunk(3, 3)
        halves = [
            dat_windows(
                t,
                f"{name}.attns.{half}",
                [part.chunk(2, 3)[half] for part in parts],
                window[:: -1 if half else 1],
                heads // 2,
                moved,
            )
            for half in (0, 1)
        ]
        y = torch.cat(halves, 3)[:, :height, :width].permute(0, 3, 1, 2)
        return linear(t, f"{name}.proj", y + convolved, filters)

    def to_small(name: str, x: Any) -> Any:
        y = x
        for _ in range(times):
            y = t.conv(
                f"{name}.reduction1", y, filters, 4, stride=4, padding=0, groups=filters
            )
        y = t.conv(f"{name}.dwconv", y, filters, groups=filters)
        y = t.layernorm(f"{name}.norm_act.0", t.conv(f"{name}.conv", y, keys, 1), 1e-5)
        y = F.gelu(y)
        q = linear(t, f"{name}.q", x, keys).flatten(2).unflatten(1, (heads, -1))
        k = linear(t, f"{name}.k", y, keys).flatten(2).unflatten(1, (heads, -1))
        v = linear(t, f"{name}.v", y, filters)
        v = v + t.conv(f"{name}.cpe", v, filters, groups=filters)
        v = v.flatten(2).unflatten(1, (heads, -1))
        p = (q.transpose(-1, -2) @ k / (keys // heads) ** 0.5).softmax(-1)
        y = (v @ p.transpose(-1, -2)).reshape(1, filters, height, width)
        return linear(t, f"{name}.proj", y, filters)

    x = head = t.conv("conv_first", x - MEAN, filters)
    x = t.layernorm("before_RG.1", x, 1e-5)
    for group, depth in enumerate((3, 2)):
        y = x
        for block in range(depth):
            name = f"layers.{group}.blocks.{block}"
            first, z = y, t.layernorm(f"{name}.norm1", y, 1e-5)
            if block % 2:
                y = y + to_small(f"{name}.attn", z)
            else:
                moved = block % 4 == (2 if group % 2 == 0 else 0)
                y = y + in_windows(f"{name}.attn", z, moved)
            z = t.layernorm(f"{name}.norm2", y, 1e-5)
            a, b = F.gelu(linear(t, f"{name}.mlp.fc1", z, 12)).chunk(2, 1)
            b = t.layernorm(f"{name}.mlp.sg.norm", b, 1e-5)
            b = t.conv(f"{name}.mlp.sg.conv", b, 6, groups=6)
            y = y + linear(t, f"{name}.mlp.fc2", a * b, filters)
            factors = t.draw(f"{name}.gamma", filters)
            y = y + first * factors[:, None, None]
        x = x + t.conv(f"layers.{group}.conv", y, filters)
    x = head + t.conv("conv_after_body", t.layernorm("norm", x, 1e-5), filters)
    return way_out(t, x, scale) + MEAN


@pytest.mark.parametrize("scale", [2, 3])
def test_rgt(scale: int) -> None:
    expected = {"window": (2, 4), "depths": (3, 2), "heads": (4, 4), "keys": 12}
    check(rgt, {**expected, "times": 2, "scale": scale}, image=LARGER, scale=scale)


def test_rgt_of_large_pictures_is_one_more_time_smaller() -> None:
    large = np.random.default_rng(4).integers(0, 256, (66, 70, 3), np.uint8)
    check(rgt, {"times": 3}, image=large, times=3, overrides={"times": 3})
