"""Families of convolutions against functions in PyTorch, random weights, odd sizes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from families_check import check
from torch_functions import evaluate
from torch_modules import IMAGE, assert_same, run_zoo

from zoo.errors import WeightsError
from zoo.models.identify import identify
from zoo.parsers.base import Checkpoint

torch = pytest.importorskip("torch")
F = torch.nn.functional


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


@pytest.mark.parametrize("unshuffle, stages", [(2, 2), (4, 2), (2, 1)])
def test_rrdbnet_of_cells(unshuffle: int, stages: int) -> None:
    scale = 2**stages // unshuffle
    expected = {"scale": scale, "unshuffle": unshuffle, "channels": 3}
    check(rrdbnet, expected, stages=stages, unshuffle=unshuffle)


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


def resized_compact(t: Any, x: Any, to: int = 2) -> Any:
    """What Real-ESRGAN's models for ncnn do to get other scales than the network's."""
    factor = to / 4
    return F.interpolate(
        compact(t, x), scale_factor=factor, mode="bicubic", align_corners=False
    )


@pytest.mark.parametrize("to", [2, 3])
def test_compact_with_a_resize_behind_it(to: int) -> None:
    image = IMAGE[:8]  # rows and columns of which three quarters are whole numbers
    check(resized_compact, {"scale": 4}, overrides={"resized": to}, image=image, to=to)


# -- SPAN -------------------------------------------------------------------


def span(
    t: Any,
    x: Any,
    filters: int = 8,
    scale: int = 2,
    form: str = "training",
    norm: bool = True,
    blocks: int = 6,
    width: int = 8,
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
    x = t.conv("conv_cat", x, width, 1)
    return F.pixel_shuffle(t.conv("upsampler.0", x, channels * scale**2), scale)


@pytest.mark.parametrize("form", ["training", "deployed"])
@pytest.mark.parametrize("norm", [True, False])
def test_span(form: str, norm: bool) -> None:
    check(span, {"filters": 8, "scale": 2, "norm": norm}, form=form, norm=norm)


def test_span_that_is_narrow_at_the_end() -> None:
    expected = {"filters": 8, "width": 5, "blocks": 5}
    check(span, expected, form="deployed", norm=False, width=5, blocks=5)


# -- IMDN, RFDN, RLFN ---------------------------------------------------------


def leaky(x: Any, slope: float = 0.05) -> Any:
    return F.leaky_relu(x, slope)


def upsampler(t: Any, name: str, x: Any, channels: int, scale: int) -> Any:
    return F.pixel_shuffle(t.conv(name, x, channels * scale**2), scale)


def imdn(t: Any, x: Any, filters: int = 16, scale: int = 2, blocks: int = 2) -> Any:
    quarter, channels = filters // 4, x.shape[1]
    x = head = t.conv("fea_conv", x, filters)
    ends = []
    for block in range(1, blocks + 1):
        name, rest, parts = f"IMDB{block}", x, []
        for number in (1, 2, 3):
            y = leaky(t.conv(f"{name}.c{number}", rest, filters))
            part, rest = torch.split(y, (quarter, filters - quarter), 1)
            parts.append(part)
        y = torch.cat([*parts, t.conv(f"{name}.c4", rest, quarter)], 1)
        mean = y.mean((2, 3), keepdim=True)
        z = mean + ((y - mean) ** 2).mean((2, 3), keepdim=True).sqrt()
        z = F.relu(t.conv(f"{name}.cca.conv_du.0", z, 2, 1))
        z = torch.sigmoid(t.conv(f"{name}.cca.conv_du.2", z, filters, 1))
        x = x + t.conv(f"{name}.c5", y * z, filters, 1)
        ends.append(x)
    x = leaky(t.conv("c.0", torch.cat(ends, 1), filters, 1))
    return upsampler(
        t, "upsampler.0", head + t.conv("LR_conv", x, filters), channels, scale
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_imdn(scale: int) -> None:
    expected = {"blocks": 2, "filters": 16, "distilled": 4, "hidden": 2}
    check(imdn, {**expected, "scale": scale}, scale=scale)


def kair_imdn(t: Any, x: Any, filters: int = 16, scale: int = 4) -> Any:
    """The winner of AIM 2019, as KAIR has it."""
    quarter = filters // 4
    x = head = t.conv("model.0", x, filters)
    for block in range(3):
        name, rest, parts = f"model.1.sub.{block}", x, []
        for number in (1, 2, 3):
            y = leaky(t.conv(f"{name}.conv{number}.0", rest, filters))
            part, rest = torch.split(y, (quarter, filters - quarter), 1)
            parts.append(part)
        y = torch.cat([*parts, t.conv(f"{name}.conv4", rest, quarter)], 1)
        x = x + t.conv(f"{name}.conv1x1", y, filters, 1)
    x = head + t.conv("model.1.sub.3", x, filters)
    return upsampler(t, "model.2", x, 3, scale)


def test_imdn_of_kair() -> None:
    expected = {"blocks": 3, "simple": True, "distilled": 4, "scale": 4}
    check(kair_imdn, expected, layout="KAIR")


def esa(
    t: Any,
    name: str,
    x: Any,
    hidden: int,
    deep: bool,
    conv: Any = None,
    act: Any = F.relu,
    mixed: bool = True,
) -> Any:
    conv = conv or t.conv
    first = t.conv(f"{name}.conv1", x, hidden, 1)
    y = t.conv(f"{name}.conv2", first, hidden, 3, stride=2, padding=0)
    y = F.max_pool2d(y, kernel_size=7, stride=3)
    if deep:
        y = act(conv(f"{name}.conv_max", y, hidden))
        y = act(conv(f"{name}.conv3", y, hidden))
        y = conv(f"{name}.conv3_", y, hidden)
    else:
        y = t.conv(f"{name}.conv3", y, hidden)
    y = F.interpolate(y, x.shape[2:], mode="bilinear", align_corners=False)
    large = t.conv(f"{name}.conv_f", first, hidden, 1) if mixed else first
    y = t.conv(f"{name}.conv4", y + large, x.shape[1], 1)
    return x * torch.sigmoid(y)


def rfdn(
    t: Any,
    x: Any,
    filters: int = 12,
    scale: int = 4,
    dilations: tuple[int, ...] = (1, 1, 1),
    merged: bool = False,
) -> Any:
    channels = x.shape[1]
    x = head = t.conv("fea_conv", x, filters)
    ends = []
    for block in range(1, 5):
        name, parts = f"B{block}", []
        for number, wide in enumerate(dilations, start=1):
            parts.append(leaky(t.conv(f"{name}.c{number}_d", x, filters // 2, 1)))
            y = t.conv(f"{name}.c{number}_r", x, filters, dilation=wide)
            x = leaky(y if merged else y + x)
        parts.append(leaky(t.conv(f"{name}.c4", x, filters // 2)))
        x = t.conv(f"{name}.c5", torch.cat(parts, 1), filters, 1)
        x = esa(t, f"{name}.esa", x, filters // 4, True, mixed=not merged)
        ends.append(x)
    x = leaky(t.conv("c.0", torch.cat(ends, 1), filters, 1))
    return upsampler(
        t, "upsampler.0", head + t.conv("LR_conv", x, filters), channels, scale
    )


def rlfn(
    t: Any,
    x: Any,
    filters: int = 12,
    widths: tuple[int, ...] = (10, 10, 10, 10),
    scale: int = 4,
    norm: bool = False,
    mixed: bool = True,
) -> Any:
    channels = x.shape[1]
    x = head = t.conv("conv_1", x, filters)
    for block in (1, 2):
        name = f"block_{block}"
        y = t.conv(f"{name}.c1_r", x, widths[2 * block - 2])
        y = leaky(t.batchnorm(f"{name}.bn1", y) if norm else y)
        y = leaky(t.conv(f"{name}.c2_r", y, widths[2 * block - 1]))
        y = leaky(t.conv(f"{name}.c3_r", y, filters))
        x = t.conv(f"{name}.c5", x + y, filters, 1)
        x = esa(t, f"{name}.esa", x, 5, False, mixed=mixed)
    return upsampler(
        t, "upsampler.0", head + t.conv("conv_2", x, filters), channels, scale
    )


LARGER = np.random.default_rng(2).integers(0, 256, (23, 31, 3), np.uint8)


def test_rfdn() -> None:
    expected = {"blocks": 4, "filters": 12, "distilled": 6, "hidden": 3, "scale": 4}
    check(rfdn, expected, image=LARGER)


def test_merged_rfdn() -> None:
    """SFDN of NTIRE 2022."""
    check(rfdn, {"merged": True}, image=LARGER, merged=True)


def test_dilated_rfdn() -> None:
    """Of NTIRE 2022: its tensors are those of any RFDN."""
    dilations = {"dilations": (1, 2, 5)}
    check(rfdn, dilations, image=LARGER, overrides=dilations, **dilations)


@pytest.mark.parametrize("enlarged", [False, True])
def test_rlfn_of_challenges(enlarged: bool) -> None:
    """Entries have pictures up to another white, and may add the enlarged one."""

    def function(t: Any, x: Any) -> Any:
        y = rlfn(t, 3 * x) / 3
        larger = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
        return y + larger if enlarged else y

    known = {"range": 3.0, "enlarged": enlarged}
    check(function, known, image=LARGER, overrides=known)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ("model.2.weight", "model.5.weight", "model.7.weight"),
            r"rrdbnet as named by ESRGAN, 2018: its convolutions stand at the places",
        ),
        (
            ("body.0.weight", "body.2.weight", "body.4.weight"),
            r"compact as named by Real-ESRGAN: it has no slopes",
        ),
    ],
)
def test_a_relative_is_refused_for_what_it_is(
    names: tuple[str, ...], reason: str
) -> None:
    state = {name: np.ones((4, 3, 3, 3), np.float32) for name in names}
    if "model.2.weight" in names:
        for number in range(3):
            name = f"model.1.sub.{number}.RDB1.conv1.0.weight"
            state[name] = np.ones((4, 4, 3, 3), np.float32)
    with pytest.raises(WeightsError, match=reason):
        identify(Checkpoint("torch", state), "x")


def test_rlfn_with_batch_normalization() -> None:
    check(rlfn, {"norm": True}, image=LARGER, norm=True)


def slim(name: str) -> str:
    name = name.replace("upsampler.0", "upsampler.upsample_conv")
    match = re.match(r"block_(\d+)\.", name)
    if match is None:
        return name
    return f"block_list.{int(match[1]) - 1}.{name[match.end() :]}"


def test_slim_rlfn() -> None:
    """Of NTIRE 2024: each block as wide as pruning left it."""
    known = {"widths": (7, 9, 10, 6), "mixed": False}
    check(rlfn, known, image=LARGER, rename=slim, **known)


def test_rlfn() -> None:
    expected = {"blocks": 2, "filters": 12, "width": 10, "hidden": 5, "scale": 3}
    check(rlfn, expected, image=LARGER, scale=3)


def ntire_rlfn_name(name: str) -> str:
    name = name.replace("conv_1.", "fea_conv.").replace("conv_2.", "LR_conv.")
    return name.replace("block_", "B")


def test_rlfn_of_the_challenge() -> None:
    layout = "RLFN of NTIRE 2022"
    check(rlfn, {"width": 10}, image=LARGER, rename=ntire_rlfn_name, layout=layout)


def bsrn(t: Any, x: Any, filters: int = 8, small: bool = False) -> Any:
    def linear(name: str, x: Any, outputs: int) -> Any:
        if not small:
            return t.conv(name, x, outputs, 1)
        return t.linear(name, x.permute(0, 2, 3, 1), outputs).permute(0, 3, 1, 2)

    def sep(name: str, x: Any, outputs: int) -> Any:
        if small:
            y = linear(f"{name}.pw", x, outputs)
        else:
            y = t.conv(f"{name}.pw", x, outputs, 1, bias=False)
        return t.conv(f"{name}.dw", y, outputs, groups=outputs)

    x = head = sep("fea_conv", torch.cat([x] * 4, 1), filters)
    ends = []
    for block in (1, 2):
        name, parts, y = f"B{block}", [], x
        for number in (1, 2, 3):
            parts.append(F.gelu(linear(f"{name}.c{number}_d", y, filters // 2)))
            y = F.gelu(sep(f"{name}.c{number}_r", y, filters) + y)
        parts.append(F.gelu(sep(f"{name}.c4", y, filters // 2)))
        y = linear(f"{name}.c5", torch.cat(parts, 1), filters)
        y = esa(t, f"{name}.esa", y, 2, True, sep, F.gelu)
        if small:
            y = y * t.draw(f"{name}.cw", 1, filters, mean=1, scale=0.2)[..., None, None]
            y = linear(f"{name}.conv_out", y, filters)
        else:
            mean = y.mean((2, 3), keepdim=True)
            z = mean + ((y - mean) ** 2).mean((2, 3), keepdim=True).sqrt()
            z = F.relu(t.conv(f"{name}.cca.conv_du.0", z, 2, 1))
            y = y * torch.sigmoid(t.conv(f"{name}.cca.conv_du.2", z, filters, 1))
        x = y + x
        ends.append(x)
    x = F.gelu(linear("c1", torch.cat(ends, 1), filters))
    x = head + sep("c2", x, filters)
    return upsampler(t, "upsampler.upsampleOneStep.0", x, 3, 4)


@pytest.mark.parametrize("small", [False, True])
def test_bsrn(small: bool) -> None:
    expected = {"blocks": 2, "squeeze": 0 if small else 2, "bias": small, "hidden": 2}
    check(bsrn, expected, image=LARGER, small=small)


def efdn(t: Any, x: Any, filters: int = 8) -> Any:
    def cell(number: int, x: Any) -> Any:
        name = f"cells.{number}"
        a = t.prelu(f"{name}.conv1.act", t.conv(f"{name}.conv1.conv1x1", x, filters, 1))
        b = t.prelu(f"{name}.conv2.act", t.conv(f"{name}.conv2.rep_conv", a, filters))
        c = t.prelu(f"{name}.conv3.act", t.conv(f"{name}.conv3.rep_conv", b, filters))
        halves = [
            t.conv(f"{name}.branch.{place}", y, filters // 2, 1)
            for place, y in enumerate((x, a, b, c))
        ]
        y = t.conv(f"{name}.fuse", torch.cat(halves, 1), filters, 1)
        return esa(t, f"{name}.att", y, 2, True) + x

    def fuse(number: int, *parts: Any) -> Any:
        return t.conv(f"local_fuse.{number}", torch.cat(parts, 1), filters, 1)

    head = t.conv("head", x, filters)
    first = cell(0, head)
    second = cell(1, first)
    third = cell(2, fuse(0, first, second))
    fourth = cell(3, fuse(1, second, third))
    x = upsampler(t, "tail.0", fuse(2, second, fourth) + head, 3, 3)
    return x.clamp(0, 1)


def test_efdn() -> None:
    check(efdn, {"filters": 8, "hidden": 2, "scale": 3}, image=LARGER)


# -- CARN ---------------------------------------------------------------------


def shifted(t: Any, name: str, x: Any, sign: int, white: float = 1.0) -> Any:
    """A frozen 1 x 1 convolution that subtracts or adds DIV2K's mean."""
    mean = torch.tensor([0.4488, 0.4371, 0.4040])
    t.state[f"{name}.weight"] = torch.eye(3).reshape(3, 3, 1, 1)
    t.state[f"{name}.bias"] = sign * white * mean
    return F.conv2d(x, t.state[f"{name}.weight"], t.state[f"{name}.bias"])


