"""EDSR: its cfg, and checkpoints of it against PyTorch modules."""

from __future__ import annotations

import itertools
import re
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

from zoo.errors import UsageError
from zoo.models.edsr import EDSR
from zoo.network import Network
from zoo.parsers.base import Checkpoint

# -- the cfg ---------------------------------------------------------------

PUBLISHED = [
    # blocks, filters, scale, parameters with biases, weights only
    (16, 64, 2, 1_369_859, 1_367_424),
    (16, 64, 3, 1_554_499, 1_551_744),
    (16, 64, 4, 1_517_571, 1_514_880),
    (32, 256, 2, 40_729_603, 40_711_680),
    (32, 256, 3, 43_680_003, 43_660_800),
    (32, 256, 4, 43_089_923, 43_070_976),
]


@pytest.mark.parametrize("blocks, filters, scale, total, weights", PUBLISHED)
def test_published_parameter_counts(
    blocks: int, filters: int, scale: int, total: int, weights: int
) -> None:
    network = Network.parse(EDSR.write(blocks=blocks, filters=filters, scale=scale))
    assert network.parameter_count == total
    assert (
        sum(layer.parameters["weights"].size for layer in network if layer.parameters)
        == weights
    )
    assert network.scale == scale


def test_layers_are_counted_as_in_the_literature() -> None:
    assert len(Network.parse(EDSR.write(blocks=32, scale=2))) == 103
    assert len(Network.parse(EDSR.write(blocks=32, scale=4))) == 105


@pytest.mark.parametrize("tail", ["official", "single"])
@pytest.mark.parametrize("scale", range(1, 9))
def test_every_scale(scale: int, tail: str) -> None:
    text = EDSR.write(blocks=1, filters=4, scale=scale, tail=tail, channels=2)
    network = Network.parse(text)
    assert network.shapes(5, 7)[-1] == (5 * scale, 7 * scale, 2)


def test_equal_options_give_equal_text() -> None:
    assert EDSR.write(scale=3) == EDSR.write(scale=3, blocks=16)
    assert EDSR.write(scale=3) != EDSR.write(scale=2)


@pytest.mark.parametrize(
    "color, channels, mean",
    [
        ("rgb", 3, (114.444, 111.4605, 103.02)),
        ("bgr", 3, (103.02, 111.4605, 114.444)),
        ("y", 1, (127.5,)),
        ("any", 2, (127.5, 127.5)),
    ],
)
def test_mean_follows_the_color(
    color: str, channels: int, mean: tuple[float, ...]
) -> None:
    network = Network.parse(EDSR.write(blocks=1, color=color, channels=channels))
    assert network.pixels.mean == pytest.approx(mean, abs=1e-9)
    assert network.pixels.denormalize


@pytest.mark.parametrize(
    "options, message",
    [
        ({"block": 3}, "no option 'block'; did you mean 'blocks'"),
        ({"blocks": 0}, "blocks: 0 is below 1"),
        ({"blocks": "8"}, "blocks: '8' is not an int"),
        ({"blocks": True}, "blocks: True is not an int"),
        ({"scale": 9}, "scale: 9 is above 8"),
        ({"tail": "long"}, "'long' is not one of official, single"),
        ({"mean": 3.0}, "mean: 3.0 is no list"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EDSR.write(**options)


# -- checkpoints -----------------------------------------------------------


def build_torch(
    blocks: int,
    filters: int,
    scale: int,
    res_scale: float = 1.0,
    white: float = 255.0,
    channels: int = 3,
) -> Any:
    """A module with the tensors of the authors' published code, random weights."""
    torch = pytest.importorskip("torch")
    nn = torch.nn
    torch.manual_seed(blocks + 100 * filters + 10_000 * scale)

    def conv(inputs: int, outputs: int) -> Any:
        return nn.Conv2d(inputs, outputs, 3, padding=1)

    class Shift(nn.Conv2d):
        def __init__(self, sign: int) -> None:
            super().__init__(channels, channels, 1)
            self.weight.data = torch.eye(channels).reshape(channels, channels, 1, 1)
            mean = DIV2K[:channels] if channels == 3 else (0.5,) * channels
            self.bias.data = sign * white * torch.tensor(mean)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                conv(filters, filters), nn.ReLU(), conv(filters, filters)
            )

        def forward(self, x: Any) -> Any:
            return x + res_scale * self.body(x)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sub_mean = Shift(-1)
            self.head = nn.Sequential(conv(channels, filters))
            self.body = nn.Sequential(
                *(Block() for _ in range(blocks)), conv(filters, filters)
            )
            stages: list[Any] = []
            for factor in {1: [], 2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}[scale]:
                stages += [conv(filters, filters * factor**2), nn.PixelShuffle(factor)]
            self.tail = nn.Sequential(nn.Sequential(*stages), conv(filters, channels))
            self.add_mean = Shift(1)

        def forward(self, x: Any) -> Any:
            x = self.head(self.sub_mean(x))
            return self.add_mean(self.tail(x + self.body(x)))

    return Net().eval()


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model.module."])
def test_official_checkpoint(scale: int, prefix: str) -> None:
    module = build_torch(3, 6, scale)
    checkpoint = checkpoint_of(module, prefix)
    known = EDSR.recognize(checkpoint)
    assert known is not None
    assert known.layout == "EDSR-PyTorch"
    found = {name: known.options[name] for name in ("blocks", "filters", "scale")}
    assert found == {"blocks": 3, "filters": 6, "scale": scale}
    assert known.options["mean"] == pytest.approx((114.444, 111.4605, 103.02))
    assert known.options["range"] == 255
    assert {item.option for item in known.assumptions} == {"res_scale", "color"}
    assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), run_torch(module, IMAGE))


