"""Families of transformers against functions in PyTorch, random weights, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from families_check import check
from torch_modules import IMAGE

torch = pytest.importorskip("torch")
from test_convolution_families import esa

F = torch.nn.functional


def swin_block(
    t: Any, name: str, x: Any, window: int, heads: int, shift: int, hidden: int = 0
) -> Any:
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
    y = t.linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", x), hidden or 2 * filters)
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
    cells: int = 1,
) -> Any:
    height, width = x.shape[2:]
    side = window * cells
    x = F.pad(x, (0, -width % side, 0, -height % side), "reflect")
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
    picture = x = x - mean

    def convolution(name: str, x: Any) -> Any:
        if not deep:
            return t.conv(name, x, filters)
        y = F.leaky_relu(t.conv(f"{name}.0", x, filters // 4), 0.2)
        y = F.leaky_relu(t.conv(f"{name}.2", y, filters // 4, 1), 0.2)
        return t.conv(f"{name}.4", y, filters)

    if cells > 1:
        x = F.pixel_unshuffle(x, cells)
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
            for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale * cells]):
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


@pytest.mark.parametrize("name", ["conv_first.", "conv_first.1."])
def test_swinir_of_cells(name: str) -> None:
    check(
        swinir,
        {"unshuffle": 2, "scale": 2},
        rename=lambda theirs: theirs.replace("conv_first.", name),
        scale=2,
        cells=2,
    )


@pytest.mark.parametrize(("window", "white"), [(7, 255), (8, 1)])
def test_range_of_swinir_follows_from_its_windows(window: int, white: float) -> None:
    """Those for JPEG were published with windows of 7 and 255, which no tensor tells."""
    from torch_functions import evaluate

    from zoo.models.identify import identify
    from zoo.parsers.base import Checkpoint

    state, _ = evaluate(swinir, IMAGE, window=window, end="none", scale=1)
    known = identify(Checkpoint("torch", state), "x").recognition
    assert known.options["range"] == white


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


# -- DRCT -----------------------------------------------------------------------


def drct(t: Any, x: Any, window: int = 4, filters: int = 8) -> Any:
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % window, 0, -height % window), "reflect")
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
    x = head = t.conv("conv_first", x - mean, filters)
    x = t.layernorm("patch_embed.norm", x, 1e-5)
    for group in range(2):
        joined = x
        for step in range(1, 6):
            name, count = f"layers.{group}.swin{step}", joined.shape[1] // 4
            y = joined.permute(0, 2, 3, 1)
            shift = 0 if step % 2 else window // 2
            y = swin_block(t, name, y, window, count, shift, 5 + step)
            y = y.permute(0, 3, 1, 2)
            name = f"layers.{group}.adjust{step}"
            if step < 5:
                y = F.leaky_relu(t.conv(name, y, 4, 1), 0.2)
                joined = torch.cat([joined, y], 1)
            else:
                x = 0.2 * t.conv(name, y, filters, 1) + x
    x = head + t.conv("conv_after_body", t.layernorm("norm", x, 1e-5), filters)
    x = F.leaky_relu(t.conv("conv_before_upsample.0", x, 6))
    x = F.pixel_shuffle(t.conv("upsample.0", x, 24), 2)
    return t.conv("conv_last", x, 3)[:, :, : 2 * height, : 2 * width] + mean


def test_drct() -> None:
    expected = {"groups": 2, "growth": 4, "window": 4, "scale": 2}
    expected |= {"heads": (2, 3, 4, 5, 6), "hidden": (6, 7, 8, 9, 10)}
    check(drct, expected)


# -- DAT ------------------------------------------------------------------------


def dat_windows(
    t: Any, name: str, qkv: Any, window: tuple[int, int], heads: int, moved: bool
) -> Any:
    """Attention inside windows of q, k and v, each N x H x W x C; for one half."""
    rows, columns = window
    down, right = (rows // 2, columns // 2) if moved else (0, 0)
    count, height, width, filters = qkv[0].shape

    def windows(x: Any) -> Any:
        x = x.roll((-down, -right), (1, 2))
        x = x.unfold(1, rows, rows).unfold(2, columns, columns)
        return x.permute(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns, x.shape[3])

    ids = torch.zeros(1, height, width, 1)
    if moved:  # pixels that only the rolling brings together
        ids[:, :down] += 1
        ids[:, :, :right] += 2
    apart = windows(ids) - windows(ids).transpose(1, 2)
    mask = torch.where(apart != 0, -100.0, 0.0)[:, None]

    at = torch.stack(
        torch.meshgrid(
            torch.arange(1 - rows, rows),
            torch.arange(1 - columns, columns),
            indexing="ij",
        )
    )
    places = at.flatten(1).T.contiguous().float()
    t.state[f"{name}.rpe_biases"] = places
    x = t.linear(f"{name}.pos.pos_proj", places, 3)
    for number in (1, 2, 3):
        part = f"{name}.pos.pos{number}"
        scales = t.draw(f"{part}.0.weight", 3, scale=0.2, mean=1)
        x = F.relu(F.layer_norm(x, (3,), scales, t.draw(f"{part}.0.bias", 3)))
        x = t.linear(f"{part}.2", x, heads if number == 3 else 3)
    y, x_ = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    y, x_ = y.flatten(), x_.flatten()
    index = (y[:, None] - y + rows - 1) * (2 * columns - 1)
    index = index + x_[:, None] - x_ + columns - 1
    t.state[f"{name}.relative_position_index"] = index

    q, k, v = (windows(part).unflatten(2, (heads, -1)).transpose(1, 2) for part in qkv)
    logits = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    logits = logits + x[index].permute(2, 0, 1) + mask
    out = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
    out = out.reshape(count, height // rows, width // columns, rows, columns, filters)
    out = out.transpose(2, 3).reshape(count, height, width, filters)
    return out.roll((down, right), (1, 2))


def dat(
    t: Any,
    x: Any,
    window: tuple[int, int] = (2, 4),
    depths: tuple[int, ...] = (3, 2),
    filters: int = 16,
    heads: int = 4,
    scale: int = 2,
) -> Any:
    mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
    height, width = x.shape[2:]

    def linear(name: str, x: Any, outputs: int) -> Any:
        return t.linear(name, x.permute(0, 2, 3, 1), outputs).permute(0, 3, 1, 2)

    def bn(name: str, x: Any) -> Any:
        return F.gelu(t.batchnorm(name, x))

    def attention(name: str, x: Any, group: int, block: int) -> Any:
        qkv = linear(f"{name}.qkv", x, 3 * filters)
        v = qkv[:, 2 * filters :]
        convolved = t.conv(f"{name}.dwconv.0", v, filters, groups=filters)
        convolved = bn(f"{name}.dwconv.1", convolved)
        if block % 2:
            q, k, v = qkv.flatten(2).unflatten(1, (3, heads, -1)).unbind(1)
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
            warm = t.draw(f"{name}.temperature", heads, 1, 1, mean=1, scale=0.2)
            attended = (warm * (q @ k.transpose(-1, -2))).softmax(-1) @ v
            attended = attended.reshape(1, filters, height, width)
        else:
            side = max(window)
            padded = F.pad(qkv, (0, -width % side, 0, -height % side))
            parts = padded.permute(0, 2, 3, 1).chunk(3, 3)
            moved = block % 4 == (2 if group % 2 == 0 else 0)
            halves = [
                dat_windows(
                    t,
                    f"{name}.attns.{half}",
                    [p.chunk(2, 3)[half] for p in parts],
                    window[:: -1 if half else 1],
                    heads // 2,
                    moved,
                )
                for half in (0, 1)
            ]
            attended = torch.cat(halves, 3)[:, :height, :width].permute(0, 3, 1, 2)

        def channel_map(x: Any) -> Any:
            inner = f"{name}.channel_interaction"
            y = t.conv(f"{inner}.1", x.mean((2, 3), keepdim=True), filters // 8, 1)
            return t.conv(f"{inner}.4", bn(f"{inner}.2", y), filters, 1).sigmoid()

        def spatial_map(x: Any) -> Any:
            inner = f"{name}.spatial_interaction"
            y = bn(f"{inner}.1", t.conv(f"{inner}.0", x, filters // 16, 1))
            return t.conv(f"{inner}.3", y, 1, 1).sigmoid()

        if block % 2:
            y = attended * spatial_map(convolved) + convolved * channel_map(attended)
        else:
            y = attended * channel_map(convolved) + convolved * spatial_map(attended)
        return linear(f"{name}.proj", y, filters)

    def gate(name: str, x: Any) -> Any:
        a, b = F.gelu(linear(f"{name}.fc1", x, 12)).chunk(2, 1)
        b = t.layernorm(f"{name}.sg.norm", b, 1e-5)
        b = t.conv(f"{name}.sg.conv", b, 6, groups=6)
        return linear(f"{name}.fc2", a * b, filters)

    x = head = t.conv("conv_first", x - mean, filters)
    x = t.layernorm("before_RG.1", x, 1e-5)
    for group, depth in enumerate(depths):
        y = x
        for block in range(depth):
            name = f"layers.{group}.blocks.{block}"
            z = t.layernorm(f"{name}.norm1", y, 1e-5)
            y = y + attention(f"{name}.attn", z, group, block)
            y = y + gate(f"{name}.ffn", t.layernorm(f"{name}.norm2", y, 1e-5))
        x = x + t.conv(f"layers.{group}.conv", y, filters)
    x = head + t.conv("conv_after_body", t.layernorm("norm", x, 1e-5), filters)
    x = F.leaky_relu(t.conv("conv_before_upsample.0", x, 6))
    for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale]):
        x = F.pixel_shuffle(t.conv(f"upsample.{2 * stage}", x, 6 * factor**2), factor)
    return t.conv("conv_last", x, 3) + mean


@pytest.mark.parametrize("scale", [2, 4])
def test_dat(scale: int) -> None:
    expected = {"window": (2, 4), "depths": (3, 2), "heads": (4, 4), "hidden": 12}
    check(dat, {**expected, "scale": scale}, scale=scale)


# -- OmniSR ---------------------------------------------------------------------


def omnisr(
    t: Any,
    x: Any,
    window: int = 4,
    filters: int = 8,
    scale: int = 2,
    table: bool = True,
) -> Any:
    height, width = x.shape[2:]
    x = F.pad(x, (0, -width % window, 0, -height % window))

    def linear(name: str, x: Any, outputs: int) -> Any:
        x = t.linear(name, x.permute(0, 2, 3, 1), outputs, bias=False)
        return x.permute(0, 3, 1, 2)

    def cells(x: Any, spread: bool) -> Any:
        """N x C x windows x pixels of each."""
        if spread:
            x = x.unflatten(2, (window, -1)).unflatten(4, (window, -1))
            return x.permute(0, 1, 3, 5, 2, 4).flatten(4).flatten(2, 3)
        x = x.unflatten(2, (-1, window)).unflatten(4, (-1, window))
        return x.permute(0, 1, 2, 4, 3, 5).flatten(4).flatten(2, 3)

    def picture_of(x: Any, like: Any, spread: bool) -> Any:
        down, right = (length // window for length in like.shape[2:])
        x = x.reshape(1, -1, down, right, window, window)
        order = (0, 1, 4, 2, 5, 3) if spread else (0, 1, 2, 4, 3, 5)
        return x.permute(order).reshape(1, -1, *like.shape[2:])

    def pixels(name: str, x: Any, spread: bool) -> Any:
        y = linear(
            f"{name}.fn.to_qkv", t.layernorm(f"{name}.norm", x, 1e-5), 3 * filters
        )
        q, k, v = cells(y, spread).unflatten(1, (3, 4, -1)).unbind(1)
        logits = torch.einsum("nhdwi,nhdwj->nhwij", q, k) / (filters // 4) ** 0.5
        if table:
            biases = t.draw(f"{name}.fn.rel_pos_bias.weight", (2 * window - 1) ** 2, 4)
            at = torch.arange(window**2)
            rows = at[:, None] // window - at // window + window - 1
            columns = at[:, None] % window - at % window + window - 1
            index = rows * (2 * window - 1) + columns
            logits = logits + biases[index].permute(2, 0, 1)[:, None]
        y = torch.einsum("nhwij,nhdwj->nhdwi", logits.softmax(-1), v)
        y = picture_of(y.flatten(1, 2), x, spread)
        return x + linear(f"{name}.fn.to_out.0", y, filters)

    def channels(name: str, x: Any, spread: bool) -> Any:
        y = t.layernorm(f"{name}.norm", x)
        y = t.conv(f"{name}.fn.qkv", y, 3 * filters, 1, bias=False)
        y = t.conv(
            f"{name}.fn.qkv_dwconv", y, 3 * filters, groups=3 * filters, bias=False
        )
        parts = cells(y, False).unflatten(1, (3, 4, -1))
        axis = -2 if spread else -1  # over the windows, or over the pixels of one
        q, k, v = parts.unbind(1)
        q, k = F.normalize(q, dim=axis), F.normalize(k, dim=axis)
        warm = t.draw(f"{name}.fn.temperature", 4, 1, 1, mean=1, scale=0.2)
        if spread:
            p = torch.einsum("nhdwi,nhewi->nhide", q, k) * warm[:, None]
            y = torch.einsum("nhide,nhewi->nhdwi", p.softmax(-1), v)
        else:
            p = torch.einsum("nhdwi,nhewi->nhwde", q, k) * warm[:, None]
            y = torch.einsum("nhwde,nhewi->nhdwi", p.softmax(-1), v)
        y = picture_of(y.flatten(1, 2), x, False)
        return x + t.conv(f"{name}.fn.project_out", y, filters, 1, bias=False)

    def gate(name: str, x: Any) -> Any:
        y = t.layernorm(f"{name}.norm", x)
        y = t.conv(f"{name}.fn.project_in", y, 12, 1, bias=False)
        a, b = t.conv(f"{name}.fn.dwconv", y, 12, groups=12, bias=False).chunk(2, 1)
        return x + t.conv(
            f"{name}.fn.project_out", F.gelu(a) * b, filters, 1, bias=False
        )

    t.gain = 0.6  # or results are ten times a picture's, and as much less exact
    x = head = t.conv("input", x, filters)
    for group in range(2):
        y, name = x, f"residual_layer.{group}"
        for block in range(2):
            layer = f"{name}.residual_layer.{block}.layer"
            z = F.gelu(t.conv(f"{layer}.0.fn.0", y, 6, 1))
            z = F.gelu(t.conv(f"{layer}.0.fn.2", z, 6, groups=6))
            s = F.silu(linear(f"{layer}.0.fn.4.gate.1", z.mean((2, 3), True), 3))
            z = z * torch.sigmoid(linear(f"{layer}.0.fn.4.gate.3", s, 6))
            y = y + t.conv(f"{layer}.0.fn.5", z, filters, 1)
            for place, spread in ((2, False), (8, True)):
                y = gate(f"{layer}.{place + 2}", pixels(f"{layer}.{place}", y, spread))
                y = channels(f"{layer}.{place + 3}", y, spread)
                y = gate(f"{layer}.{place + 4}", y)
        x = x + t.conv(f"{name}.residual_layer.2", y, filters, 1)
        x = esa(t, f"{name}.esa", x, 4, False)
    x = F.pixel_shuffle(t.conv("up.0", head + t.conv("output", x, filters), 12), 2)
    return x[:, :, : scale * height, : scale * width]


LARGER = np.random.default_rng(2).integers(0, 256, (22, 27, 3), np.uint8)


@pytest.mark.parametrize("table", [True, False])
def test_omnisr(table: bool) -> None:
    expected = {"groups": 2, "blocks": 2, "filters": 8, "gate": 6, "positions": table}
    said = {} if table else {"window": 4}
    check(omnisr, expected, image=LARGER, table=table, overrides=said)