def carn(
    t: Any,
    x: Any,
    filters: int = 8,
    mobile: bool = False,
    scales: tuple[int, ...] = (2, 3, 4),
    scale: int = 2,
    groups: int = 1,
) -> Any:
    def residual(name: str, x: Any) -> Any:
        y = F.relu(t.conv(f"{name}.body.0", x, filters, groups=groups))
        y = t.conv(f"{name}.body.2", y, filters, groups=groups)
        if mobile:
            y = t.conv(f"{name}.body.4", F.relu(y), filters, 1)
        return F.relu(x + y)

    def cascade(name: str, x: Any, step: Any) -> Any:
        joined = x
        for number in (1, 2, 3):
            joined = torch.cat([joined, step(number, x)], 1)
            x = F.relu(t.conv(f"{name}c{number}.body.0", joined, filters, 1))
        return x

    def block(name: str, x: Any) -> Any:
        return cascade(
            f"{name}.",
            x,
            lambda number, x: residual(f"{name}.b{1 if mobile else number}", x),
        )

    x = t.conv("entry", shifted(t, "sub_mean.shifter", x, -1), filters)
    x = cascade("", x, lambda number, x: block(f"b{number}", x))
    results = {}
    for each in scales:
        y = x
        way = f"upsample.up{each if len(scales) > 1 else ''}"
        for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[each]):
            y = t.conv(f"{way}.body.{3 * stage}", y, filters * factor**2, groups=groups)
            y = F.pixel_shuffle(F.relu(y), factor)
        results[each] = y
    x = t.conv("exit", results[scale], 3)
    return shifted(t, "add_mean.shifter", x, 1)