def test_names_are_those_of_the_published_files() -> None:
    assert len(build_torch(16, 4, 2).state_dict()) == 76
    assert len(build_torch(32, 4, 2).state_dict()) == 140
    names = set(build_torch(2, 4, 4).state_dict())
    parts = ("weight", "bias")
    modules = [
        "sub_mean",
        "head.0",
        "body.0.body.0",
        "body.0.body.2",
        "body.1.body.0",
        "body.1.body.2",
        "body.2",
        "tail.0.0",
        "tail.0.2",
        "tail.1",
        "add_mean",
    ]
    assert names == {".".join(pair) for pair in itertools.product(modules, parts)}


def test_residual_scale_is_assumed_and_can_be_said() -> None:
    module = build_torch(2, 6, 2, res_scale=0.3)
    checkpoint = checkpoint_of(module)
    known = EDSR.recognize(checkpoint)
    assert known is not None
    assert known.options["res_scale"] == 1
    said = known.override({"res_scale": 0.3})
    assert "res_scale" not in {item.option for item in said.assumptions}
    assert_same(run_zoo(EDSR, checkpoint, said, IMAGE), run_torch(module, IMAGE))
    with pytest.raises(AssertionError):
        assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), run_torch(module, IMAGE))


def test_the_large_one_is_assumed_to_scale_residuals_by_a_tenth() -> None:
    checkpoint = checkpoint_of(build_torch(1, 256, 2))
    known = EDSR.recognize(checkpoint)
    assert known is not None and known.options["res_scale"] == 0.1


def test_what_the_file_states_cannot_be_changed() -> None:
    known = EDSR.recognize(checkpoint_of(build_torch(2, 6, 2)))
    assert known is not None
    with pytest.raises(UsageError, match="blocks=3 contradicts .* blocks=2"):
        known.override({"blocks": 3})
    assert known.override({"blocks": 2}).options == known.options


def test_range_follows_from_the_mean() -> None:
    module = build_torch(2, 6, 2, white=1.0)
    checkpoint = checkpoint_of(module)
    known = EDSR.recognize(checkpoint)
    assert known is not None and known.options["range"] == 1
    theirs = 255 * run_torch(module, IMAGE / 255)
    assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), theirs)


def test_one_channel() -> None:
    module = build_torch(2, 6, 2, channels=1)
    checkpoint = checkpoint_of(module)
    known = EDSR.recognize(checkpoint)
    assert known is not None and known.options["channels"] == 1
    gray = IMAGE[:, :, :1]
    assert_same(run_zoo(EDSR, checkpoint, known, gray), run_torch(module, gray))


def test_without_the_frozen_means_the_published_ones_are_assumed() -> None:
    module = build_torch(2, 6, 2)
    checkpoint = checkpoint_of(module)
    checkpoint = Checkpoint(
        "torch",
        {
            name: value
            for name, value in checkpoint.tensors.items()
            if "_mean" not in name
        },
    )
    known = EDSR.recognize(checkpoint)
    assert known is not None
    assert {"mean", "range", "std"} <= {item.option for item in known.assumptions}
    assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), run_torch(module, IMAGE))


