"""Layers at work on a picture; the thesis's tables."""

from __future__ import annotations

import re

import numpy as np
import pytest

from zoo.catalog import find_cfg
from zoo.cli import main
from zoo.images import Image, write
from zoo.network import Network
from zoo.study.gallery import EXHIBITS


def test_a_page_of_layers(tmp_path, capfd):
    rng = np.random.default_rng(0)
    path = tmp_path / "picture.png"
    write(path, Image(rng.integers(0, 256, (60, 80, 3)).astype(np.uint8)))
    page = tmp_path / "gallery.html"
    assert main(["gallery", str(path), "-o", str(page)]) == 0
    text = page.read_text()
    assert text.count("<img") == len(EXHIBITS) + 1
    assert not re.search(r'src="(?!data:)', text)
    assert main(["gallery", str(path), "-o", str(page)]) == 2
    small = tmp_path / "small.png"
    write(small, Image(np.zeros((8, 8, 3), np.uint8)))
    assert main(["gallery", str(small), "-o", str(tmp_path / "x.html")]) == 1
    assert "smaller than 40 x 40" in capfd.readouterr().err


def weights_of(name: str) -> list[int]:
    """Numbers of weights, without biases, of the layers that learn."""
    network = Network.read(find_cfg(name))
    return [
        layer.weights.size
        for layer in network
        if "weights" in layer.parameters and not is_mean_shift(layer)
    ]


def is_mean_shift(layer) -> bool:
    return layer.weights.shape[:2] == (1, 1) and layer.weights.size == 9


def test_table_3_1():
    sizes = weights_of("edsr_r32f256_x2")
    head, *blocks, last, up, tail = sizes
    assert (head, last, up, tail) == (6912, 589_824, 2_359_296, 6912)
    assert [sum(blocks[i : i + 2]) for i in range(0, 64, 2)] == [1_179_648] * 32
    assert sum(sizes) == 40_711_680


def test_table_3_2_and_its_misprint():
    sizes = weights_of("wdsr_a_r32f32w192_x4")
    assert sizes.count(55_296) == 64
    assert sorted(size for size in sizes if size != 55_296) == [864, 3600, 13_824]
    assert sum(sizes) == 3_557_232
    assert 38_400 == 32 * 48 * 25  # what the thesis prints in place of 3,600


LINEAR = [
    exhibit
    for exhibit in EXHIBITS
    if exhibit.channels == 3
    and not any(kind in exhibit.sections for kind in ("[activation", "max", "batch"))
]


@pytest.mark.parametrize("exhibit", LINEAR, ids=lambda exhibit: exhibit.title)
def test_backward_is_the_transpose(exhibit):
    """<J x, J x> = <x, J' J x> for layers that are linear."""
    from zoo.study.gallery import _run

    rng = np.random.default_rng(1)
    x = rng.random((44, 48, 3)).astype(np.float32)
    output, back = _run(exhibit, x)
    left = float((output.astype(np.float64) ** 2).sum())
    right = float((back.astype(np.float64) * x).sum())
    assert left == pytest.approx(right, rel=1e-3)
