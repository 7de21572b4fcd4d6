"""WDSR: its cfg, and checkpoints of it against PyTorch modules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch_modules import (
    DIV2K,
    IMAGE,
    assert_same,
    checkpoint_of,
    run_torch,
    run_zoo,
)

from zoo.checkpoints.files import assign
from zoo.errors import UsageError
from zoo.models.base import Recognition
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.parsers.base import Checkpoint

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")

# -- the cfg ---------------------------------------------------------------

PUBLISHED = [
    ({"scale": 2}, 1_187_484),
    ({"scale": 3}, 1_192_959),
    ({"scale": 4}, 1_200_624),
    ({"blocks": 32, "width": 192, "scale": 4}, 3_564_528),
    ({"blocks": 32, "width": 192, "scale": 4, "padding": "symmetric"}, 3_564_528),
    ({"blocks": 32, "width": 192, "scale": 2}, 3_551_388),
    ({"variant": "b", "blocks": 32, "scale": 4}, 606_992),
    ({"variant": "b", "blocks": 32, "scale": 2}, 593_852),
]


@pytest.mark.parametrize("options, total", PUBLISHED)
def test_published_parameter_counts(options: dict[str, Any], total: int) -> None:
    network = Network.parse(WDSR.write(**options))
    assert network.parameter_count == total
    assert network.scale == options["scale"]


@pytest.mark.parametrize(
    "scale, total", [(2, 37_808_180), (3, 37_826_645), (4, 37_852_496)]
)
def test_published_counts_of_the_large_one_include_magnitudes(
    scale: int, total: int
) -> None:
    network = Network.parse(WDSR.write(blocks=32, filters=128, scale=scale))
    magnitudes = sum(layer.biases.size for layer in network if layer.parameters)
    assert network.parameter_count + magnitudes == total


def test_the_thesis_counts_weights_only() -> None:
    network = Network.parse(WDSR.write(blocks=32, width=192, scale=4))
    biases = sum(layer.biases.size for layer in network if layer.parameters)
    assert network.parameter_count - biases == 3_557_232


def test_layers_are_counted_as_in_the_literature() -> None:
    assert len(Network.parse(WDSR.write(blocks=32, scale=4))) == 104
    padded = Network.parse(WDSR.write(blocks=32, scale=4, padding="symmetric"))
    assert len(padded) == 105


@pytest.mark.parametrize("padding", ["same", "symmetric", "edge"])
@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("scale", range(1, 9))
def test_every_scale(scale: int, variant: str, padding: str) -> None:
    text = WDSR.write(
        blocks=1, filters=4, scale=scale, variant=variant, padding=padding
    )
    assert Network.parse(text).shapes(5, 7)[-1] == (5 * scale, 7 * scale, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"skip_size": 4}, "skip_size=4 is even"),
        ({"skip_size": 3, "padding": "edge"}, "padding=edge needs skip_size=5"),
        ({"variant": "c"}, "'c' is not one of a, b"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        WDSR.write(**options)


# -- checkpoints -----------------------------------------------------------


def build_torch(
    layout: str,
    variant: str,
    scale: int,
    *,
    blocks: int = 3,
    filters: int = 8,
    res_scale: float = 1.0,
    padding: str = "same",
    norm: str = "old",
) -> Any:
    """A module with the tensors of a published layout, random weights."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(scale + 10 * blocks + 100 * filters)
    width = {"a": 4, "b": 6}[variant] * filters
    rank = int(0.8 * filters)
    is_padded = padding != "same"

    def conv(inputs: int, outputs: int, size: int, same: bool = True) -> Any:
        layer = nn.Conv2d(inputs, outputs, size, padding=size // 2 if same else 0)
        if norm == "none":
            return layer
        if norm == "new":
            layer = nn.utils.parametrizations.weight_norm(layer)
            magnitude = layer.parametrizations.weight.original0
        else:
            layer = nn.utils.weight_norm(layer)
            magnitude = layer.weight_g
        with torch.no_grad():  # at first it is |v|, which would prove nothing
            magnitude.mul_(0.5 + torch.rand_like(magnitude))
        return layer

    class Block(nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            layers = (
                [conv(filters, width, 3), nn.ReLU(), conv(width, filters, 3)]
                if variant == "a"
                else [
                    conv(filters, width, 1),
                    nn.ReLU(),
                    conv(width, rank, 1),
                    conv(rank, filters, 3),
                ]
            )
            self.inner = name
            setattr(self, name, nn.Sequential(*layers))

        def forward(self, x: Any) -> Any:
            return x + res_scale * getattr(self, self.inner)(x)

    inner = "module" if layout == "module names" else "body"

    class Authors(nn.Module):
        """wdsr_ntire2018: two shuffles, 0..255."""

        def __init__(self) -> None:
            super().__init__()
            same = not is_padded
            self.head = nn.Sequential(conv(3, filters, 3, same))
            self.body = nn.Sequential(*(Block(inner) for _ in range(blocks)))
            self.tail = nn.Sequential(
                conv(filters, 3 * scale**2, 3, same), nn.PixelShuffle(scale)
            )
            self.skip = nn.Sequential(
                conv(3, 3 * scale**2, 5, same), nn.PixelShuffle(scale)
            )
            self.mean = 255 * torch.tensor(DIV2K).reshape(1, 3, 1, 1)

        def forward(self, x: Any) -> Any:
            x = (x - self.mean) / 127.5
            if is_padded:
                x = torch.from_numpy(
                    np.pad(
                        x.numpy(),
                        ((0, 0), (0, 0), (2, 2), (2, 2)),
                        mode=padding,  # type: ignore[call-overload]
                    )
                )
            y = self.tail(self.body(self.head(x))) + self.skip(x)
            return 127.5 * y + self.mean

    class Later(nn.Module):
        """ychfan/wdsr: one shuffle, 0..1; used here on 0..255."""

        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                conv(3, filters, 3),
                *(Block("body") for _ in range(blocks)),
                conv(filters, 3 * scale**2, 3),
            )
            self.skip = nn.Sequential(conv(3, 3 * scale**2, 5))
            self.shuffle = nn.PixelShuffle(scale)

        def forward(self, x: Any) -> Any:
            x = x / 255 - 0.5
            return 255 * (self.shuffle(self.body(x) + self.skip(x)) + 0.5)

    return (Later() if layout == "ychfan/wdsr" else Authors()).eval()


LAYOUTS = ["wdsr_ntire2018", "module names", "ychfan/wdsr"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("variant", ["a", "b"])
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_checkpoints(layout: str, variant: str, scale: int) -> None:
    module = build_torch(layout, variant, scale)
    checkpoint = checkpoint_of(module)
    known = WDSR.recognize(checkpoint)
    assert known is not None
    assert known.layout == layout
    assert {
        name: known.options[name]
        for name in [
            "variant",
            "blocks",
            "filters",
            "width",
            "rank",
            "scale",
            "skip_size",
            "order",
        ]
    } == {
        "variant": variant,
        "blocks": 3,
        "filters": 8,
        "width": 32 if variant == "a" else 48,
        "rank": 0 if variant == "a" else 6,
        "scale": scale,
        "skip_size": 5,
        "order": "crd",
    }
    assert {item.option for item in known.assumptions} == {
        "res_scale",
        "color",
        "range",
        "mean",
        "std",
    }
    assert_same(run_zoo(WDSR, checkpoint, known, IMAGE), run_torch(module, IMAGE))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("norm", ["old", "new", "none"])
@pytest.mark.parametrize("prefix", ["", "module.", "model."])
def test_spellings(layout: str, norm: str, prefix: str) -> None:
    module = build_torch(layout, "a", 2, norm=norm, blocks=2)
    checkpoint = checkpoint_of(module, prefix)
    known = WDSR.recognize(checkpoint)
    assert known is not None and known.layout == layout
    assert_same(run_zoo(WDSR, checkpoint, known, IMAGE), run_torch(module, IMAGE))


def test_names_are_those_of_the_published_files() -> None:
    names = set(build_torch("wdsr_ntire2018", "b", 2, blocks=1).state_dict())
    parts = ("weight_g", "weight_v", "bias")
    modules = [
        "head.0",
        "body.0.body.0",
        "body.0.body.2",
        "body.0.body.3",
        "tail.0",
        "skip.0",
    ]
    assert names == {f"{module}.{part}" for module in modules for part in parts}
    names = set(build_torch("ychfan/wdsr", "a", 2, blocks=1).state_dict())
    modules = ["body.0", "body.1.body.0", "body.1.body.2", "body.2", "skip.0"]
    assert names == {f"{module}.{part}" for module in modules for part in parts}
    module = build_torch("wdsr_ntire2018", "a", 2, blocks=1, norm="new")
    assert "head.0.parametrizations.weight.original0" in module.state_dict()


def test_what_is_assumed_can_be_said() -> None:
    module = build_torch("wdsr_ntire2018", "a", 2, res_scale=0.1)
    checkpoint = checkpoint_of(module)
    known = WDSR.recognize(checkpoint)
    assert known is not None
    said = known.override({"res_scale": 0.1})
    assert_same(run_zoo(WDSR, checkpoint, said, IMAGE), run_torch(module, IMAGE))
    with pytest.raises(UsageError, match="width=7 contradicts"):
        known.override({"width": 7})


@pytest.mark.parametrize("padding", ["symmetric", "edge"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_padding_of_the_picture(padding: str, scale: int) -> None:
    """The network of the thesis: 2 pixels around the picture, VALID convolutions."""
    module = build_torch("wdsr_ntire2018", "a", scale, padding=padding)
    checkpoint = checkpoint_of(module)
    known = WDSR.recognize(checkpoint)
    assert known is not None
    options = {**known.options, "padding": padding}
    said = Recognition(known.family, known.layout, options)
    assert_same(run_zoo(WDSR, checkpoint, said, IMAGE), run_torch(module, IMAGE))


def test_near_misses_are_explained() -> None:
    tensors = dict(checkpoint_of(build_torch("ychfan/wdsr", "a", 2)).tensors)
    del tensors["skip.0.weight_g"]
    tensors["skip.1.weight"] = np.zeros(3)
    checkpoint = Checkpoint("torch", tensors)
    assert WDSR.recognize(checkpoint) is None
    mismatch = WDSR.mismatch(checkpoint)
    assert mismatch.layout == "ychfan/wdsr"
    assert 0.8 < mismatch.likeness < 1
    assert re.search("no tensor 'skip.0.weight_g'", mismatch.reason)


def test_a_published_checkpoint(shared: Path) -> None:
    path = shared / "data/weights/WDSR-B-f32-b16-r6-x4-best.pth.tar"
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    from zoo.models.identify import identify
    from zoo.parsers.detect import read_checkpoint

    checkpoint = identify(read_checkpoint(path), str(path)).candidate.checkpoint
    known = WDSR.recognize(checkpoint)
    assert known is not None
    assert known.layout == "module names"
    assert (known.options["variant"], known.options["blocks"]) == ("b", 16)
    conversion = WDSR.tensors(checkpoint, known)
    assert len(conversion.uses) == 153
    network = Network.parse(WDSR.write(**known.options))
    assign(network, conversion.tensors)
    assert network.parameter_count == sum(
        value.size
        for name, value in checkpoint.tensors.items()
        if not name.endswith("weight_g")
    )
