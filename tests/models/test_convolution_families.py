"""Families of convolutions against functions in PyTorch, random weights, odd sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch_functions import evaluate
from torch_modules import IMAGE, assert_same, run_zoo

from zoo.models.base import Family, Recognition
from zoo.models.identify import identify
from zoo.parsers.base import Checkpoint

torch = pytest.importorskip("torch")
F = torch.nn.functional


def check(
    function: Any,
    expected: dict[str, Any],
    *,
    image: np.ndarray = IMAGE,
    rename: Any = None,
    overrides: dict[str, Any] | None = None,
    layout: str = "",
    **options: Any,
) -> tuple[type[Family], Recognition]:
    """Convert what a function drew; results and hyper-parameters must be its own."""
    state, theirs = evaluate(function, image, **options)
    if rename is not None:
        state = {rename(name): tensor for name, tensor in state.items()}
    checkpoint = Checkpoint("torch", state)
    family, known = identify(checkpoint, "x")
    if overrides:
        known = known.override(overrides)
    assert {name: known.options[name] for name in expected} == expected
    if layout:
        assert known.layout == layout
    assert_same(run_zoo(family, checkpoint, known, image), theirs)
    return family, known


# -- RRDBNet ----------------------------------------------------------------


def rrdbnet(
    t: Any,
    x: Any,
    blocks: int = 2,
    filters: int = 8,
    growth: int = 4,
    stages: int = 2,
    unshuffle: int = 1,
    plus: bool = False,
) -> Any:
    def leaky(x: Any) -> Any:
        return F.leaky_relu(x, 0.2)

    height, width = x.shape[2:]
    channels = x.shape[1]
    if unshuffle > 1:
        more = [-height % unshuffle, -width % unshuffle]
        x = F.pad(x, (0, more[1], 0, more[0]), "reflect")
        x = F.pixel_unshuffle(x, unshuffle)
    x = head = t.conv("conv_first", x, filters)
    for block in range(blocks):
        y = x
        for dense in (1, 2, 3):
            name = f"body.{block}.rdb{dense}"
            c1 = leaky(t.conv(f"{name}.conv1", y, growth))
            c2 = leaky(t.conv(f"{name}.conv2", torch.cat((y, c1), 1), growth))
            if plus:
                c2 = c2 + t.conv(f"{name}.conv1x1", y, growth, 1, bias=False)
            c3 = leaky(t.conv(f"{name}.conv3", torch.cat((y, c1, c2), 1), growth))
            c4 = leaky(t.conv(f"{name}.conv4", torch.cat((y, c1, c2, c3), 1), growth))
            if plus:
                c4 = c4 + c2
            c5 = t.conv(f"{name}.conv5", torch.cat((y, c1, c2, c3, c4), 1), filters)
            y = 0.2 * c5 + y
        x = 0.2 * y + x
    x = head + t.conv("conv_body", x, filters)
    for stage in range(1, stages + 1):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = leaky(t.conv(f"conv_up{stage}", x, filters))
    x = t.conv("conv_last", leaky(t.conv("conv_hr", x, filters)), channels)
    scale = 2**stages // unshuffle
    return x[:, :, : height * scale, : width * scale]


def bsrgan_name(name: str) -> str:
    for new, old in [
        ("conv_body", "trunk_conv"),
        ("body.", "RRDB_trunk."),
        ("rdb", "RDB"),
        ("conv_up", "upconv"),
        ("conv_hr", "HRconv"),
    ]:
        name = name.replace(new, old)
    return name


def old_esrgan_name(stages: int, blocks: int) -> Any:
    def rename(name: str) -> str:
        module, _, part = name.rpartition(".")
        if module.startswith("body."):
            _, block, dense, conv = module.split(".")
            conv += "" if conv == "conv1x1" else ".0"
            return f"model.1.sub.{block}.{dense.upper()}.{conv}.{part}"
        places = {
            "conv_first": "0",
            "conv_body": f"1.sub.{blocks}",
            "conv_hr": str(3 * stages + 2),
            "conv_last": str(3 * stages + 4),
            **{f"conv_up{k}": str(3 * k) for k in range(1, 9)},
        }
        return f"model.{places[module]}.{part}"

    return rename


@pytest.mark.parametrize("stages", [0, 1, 2, 3])
@pytest.mark.parametrize("naming", ["BasicSR", "BSRGAN", "ESRGAN, 2018"])
def test_rrdbnet(naming: str, stages: int) -> None:
    rename = {
        "BasicSR": None,
        "BSRGAN": bsrgan_name,
        "ESRGAN, 2018": old_esrgan_name(stages, 2),
    }[naming]
    check(
        rrdbnet,
        {"blocks": 2, "filters": 8, "growth": 4, "scale": 2**stages, "unshuffle": 1},
        stages=stages,
        rename=rename,
        layout=naming,
    )


def test_rrdbnet_of_four_channels() -> None:
    image = np.random.default_rng(4).integers(0, 256, (7, 5, 4), np.uint8)
    check(rrdbnet, {"channels": 4, "color": "any"}, image=image, blocks=1)


def test_esrgan_plus() -> None:
    check(rrdbnet, {"plus": True}, plus=True, stages=1)
    check(rrdbnet, {"plus": True}, plus=True, rename=old_esrgan_name(2, 2))


# -- Compact ----------------------------------------------------------------


def compact(t: Any, x: Any, blocks: int = 3, filters: int = 6, scale: int = 4) -> Any:
    y = x
    for place in range(0, 2 * blocks + 2, 2):
        y = t.prelu(f"body.{place + 1}", t.conv(f"body.{place}", y, filters))
    y = t.conv(f"body.{2 * blocks + 2}", y, x.shape[1] * scale**2)
    return F.pixel_shuffle(y, scale) + F.interpolate(x, scale_factor=scale)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_compact(scale: int) -> None:
    check(compact, {"blocks": 3, "filters": 6, "scale": scale}, scale=scale)


# -- SPAN -------------------------------------------------------------------


def span(
    t: Any,
    x: Any,
    filters: int = 8,
    scale: int = 2,
    form: str = "training",
    norm: bool = True,
    blocks: int = 6,
) -> Any:
    def conv(name: str, x: Any) -> Any:
        if form == "deployed":
            return t.conv(f"{name}.eval_conv", x, filters)
        inputs = x.shape[1]
        y = F.pad(x, (1, 1, 1, 1))
        y = t.conv(f"{name}.conv.0", y, 2 * inputs, 1)
        y = t.conv(f"{name}.conv.1", y, 2 * filters, 3, padding=0)
        y = t.conv(f"{name}.conv.2", y, filters, 1) + t.conv(
            f"{name}.sk", x, filters, 1
        )
        t.conv(f"{name}.eval_conv", x, filters)  # stale: whatever it holds
        return y

    channels = x.shape[1]
    if norm:
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).reshape(1, 3, 1, 1)
        x = (x - mean) * 255
        t.gain = 0.05  # or the picture outgrows float32's exactness
    else:
        t.draw("no_norm", 1)
    x = head = conv("conv_1", x)
    t.gain = 1.0
    ends = []
    for block in range(1, blocks + 1):
        a = F.silu(conv(f"block_{block}.c1_r", x))
        b = F.silu(conv(f"block_{block}.c2_r", a))
        c = conv(f"block_{block}.c3_r", b)
        x = (c + x) * (torch.sigmoid(c) - 0.5)
        ends.append(x)
    x = torch.cat([head, conv("conv_2", x), ends[0], a], 1)
    x = t.conv("conv_cat", x, filters, 1)
    return F.pixel_shuffle(t.conv("upsampler.0", x, channels * scale**2), scale)


@pytest.mark.parametrize("form", ["training", "deployed"])
@pytest.mark.parametrize("norm", [True, False])
def test_span(form: str, norm: bool) -> None:
    check(span, {"filters": 8, "scale": 2, "norm": norm}, form=form, norm=norm)