# -- what is not of the family ---------------------------------------------


def changed(change: dict[str, np.ndarray | None]) -> Checkpoint:
    """A checkpoint of two blocks with tensors replaced, added or taken out."""
    tensors = {**checkpoint_of(build_torch(2, 6, 2)).tensors, **change}
    return Checkpoint(
        "torch", {name: value for name, value in tensors.items() if value is not None}
    )


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"head.0.weight": None}, "there is no tensor 'head.0.weight'"),
        ({"body.1.body.2.bias": None}, "lacks 'body.1.body.2.bias'"),
        ({"body.0.body.2.weight": None}, "lacks 'body.0.body.2.weight'"),
        ({"body.2.weight": None}, "lacks 'body.2.weight'"),
        ({"extra.weight": np.zeros(3)}, "also has 'extra.weight'"),
        (
            {"body.1.body.0.weight": np.zeros((6, 6, 5, 5))},
            "body.1.body.0.weight is 6x6x5x5 in place of 6x6x3x3",
        ),
        ({"body.1.body.0.bias": np.zeros(5)}, "body.1.body.0.bias is 5 in place of 6"),
        ({"head.0.weight": np.zeros((6, 3))}, "has 2 axes in place of 4"),
        ({"sub_mean.bias": None}, "there is no tensor 'sub_mean.bias'"),
        ({"add_mean.bias": np.zeros(3)}, "add_mean does not undo sub_mean"),
        ({"sub_mean.weight": np.zeros((3, 3, 1, 1))}, "standard deviation"),
        ({"sub_mean.weight": np.ones((3, 3, 1, 1))}, "add_mean does not undo"),
        (
            {"tail.0.0.weight": np.zeros((23, 6, 3, 3))},
            "23 filters, which is no square",
        ),
        (
            {"tail.1.weight": np.zeros((4, 6, 3, 3))},
            "tail.1.weight is 4x6x3x3 in place of 3x6x3x3",
        ),
    ],
)
def test_near_misses_are_explained(
    change: dict[str, np.ndarray | None], reason: str
) -> None:
    checkpoint = changed(change)
    assert EDSR.recognize(checkpoint) is None
    mismatch = EDSR.mismatch(checkpoint)
    assert mismatch.layout == "EDSR-PyTorch"
    assert mismatch.likeness > 0.5
    assert re.search(reason, mismatch.reason)


def test_a_single_stage_of_four_is_another_network() -> None:
    """Nothing in zoo's EDSR can say it, so it must not pass for two stages."""
    checkpoint = changed(
        {
            "tail.0.0.weight": np.zeros((96, 6, 3, 3), np.float32),
            "tail.0.0.bias": np.zeros(96, np.float32),
        }
    )
    assert EDSR.recognize(checkpoint) is None
    assert "tail.0.2.weight" in EDSR.mismatch(checkpoint).reason


def test_mdsr_is_named() -> None:
    checkpoint = changed(
        {
            "pre_process.0.0.body.0.weight": np.zeros((6, 6, 5, 5)),
            "upsample.0.0.weight": np.zeros((24, 6, 3, 3)),
        }
    )
    assert EDSR.recognize(checkpoint) is None
    mismatch = EDSR.mismatch(checkpoint)
    assert mismatch.likeness == 1
    assert mismatch.reason.startswith("this is MDSR")


@pytest.mark.parametrize("names", [[], ["a"], ["0.convolutional.weights"]])
def test_strangers(names: list[str]) -> None:
    checkpoint = Checkpoint("torch", {name: np.zeros(3) for name in names})
    assert EDSR.recognize(checkpoint) is None
    assert EDSR.mismatch(checkpoint).likeness == 0


# -- other namings of the same network -----------------------------------------


def renamed(name: str, changes: list[tuple[str, str]]) -> str:
    for ours, theirs in changes:
        name = re.sub(ours, theirs, name)
    return name


