"""Summaries: counts, work, memory, and receptive fields against what really happens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ShapeError, UsageError
from zoo.network import Network
from zoo.plugins import select
from zoo.receptive_field import receptive_field
from zoo.summary import summarize

CONV = "[convolutional]\nfilters={}\nsize={}\nstride={}\npad={}\nactivation=linear\n"


def conv(filters: int = 4, size: int = 3, stride: int = 1, pad: int = 1) -> str:
    return CONV.format(filters, size, stride, pad)


NETWORKS = {
    "one convolution": conv(),
    "two": conv() + conv(size=5),
    "even size": conv(size=4),
    "strided": conv(stride=2) + conv() + conv(size=5),
    "strided twice": conv(stride=3, size=5) + conv(stride=2) + conv(),
    "skip": conv() + conv() + conv() + "[shortcut]\nfrom=-3\n" + conv(),
    "route around": conv(size=7) + conv(size=1) + "[route]\nlayers=-1,-2\n" + conv(),
    "shuffle": conv(8) + "[shuffler]\nscale=2\n" + conv(size=5),
    "shuffle by 3": conv(9) + "[shuffler]\nscale=3\n" + conv(size=3) + conv(size=3),
    "shuffle twice": (
        conv(16) + "[shuffler]\nscale=2\n[shuffler]\nscale=2\n" + conv(size=7)
    ),
    "down and up": conv(stride=2) + conv() + conv(8) + "[shuffler]\nscale=2\n" + conv(),
    "nearest": "[upsample]\nstride=2\n" + conv(),
    "average": conv() + "[local_avgpool]\nsize=3\nstride=2\n" + conv(),
    "dilated": (
        "[convolutional]\nfilters=2\nsize=3\npadding=3\ndilation=3\nactivation=linear\n"
    ),
}


def spread(network: Network, axis: int, length: int) -> int:
    """Widest span of input rows (columns) that change one output row (column)."""
    rng = np.random.default_rng(3)
    kernels = select("numpy", threads=1)
    height, width = (length, 8) if axis == 0 else (8, length)
    x = rng.standard_normal((1, height, width, 3)).astype(np.float32)
    before = network.forward(x, kernels=kernels)
    other = 2 - axis
    touched: list[set[int]] = [set() for _ in range(before.shape[1 + axis])]
    for position in range(length):
        changed = x.copy()
        line = np.take(changed, position, axis=1 + axis)
        index = (slice(None),) * (1 + axis) + (position,)
        changed[index] = line + rng.uniform(1, 2, line.shape).astype(np.float32)
        after = network.forward(changed, kernels=kernels)
        differs = np.any(after != before, axis=(0, other, 3))
        for output in np.flatnonzero(differs):
            touched[output].add(position)
    return max(max(rows) - min(rows) + 1 for rows in touched if rows)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_receptive_field_is_what_happens(name: str, axis: int) -> None:
    network = Network.parse("[net]\nchannels=3\n" + NETWORKS[name]).initialize(1)
    claimed = receptive_field(network)[axis]
    assert claimed is not None
    assert spread(network, axis, claimed + 25) == claimed


def test_receptive_field_may_be_everything() -> None:
    network = Network.parse("[net]\nchannels=3\n" + conv() + "[avgpool]\n")
    assert receptive_field(network) == (None, None)
    assert receptive_field(network, 0) == (3, 3)
    assert "sees allxall" in str(summarize(network, 8, 8))


def test_receptive_field_differs_between_axes() -> None:
    pool = "[maxpool]\nsize=3\nstride_x=2\nstride_y=1\n"
    network = Network.parse("[net]\nchannels=3\n" + pool + conv())
    assert receptive_field(network) == (5, 7)


def test_counts_and_work_by_hand() -> None:
    network = Network.parse(
        "[net]\nchannels=3\n" + conv(8) + "[shuffler]\nscale=2\n" + conv(3, 5)
    )
    summary = summarize(network, 10, 20)
    assert [layer.parameters for layer in summary.layers] == [
        3 * 8 * 9 + 8,
        0,
        2 * 3 * 25 + 3,
    ]
    assert summary.parameters == network.parameter_count == 377
    assert summary.weights == 366
    multiply_adds = 10 * 20 * 3 * 8 * 9 + 20 * 40 * 2 * 3 * 25
    biases = 10 * 20 * 8 + 20 * 40 * 3
    assert 2 * multiply_adds <= summary.operations <= 2 * multiply_adds + biases
    per_pixel = summary.operations / 200
    assert summary.operations_per_megapixel == pytest.approx(per_pixel * 1e6)
    assert summary.scale == 2
    assert summary.layers[0].shape == (10, 20, 8)
    assert summary.input == (10, 20, 3)


def test_memory_counts_what_is_alive() -> None:
    text = "[net]\nchannels=2\n" + conv(4) + conv(8) + conv(4) + "[shortcut]\nfrom=-3\n"
    summary = summarize(Network.parse(text), 5, 7)
    pixels = 4 * 5 * 7
    # Layer 0 stays alive until the shortcut has read it.
    assert [layer.memory for layer in summary.layers] == [
        pixels * (2 + 4),
        pixels * (4 + 8),
        pixels * (4 + 8 + 4),
        pixels * (4 + 4 + 4),
    ]
    assert summary.memory == pixels * 16


@pytest.mark.parametrize(("height", "width"), [(0, 5), (5, 0), (-1, 5)])
def test_no_picture(height: int, width: int) -> None:
    network = Network.parse("[net]\nchannels=3\n" + conv())
    with pytest.raises(UsageError):
        summarize(network, height, width)


def test_too_small_a_picture_names_the_layer() -> None:
    network = Network.parse("[net]\nchannels=3\n" + conv(size=9, pad=0), "n.cfg")
    with pytest.raises(ShapeError, match=r"n\.cfg:3: layer 0"):
        summarize(network, 5, 5)


def test_as_dict_is_plain() -> None:
    import json

    summary = summarize(Network.parse("[net]\nchannels=3\n" + conv()), 4, 4)
    assert json.loads(json.dumps(summary.as_dict()))["layers"][0]["index"] == 0


# Published counts: weights alone, and with biases. EDSR: Lim et al. 2017 and
# their code; WDSR-A: Yu et al. 2018.
PUBLISHED = {
    "edsr_x2": (1_367_424, 1_369_859),
    "edsr_x3": (1_551_744, 1_554_499),
    "edsr_x4": (1_514_880, 1_517_571),
    "edsr_r32f256_x2": (40_711_680, 40_729_603),
    "wdsr_x2": (None, 1_187_484),
    "wdsr_x3": (None, 1_192_959),
    "wdsr_x4": (None, 1_200_624),
    "wdsr_a_r32f32w192_x4": (3_557_232, 3_564_528),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_ships_has_the_published_size(name: str) -> None:
    path = Path(__file__).parents[1] / "zoo" / "cfg" / f"{name}.cfg"
    network = Network.read(path)
    summary = summarize(network, 64, 64)
    weights, parameters = PUBLISHED[name]
    assert summary.parameters == parameters
    assert weights is None or summary.weights == weights
    assert f"_x{summary.scale:g}" in name


# The second one pads the picture by 2 before its first convolution, which does
# not pad, so that its body works on 66 x 66 pixels: more than published.
@pytest.mark.parametrize(
    ("name", "size", "gflop"),
    [
        ("edsr_r32f256_x2", 128, 1335),
        ("wdsr_a_r32f32w192_x4", 64, 29.1 * (66 / 64) ** 2),
    ],
)
def test_published_work(name: str, size: int, gflop: float) -> None:
    path = Path(__file__).parents[1] / "zoo" / "cfg" / f"{name}.cfg"
    summary = summarize(Network.read(path), size, size)
    assert summary.operations / 1e9 == pytest.approx(gflop, rel=5e-3)