@pytest.mark.parametrize("mobile", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_carn(mobile: bool, scale: int) -> None:
    check(
        carn,
        {"filters": 8, "scale": scale, "groups": 4 if mobile else 1},
        overrides={"scale": scale},
        mobile=mobile,
        groups=4 if mobile else 1,
        scale=scale,
    )
    check(carn, {"scale": scale}, scales=(scale,), scale=scale, mobile=mobile)


# -- RCAN and MDSR --------------------------------------------------------------


def rcan(
    t: Any,
    x: Any,
    groups: int = 2,
    blocks: int = 3,
    filters: int = 8,
    scale: int = 4,
    unshuffle: int = 1,
    shift: bool = True,
    act: Any = F.relu,
) -> Any:
    height, width = x.shape[2:]
    t.gain = 1.0
    if shift:
        x = shifted(t, "sub_mean", 255 * x, -1, 255)
        t.gain = 0.02
    if unshuffle > 1:
        more = [-height % unshuffle, -width % unshuffle]
        x = F.pixel_unshuffle(F.pad(x, (0, more[1], 0, more[0]), "reflect"), unshuffle)
    x = head = t.conv("head.1" if unshuffle > 1 else "head.0", x, filters)
    t.gain = 1.0
    for group in range(groups):
        y = x
        for block in range(blocks):
            name = f"body.{group}.body.{block}.body"
            z = act(t.conv(f"{name}.0", y, filters))
            z = t.conv(f"{name}.2", z, filters)
            a = z.mean((2, 3), keepdim=True)
            a = F.relu(t.conv(f"{name}.3.conv_du.0", a, 2, 1))
            y = y + z * torch.sigmoid(t.conv(f"{name}.3.conv_du.2", a, filters, 1))
        x = x + t.conv(f"body.{group}.body.{blocks}", y, filters)
    x = head + t.conv(f"body.{groups}", x, filters)
    for stage, factor in enumerate(
        {1: [], 2: [2], 3: [3], 4: [2, 2]}[scale * unshuffle]
    ):
        x = t.conv(f"tail.0.{2 * stage}", x, filters * factor**2)
        x = F.pixel_shuffle(x, factor)
    t.gain = 100.0 if shift else 1.0
    x = t.conv("tail.1", x, 3)
    if shift:
        x = shifted(t, "add_mean", x, 1, 255) / 255
    return x[:, :, : scale * height, : scale * width]


def basicsr_rcan_name(name: str) -> str:
    import re

    part = name.rpartition(".")[2]
    if match := re.fullmatch(r"body\.(\d+)\.body\.(\d+)\.body\.(.*)", name):
        group, block, rest = match.groups()
        rest = rest.replace("conv_du.0", "attention.1")
        rest = rest.replace("conv_du.2", "attention.3")
        return f"body.{group}.residual_group.{block}.rcab.{rest}"
    if match := re.fullmatch(r"body\.(\d+)\.body\.\d+\.\w+", name):
        return f"body.{match[1]}.conv.{part}"
    if re.fullmatch(r"body\.\d+\.\w+", name):
        return f"conv_after_body.{part}"
    name = name.replace("head.0", "conv_first").replace("tail.1", "conv_last")
    return name.replace("tail.0", "upsample")


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_rcan(scale: int) -> None:
    expected = {"groups": 2, "blocks": 3, "filters": 8, "hidden": 2, "scale": scale}
    check(rcan, expected, scale=scale, layout="RCAN")


def test_rcan_without_means() -> None:
    check(rcan, {"range": 1.0, "mean": (0.0,)}, shift=False)


def test_rcan_it() -> None:
    """Lin et al., 2022: the tensors are RCAN's, the function is not."""
    silu = {"activation": "silu"}
    check(rcan, silu, shift=False, act=F.silu, overrides=silu)


@pytest.mark.parametrize("scale", [1, 2])
def test_rcan_of_cells(scale: int) -> None:
    expected = {"scale": scale, "unshuffle": 4 // scale}
    check(rcan, expected, scale=scale, unshuffle=4 // scale)


def test_rcan_of_basicsr() -> None:
    state, theirs = evaluate(rcan, IMAGE)
    tensors = {
        basicsr_rcan_name(name): tensor
        for name, tensor in state.items()
        if "_mean" not in name
    }
    checkpoint = Checkpoint("torch", tensors)
    family, known = identify(checkpoint, "x")[:2]
    assert (family.name, known.layout) == ("rcan", "BasicSR")
    assert_same(run_zoo(family, checkpoint, known, IMAGE), theirs)


def mdsr(t: Any, x: Any, blocks: int = 2, filters: int = 6, scale: int = 2) -> Any:
    def block(name: str, x: Any, size: int) -> Any:
        y = F.relu(t.conv(f"{name}.body.0", x, filters, size))
        return x + t.conv(f"{name}.body.2", y, filters, size)

    x = shifted(t, "sub_mean", 255 * x, -1, 255)
    t.gain = 0.02
    x = t.conv("head.0", x, filters)
    t.gain = 1.0
    ways = []
    for place in range(3):
        y = x
        for number in (0, 1):
            y = block(f"pre_process.{place}.{number}", y, 5)
        ways.append(y)
    x = entry = ways[scale - 2]
    for number in range(blocks):
        x = block(f"body.{number}", x, 3)
    x = entry + t.conv(f"body.{blocks}", x, filters)
    for place, factors in enumerate([[2], [3], [2, 2]]):
        y = x
        for stage, factor in enumerate(factors):
            name = f"upsample.{place}.{2 * stage}"
            y = F.pixel_shuffle(t.conv(name, y, filters * factor**2), factor)
        ways[place] = y
    t.gain = 100.0
    x = t.conv("tail.0", ways[scale - 2], 3)
    return shifted(t, "add_mean", x, 1, 255) / 255


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mdsr(scale: int) -> None:
    expected = {"blocks": 2, "filters": 6, "scale": scale, "scales": (2, 3, 4)}
    check(mdsr, expected, overrides={"scale": scale}, scale=scale)


# -- SRResNet and SRGAN ---------------------------------------------------------


def srresnet(t: Any, x: Any, blocks: int = 2, filters: int = 6, scale: int = 4) -> Any:
    picture = x
    x = leaky(t.conv("conv_first", x, filters), 0.1)
    for block in range(blocks):
        y = F.relu(t.conv(f"body.{block}.conv1", x, filters))
        x = x + t.conv(f"body.{block}.conv2", y, filters)
    for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale], 1):
        y = t.conv(f"upconv{stage}", x, filters * factor**2)
        x = leaky(F.pixel_shuffle(y, factor), 0.1)
    x = t.conv("conv_last", leaky(t.conv("conv_hr", x, filters), 0.1), 3)
    return x + F.interpolate(
        picture, scale_factor=scale, mode="bilinear", align_corners=False
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_srresnet(scale: int) -> None:
    check(srresnet, {"blocks": 2, "filters": 6, "scale": scale}, scale=scale)


@pytest.mark.parametrize(
    "naming, changes",
    [
        ("BasicSR, 2019", [("body.", "recon_trunk."), ("conv_hr", "HRconv")]),
        (
            "mmagic",
            [
                ("body.", "trunk_net."),
                ("upconv1", "upsample1.upsample_conv"),
                ("upconv2", "upsample2.upsample_conv"),
            ],
        ),
    ],
)
def test_namings_of_srresnet(naming: str, changes: list[tuple[str, str]]) -> None:
    def rename(name: str) -> str:
        for ours, theirs in changes:
            name = name.replace(ours, theirs)
        return name

    check(srresnet, {"blocks": 2}, rename=rename, layout=naming)


def srgan(
    t: Any,
    x: Any,
    blocks: int = 2,
    filters: int = 6,
    scale: int = 4,
    bias: bool = True,
    end: str = "linear",
    shared: bool = True,
) -> Any:
    if end == "tanh":
        mean = torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
        x = (x - mean) / std
    x = head = t.prelu("conv1.1", t.conv("conv1.0", x, filters, 9), shared)
    for block in range(blocks):
        name = f"trunk.{block}.rcb"
        y = t.conv(f"{name}.0", x, filters, bias=bias)
        y = t.prelu(f"{name}.2", t.batchnorm(f"{name}.1", y), shared)
        y = t.conv(f"{name}.3", y, filters, bias=bias)
        x = x + t.batchnorm(f"{name}.4", y)
    x = head + t.batchnorm("conv2.1", t.conv("conv2.0", x, filters, bias=bias))
    for stage, factor in enumerate({2: [2], 3: [3], 4: [2, 2]}[scale]):
        name = f"upsampling.{stage}.upsample_block"
        x = F.pixel_shuffle(t.conv(f"{name}.0", x, filters * factor**2), factor)
        x = t.prelu(f"{name}.2", x, shared)
    x = t.conv("conv3", x, 3, 9)
    return (torch.tanh(x) + 1) / 2 if end != "linear" else x


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_srgan(bias: bool, shared: bool) -> None:
    check(srgan, {"blocks": 2, "scale": 4, "end": "linear"}, bias=bias, shared=shared)


def test_namings_of_srgan() -> None:
    import re

    def leftthomas(name: str) -> str:
        modules = {"0": "conv1", "1": "bn1", "2": "prelu", "3": "conv2", "4": "bn2"}
        if match := re.fullmatch(r"trunk\.(\d+)\.rcb\.(\d)\.(.*)", name):
            block, place, part = match.groups()
            return f"block{int(block) + 2}.{modules[place]}.{part}"
        name = re.sub(r"^conv2\.(\d)", r"block7.\1", name)
        name = re.sub(r"^conv1\.(\d)", r"block1.\1", name)
        name = re.sub(r"upsampling\.(\d)\.upsample_block\.0", r"block8.\1.conv", name)
        name = re.sub(r"upsampling\.(\d)\.upsample_block\.2", r"block8.\1.prelu", name)
        return name.replace("conv3.", "block8.2.")

    check(
        srgan,
        {"end": "half_tanh", "scale": 4, "blocks": 5},
        rename=leftthomas,
        blocks=5,
        end="half_tanh",
    )

    def tutorial(name: str) -> str:
        name = re.sub(r"^conv([123])\.(\d)\.", r"conv_block\1.conv_block.\2.", name)
        name = name.replace("conv3.", "conv_block3.conv_block.0.")
        if match := re.fullmatch(r"trunk\.(\d+)\.rcb\.(\d)\.(.*)", name):
            block, place, part = match[1], int(match[2]), match[3]
            inner = f"conv_block{place // 3 + 1}.conv_block.{place % 3}"
            return f"residual_blocks.{block}.{inner}.{part}"
        ours = r"upsampling\.(\d)\.upsample_block\."
        name = re.sub(f"{ours}0", r"subpixel_convolutional_blocks.\1.conv", name)
        return re.sub(f"{ours}2", r"subpixel_convolutional_blocks.\1.prelu", name)

    known = {"end": "half_tanh", "scale": 2}
    check(srgan, known, rename=tutorial, end="tanh", scale=2)


# -- the first ones -------------------------------------------------------------

GRAY = np.random.default_rng(3).integers(0, 256, (9, 11, 1), np.uint8)


def vdsr(t: Any, x: Any, blocks: int = 3, filters: int = 6) -> Any:
    picture = x
    x = F.relu(t.conv("input", x, filters, bias=False))
    for block in range(blocks):
        x = F.relu(t.conv(f"residual_layer.{block}.conv", x, filters, bias=False))
    return picture + t.conv("output", x, 1, bias=False)


def lornatang_vdsr(name: str) -> str:
    name = name.replace("input.", "conv1.0.").replace("output.", "conv2.")
    return name.replace("residual_layer", "trunk")


@pytest.mark.parametrize("rename", [None, lornatang_vdsr])
def test_vdsr(rename: Any) -> None:
    # The program is given an enlarged picture.
    check(
        vdsr,
        {"blocks": 3, "filters": 6, "bias": False, "color": "y"},
        image=GRAY,
        rename=rename,
        overrides={"scale": 1},
    )


def srcnn(t: Any, x: Any) -> Any:
    x = F.relu(t.conv("conv1", x, 8, 9))
    return t.conv("conv3", F.relu(t.conv("conv2", x, 6, 5)), 1, 5)


def test_srcnn() -> None:
    expected = {"filters": 8, "width": 6, "sizes": (9, 5, 5), "color": "y"}
    check(srcnn, expected, image=GRAY, overrides={"enlarge": "none"})


def fsrcnn(t: Any, x: Any, blocks: int = 2, scale: int = 2) -> Any:
    x = t.prelu("first_part.1", t.conv("first_part.0", x, 8, 5))
    shapes = [(4, 1), *[(4, 3)] * blocks, (8, 1)]
    for number, (width, size) in enumerate(shapes):
        x = t.conv(f"mid_part.{2 * number}", x, width, size)
        x = t.prelu(f"mid_part.{2 * number + 1}", x)
    return t.deconv("last_part", x, 1, 9, scale, 4, scale - 1)


def lornatang_fsrcnn(name: str) -> str:
    module, place, part = name.split(".") if name.count(".") == 2 else (name, "", "")
    if module == "first_part":
        return f"feature_extraction.{place}.{part}"
    if module != "mid_part":
        return name.replace("last_part", "deconv")
    number = int(place)
    if number < 2:
        return f"shrink.{number}.{part}"
    if number < 6:
        return f"map.{number - 2}.{part}"
    return f"expand.{number - 6}.{part}"


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("rename", [None, lornatang_fsrcnn])
def test_fsrcnn(scale: int, rename: Any) -> None:
    check(
        fsrcnn,
        {"blocks": 2, "filters": 8, "width": 4, "color": "y"},
        image=GRAY,
        rename=rename,
        overrides={"scale": scale},
        scale=scale,
    )


def espcn(t: Any, x: Any, form: str = "leftthomas", scale: int = 3) -> Any:
    names = {
        "leftthomas": ["conv1", "conv2", "conv3", "conv4"],
        "yjn": ["first_part.0", "first_part.2", "last_part.0"],
        "lornatang": ["feature_maps.0", "feature_maps.2", "sub_pixel.0"],
    }[form]
    for number, name in enumerate(names[:-1]):
        x = torch.tanh(t.conv(name, x, 8 - number, 3 if number else 5))
    x = F.pixel_shuffle(t.conv(names[-1], x, scale**2), scale)
    return torch.sigmoid(x) if form == "leftthomas" else x


@pytest.mark.parametrize("form", ["leftthomas", "yjn", "lornatang"])
def test_espcn(form: str) -> None:
    end = "logistic" if form == "leftthomas" else "linear"
    check(espcn, {"scale": 3, "end": end, "color": "y"}, image=GRAY, form=form)


def lapsrn(t: Any, x: Any, levels: int = 2, blocks: int = 3, filters: int = 6) -> Any:
    picture = x
    x = leaky(t.conv("conv_input", x, filters, bias=False), 0.2)
    for level in range(1, levels + 1):
        name = f"convt_F{level}.0.cov_block"
        for block in range(blocks):
            x = leaky(t.conv(f"{name}.{2 * block}", x, filters, bias=False), 0.2)
        x = t.deconv(f"{name}.{2 * blocks}", x, filters, 4, 2, 1, bias=False)
        x = leaky(x, 0.2)
        picture = t.deconv(f"convt_I{level}", picture, 1, 4, 2, 1, bias=False)
        picture = picture + t.conv(f"convt_R{level}", x, 1, bias=False)
    return picture


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_lapsrn(levels: int) -> None:
    check(lapsrn, {"scale": 2**levels, "blocks": 3}, image=GRAY, levels=levels)


# -- RDN ------------------------------------------------------------------------


def rdn(t: Any, x: Any, scale: int = 2) -> Any:
    shallow = t.conv("SFENet1", x, 6)
    x = t.conv("SFENet2", shallow, 6)
    ends = []
    for block in range(2):
        joined = x
        for number in range(3):
            name = f"RDBs.{block}.convs.{number}.conv.0"
            joined = torch.cat([joined, F.relu(t.conv(name, joined, 4))], 1)
        x = x + t.conv(f"RDBs.{block}.LFF", joined, 6, 1)
        ends.append(x)
    x = t.conv("GFF.1", t.conv("GFF.0", torch.cat(ends, 1), 6, 1), 6) + shallow
    factors = {2: [2], 3: [3], 4: [2, 2]}[scale]
    for stage, factor in enumerate(factors):
        x = F.pixel_shuffle(t.conv(f"UPNet.{2 * stage}", x, 5 * factor**2), factor)
    return t.conv(f"UPNet.{2 * len(factors)}", x, 3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rdn(scale: int) -> None:
    expected = {"blocks": 2, "layers": 3, "growth": 4, "width": 5, "scale": scale}
    check(rdn, expected, overrides={"range": 1.0}, scale=scale)

    def rename(name: str) -> str:
        last = f"UPNet.{4 if scale == 4 else 2}"
        for ours, theirs in [
            (last, "output"),
            ("SFENet", "sfe"),
            (".convs.", ".layers."),
            (".conv.0.", ".conv."),
            ("RDBs", "rdbs"),
            ("LFF", "lff"),
            ("GFF", "gff"),
            ("UPNet", "upscale"),
        ]:
            name = name.replace(ours, theirs)
        return name

    check(rdn, expected, rename=rename, layout="RDN-pytorch", scale=scale)


# -- Swift-SRGAN ----------------------------------------------------------------


def swiftsrgan(t: Any, x: Any, scale: int = 4, filters: int = 6) -> Any:
    def conv(name: str, x: Any, outputs: int, size: int = 3, bias: bool = True) -> Any:
        y = t.conv(
            f"{name}.depthwise", x, x.shape[1], size, groups=x.shape[1], bias=bias
        )
        return t.conv(f"{name}.pointwise", y, outputs, 1, bias=bias)

    def block(name: str, x: Any) -> Any:
        t.draw(f"{name}.act.weight", filters)
        return t.batchnorm(f"{name}.bn", conv(f"{name}.cnn", x, filters, bias=False))

    x = head = t.prelu("initial.act", conv("initial.cnn", x, filters, 9))
    for number in (0, 1):
        name = f"residual.{number}"
        y = t.prelu(f"{name}.block1.act", block(f"{name}.block1", x))
        x = x + block(f"{name}.block2", y)
    x = head + block("convblock", x)
    for stage in range({2: 1, 4: 2}[scale]):
        name = f"upsampler.{stage}"
        x = F.pixel_shuffle(conv(f"{name}.conv", x, 4 * filters), 2)
        x = t.prelu(f"{name}.act", x)
    return (conv("final_conv", x, 3, 9).tanh() + 1) / 2


@pytest.mark.parametrize("scale", [2, 4])
def test_swiftsrgan(scale: int) -> None:
    check(swiftsrgan, {"blocks": 2, "filters": 6, "scale": scale}, scale=scale)


# -- PLKSR ----------------------------------------------------------------------


def dysample(t: Any, name: str, x: Any, scale: int, groups: int) -> Any:
    """Liu et al., 2023, with a dynamic scope; x is N x C x H x W."""
    height, width = x.shape[2:]
    count = 2 * groups * scale**2
    scope = t.conv(f"{name}.scope", x, count, 1, bias=False).sigmoid()
    offset = 0.5 * t.conv(f"{name}.offset", x, count, 1) * scope
    within = (torch.arange(scale) - (scale - 1) / 2) / scale
    start = torch.stack(torch.meshgrid(within, within, indexing="xy"))
    start = start[:, None].expand(-1, groups, -1, -1).reshape(1, -1, 1, 1)
    t.state[f"{name}.init_pos"] = start.contiguous()
    at = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
    centre = torch.stack(at) + 0.5
    places = (offset + start).reshape(2, groups * scale**2, height, width)
    places = (places + centre[:, None]) / torch.tensor([width, height])[
        :, None, None, None
    ]
    places = F.pixel_shuffle(2 * places - 1, scale).permute(1, 2, 3, 0)
    parts = x.reshape(groups, -1, height, width)
    y = F.grid_sample(parts, places, padding_mode="border", align_corners=False)
    y = y.reshape(1, -1, scale * height, scale * width)
    return t.conv(f"{name}.end_conv", y, 3, 1)


def plksr(
    t: Any,
    x: Any,
    real: bool = True,
    norm: str = "group",
    sizes: tuple[int, int] = (3, 3),
    size: int = 7,
    attention: bool = True,
    scale: int = 2,
    samplings: int = 0,
) -> Any:
    picture, filters = x, 8
    mixer = "channel_mixer" if real else "channe_mixer"
    x = t.conv("feats.0", x, filters)
    for block in (1, 2):
        name, y = f"feats.{block}", x
        if norm == "layer":
            y = t.layernorm(f"{name}.layer_norm", y)
        y = t.conv(f"{name}.{mixer}.0", y, 2 * filters, sizes[0])
        y = F.mish(y) if real else F.gelu(y)
        y = t.conv(f"{name}.{mixer}.2", y, filters, sizes[1])
        y = torch.cat([t.conv(f"{name}.lk.conv", y[:, :2], 2, size), y[:, 2:]], 1)
        if attention:
            y = y * torch.sigmoid(t.conv(f"{name}.attn.f.0", y, filters))
        y = t.conv(f"{name}.refine", y, filters, 1)
        if norm == "group":
            y = t.groupnorm(f"{name}.norm", y, 4)
        x = x + y
    x = t.conv(f"feats.{4 if real else 3}", x, 3 * scale**2)
    x = x + picture.repeat_interleave(scale**2, 1)
    if samplings:
        return dysample(t, "to_img", x, scale, samplings)
    return F.pixel_shuffle(x, scale)


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_real_plksr(norm: str) -> None:
    expected = {"blocks": 2, "size": 7, "partial": 2, "norm": norm, "variant": "real"}
    check(plksr, expected, norm=norm)


@pytest.mark.parametrize("scale, samplings", [(2, 4), (3, 3)])
def test_real_plksr_with_dysample(scale: int, samplings: int) -> None:
    expected = {"upsampler": "dysample", "samplings": samplings, "scale": scale}
    check(plksr, expected, scale=scale, samplings=samplings)


@pytest.mark.parametrize("sizes", [(3, 1), (3, 3), (1, 3)])
@pytest.mark.parametrize("attention", [True, False])
def test_plksr(sizes: tuple[int, int], attention: bool) -> None:
    expected = {"variant": "plain", "sizes": sizes, "attention": attention}
    options = {"real": False, "norm": "none", "scale": 3}
    check(plksr, expected, sizes=sizes, attention=attention, **options)


# -- MoSR and SAFMN -------------------------------------------------------------


def mosr(
    t: Any,
    x: Any,
    scale: int = 2,
    hidden: int = 12,
    convolved: int = 8,
    upsampler: str = "shuffle",
) -> Any:
    picture, filters = x, 8
    x = t.conv("gblocks.0", x, filters)
    for block in (1, 2, 3):
        name = f"gblocks.{block}"
        y = t.conv(f"{name}.fc1", t.layernorm(f"{name}.norm", x), 2 * hidden)
        g, i, c = torch.split(y, [hidden, hidden - convolved, convolved], 1)
        c = t.conv(f"{name}.conv", c, convolved, 7, groups=convolved)
        y = t.conv(f"{name}.fc2", F.mish(g) * torch.cat([i, c], 1), filters)
        x = F.mish(y) + (x - 0.5)
    x = F.mish(t.conv("gblocks.4", x, 2 * filters))
    x = t.conv("gblocks.8", F.mish(t.conv("gblocks.6", x, filters)), filters, 1)
    s = F.mish(t.conv("shortcut.block.0", picture, filters))
    s = F.mish(t.conv("shortcut.block.2", s, filters))
    s = s + t.conv("shortcut.conv11", picture, filters, 1)
    x = x + (s - 0.5)
    if upsampler == "dysample":
        return dysample(t, "upsampler", x, scale, 4)
    if upsampler == "ensemble":
        y = t.conv("upsampler.in_to_k", x, 8 * 3 * scale**2)
        return F.pixel_shuffle(y.unflatten(1, (8, -1)).mean(1), scale)
    return F.pixel_shuffle(t.conv("upsampler.0", x, 3 * scale**2), scale)


@pytest.mark.parametrize("convolved", [8, 12])
def test_mosr(convolved: int) -> None:
    expected = {"blocks": 3, "width": 12, "convolved": convolved, "size": 7, "scale": 2}
    check(mosr, expected, convolved=convolved)


@pytest.mark.parametrize("upsampler", ["ensemble", "dysample"])
def test_ways_out_of_mosr(upsampler: str) -> None:
    check(mosr, {"upsampler": upsampler, "scale": 3}, upsampler=upsampler, scale=3)


def safmn(t: Any, x: Any, scale: int = 2) -> Any:
    x = head = t.conv("to_feat", x, 8)
    for block in range(2):
        name = f"feats.{block}"
        y, parts = t.layernorm(f"{name}.norm1", x), []
        for level, part in enumerate(y.chunk(4, 1)):
            size = (x.shape[2] // 2**level, x.shape[3] // 2**level)
            z = F.adaptive_max_pool2d(part, size) if level else part
            z = t.conv(f"{name}.safm.mfr.{level}", z, 2, groups=2)
            parts.append(F.interpolate(z, x.shape[2:], mode="nearest"))
        z = t.conv(f"{name}.safm.aggr", torch.cat(parts, 1), 8, 1)
        x = x + F.gelu(z) * y
        y = F.gelu(t.conv(f"{name}.ccm.ccm.0", t.layernorm(f"{name}.norm2", x), 16))
        x = x + t.conv(f"{name}.ccm.ccm.2", y, 8, 1)
    return F.pixel_shuffle(t.conv("to_img.0", x + head, 3 * scale**2), scale)


def test_safmn() -> None:
    expected = {"blocks": 2, "filters": 8, "width": 16, "scale": 2}
    check(safmn, expected)


# -- waifu2x and Real-CUGAN -------------------------------------------------------


def upconv(t: Any, x: Any, prefix: str = "net", bias: bool = True) -> Any:
    x = F.pad(x, (7, 7, 7, 7), "replicate")
    for number, width in enumerate((4, 4, 6, 6, 8, 8)):
        x = leaky(t.conv(f"{prefix}.{2 * number}", x, width, padding=0), 0.1)
    return t.deconv(f"{prefix}.12", x, 3, 4, 2, 3, bias=bias)


@pytest.mark.parametrize("prefix", ["net", "Sequential"])
def test_upconv(prefix: str) -> None:
    check(upconv, {"bias": prefix == "net"}, prefix=prefix, bias=prefix == "net")


def cunet(t: Any, x: Any, scale: int = 2, pro: bool = False, fast: bool = False) -> Any:
    picture, (height, width) = x, x.shape[2:]
    if pro:
        t.draw("pro", 1)
        x = picture = 0.7 * x + 0.15

    def lrelu(x: Any) -> Any:
        return F.leaky_relu(x, 0.1)

    def pair(name: str, x: Any, widths: tuple[int, int], attend: bool) -> Any:
        for place, count in zip((0, 2), widths, strict=True):
            x = lrelu(t.conv(f"{name}.conv.{place}", x, count, padding=0))
        if attend:
            z = x.mean((2, 3), keepdim=True)
            z = F.relu(t.conv(f"{name}.seblock.conv1", z, widths[1] // 8, 1))
            x = x * torch.sigmoid(t.conv(f"{name}.seblock.conv2", z, widths[1], 1))
        return x

    def down(name: str, x: Any) -> Any:
        return lrelu(t.conv(name, x, x.shape[1], 2, stride=2, padding=0))

    def up(name: str, x: Any) -> Any:
        return lrelu(t.deconv(name, x, x.shape[1], 2, 2))

    def cut(x: Any, size: int) -> Any:
        return F.pad(x, (-size,) * 4)

    border, multiple = {1: (28, 4), 2: (18, 2), 3: (14, 4), 4: (19, 2)}[scale]
    if fast:
        border, multiple = 38, 4
    more = [border + -width % multiple, border + -height % multiple]
    x = F.pad(x, (border, more[0], border, more[1]), "reflect")
    if fast:
        x = F.pixel_unshuffle(x, 2)
    outputs = 64 if fast or scale == 4 else 3
    a = pair("unet1.conv1", x, (32, 64), False)
    b = pair("unet1.conv2", down("unet1.conv1_down", a), (128, 64), True)
    z = lrelu(t.conv("unet1.conv3", cut(a, 4) + up("unet1.conv2_up", b), 64, padding=0))
    if scale == 1:
        z = t.conv("unet1.conv_bottom", z, outputs, padding=0)
    else:
        size, stride, padding = (5, 3, 2) if scale == 3 else (4, 2, 3)
        z = t.deconv("unet1.conv_bottom", z, outputs, size, stride, padding)
    a = pair("unet2.conv1", z, (32, 64), False)
    b = pair("unet2.conv2", down("unet2.conv1_down", a), (64, 128), True)
    c = pair("unet2.conv3", down("unet2.conv2_down", b), (256, 128), True)
    b = pair("unet2.conv4", cut(b, 4) + up("unet2.conv3_up", c), (64, 64), True)
    y = lrelu(
        t.conv("unet2.conv5", cut(a, 16) + up("unet2.conv4_up", b), 64, padding=0)
    )
    z = t.conv("unet2.conv_bottom", y, outputs, padding=0) + cut(z, 20)
    if fast or scale == 4:
        z = F.pixel_shuffle(cut(t.conv("conv_final", z, 12, padding=0), 1), 2)
    # conv_final keeps nothing of its border: its output is cut once more.
    z = z[:, :, : scale * height, : scale * width]
    if fast or scale == 4:
        z = z + F.interpolate(picture, scale_factor=scale, mode="nearest")
    return (z - 0.15) / 0.7 if pro else z


SQUARE = np.random.default_rng(6).integers(0, 256, (33, 37, 3), np.uint8)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_cunet(scale: int) -> None:
    pro = scale == 3
    check(cunet, {"scale": scale, "pro": pro}, image=SQUARE, scale=scale, pro=pro)


def test_fast_cunet() -> None:
    larger = np.random.default_rng(6).integers(0, 256, (49, 58, 3), np.uint8)
    check(cunet, {"scale": 2, "fast": True}, image=larger, fast=True)