BLOCKS = [
    (r"^body\.(\d+)\.body\.0", r"body.\1.conv1"),
    (r"^body\.(\d+)\.body\.2", r"body.\1.conv2"),
    (r"^body\.\d+\.(weight|bias)", r"conv_after_body.\1"),
    (r"^head\.0", "conv_first"),
    (r"^tail\.1", "conv_last"),
]
NAMINGS = {
    "BasicSR": (255.0, 1.0, [*BLOCKS, (r"^tail\.0", "upsample")]),
    "mmagic": (
        1.0,
        1.0,
        [
            *BLOCKS,
            (r"^tail\.0\.0", "upsample.0.upsample_conv"),
            (r"^tail\.0\.2", "upsample.1.upsample_conv"),
        ],
    ),
    "EDSR-PyTorch of Lornatang": (
        255.0,
        0.1,
        [
            (r"^body\.(\d+)\.body", r"trunk.\1.rcb"),
            (r"^body\.\d+\.(weight|bias)", r"conv2.\1"),
            (r"^head\.0", "conv1"),
            (r"^tail\.1", "conv3"),
            (r"^tail\.0\.0", "upsampling.0.upsample_block.0"),
            (r"^tail\.0\.2", "upsampling.1.upsample_block.0"),
        ],
    ),
    "EDSR-PyTorch of Lornatang, 2020": (
        1.0,
        0.1,
        [
            (r"^body\.(\d+)\.body\.0", r"trunk.\1.conv1"),
            (r"^body\.(\d+)\.body\.2", r"trunk.\1.conv2"),
            (r"^body\.\d+\.(weight|bias)", r"conv2.\1"),
            (r"^head\.0", "conv1"),
            (r"^tail\.1", "conv3"),
            (r"^tail\.0", "upsampling"),
        ],
    ),
}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("naming", NAMINGS)
def test_other_namings(naming: str, scale: int) -> None:
    white, res_scale, changes = NAMINGS[naming]
    module = build_torch(3, 6, scale, res_scale=res_scale, white=white)
    checkpoint = Checkpoint(
        "torch",
        {
            renamed(name, changes): value
            for name, value in checkpoint_of(module).tensors.items()
            if "_mean" not in name
        },
    )
    known = EDSR.recognize(checkpoint)
    assert known is not None and known.layout == naming
    assert (known.options["range"], known.options["res_scale"]) == (white, res_scale)
    theirs = run_torch(module, IMAGE / 255 * white) / white * 255
    assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), theirs)


@pytest.mark.parametrize("white", [1.0, 255.0])
def test_means_in_buffers(white: float) -> None:
    """They are of pictures from 0 to 1, which one program then multiplies by 255."""
    naming = "EDSR-PyTorch of Lornatang" + (", 2020" if white == 1 else "")
    changes = NAMINGS[naming][2]
    module = build_torch(2, 6, 2, res_scale=0.1, white=white)
    tensors = {
        renamed(name, changes): value
        for name, value in checkpoint_of(module).tensors.items()
        if "_mean" not in name
    }
    tensors["mean"] = np.asarray(DIV2K, np.float32).reshape(1, 3, 1, 1)
    if white == 1:
        tensors["std"] = np.ones((1, 3, 1, 1), np.float32)
    checkpoint = Checkpoint("torch", tensors)
    known = EDSR.recognize(checkpoint)
    assert known is not None and known.layout == naming
    assert known.options["mean"] == pytest.approx([white * value for value in DIV2K])
    theirs = run_torch(module, IMAGE / 255 * white) / white * 255
    assert_same(run_zoo(EDSR, checkpoint, known, IMAGE), theirs)


def test_a_gray_network_has_no_use_for_means_of_three_channels() -> None:
    gray, colour = build_torch(2, 6, 2, channels=1), build_torch(2, 6, 2)
    tensors = {
        name: value
        for name, value in checkpoint_of(gray).tensors.items()
        if "_mean" not in name
    }
    means = {
        name: value
        for name, value in checkpoint_of(colour).tensors.items()
        if "_mean" in name
    }
    checkpoint = Checkpoint("torch", {**tensors, **means})
    known = EDSR.recognize(checkpoint)
    assert known is not None
    assert (known.options["channels"], known.options["mean"]) == (1, (0.0,))
    assert "mean" in {item.option for item in known.assumptions}
    gray.sub_mean, gray.add_mean = (type(gray.head)() for _ in range(2))
    picture = IMAGE[:, :, :1]
    assert_same(run_zoo(EDSR, checkpoint, known, picture), run_torch(gray, picture))
