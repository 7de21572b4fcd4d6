"""Pairs and patches."""

from pathlib import Path

import numpy as np
import pytest
from tiny_training import pictures

from zoo.errors import UsageError
from zoo.evaluate.datasets import find_set, set_of_files
from zoo.evaluate.pairs import Pair, read_rgb
from zoo.images import Image, write
from zoo.resize import imresize
from zoo.train.data import PatchSampler, hold_out, load_pairs


def named(*names):
    return [set_of_files([Path(name) for name in names])]


def test_pairs_are_cropped_and_made_small_by_matlabs_bicubic():
    rng = np.random.default_rng(0)
    picture = rng.integers(256, size=(22, 31, 3), dtype=np.uint8)
    (pair,) = load_pairs(named("a.png"), 3, lambda path: picture)
    assert pair.high.shape == (21, 30, 3)
    np.testing.assert_array_equal(pair.high, picture[:21, :30])
    np.testing.assert_array_equal(pair.low, imresize(picture[:21, :30], size=(7, 10)))


@pytest.mark.parametrize("augment", [False, True])
def test_patches_belong_together(augment):
    """Each low patch is found in the picture, at the place of the high patch."""
    height, width, scale = 12, 15, 2
    low = np.arange(height * width, dtype=np.uint8).reshape(height, width, 1)
    low = low.repeat(3, axis=2)
    high = low.repeat(scale, axis=0).repeat(scale, axis=1)
    sampler = PatchSampler(
        [Pair("a", low, high)], scale=scale, patch=5, batch=40, augment=augment
    )
    small, large = sampler.draw()
    np.testing.assert_array_equal(
        small.repeat(scale, axis=1).repeat(scale, axis=2), large
    )
    turned = {tuple(np.sign(np.diff(p[0, :2, 0].astype(int)))) for p in small}
    assert (len(turned) > 1) == augment


def test_state_repeats_the_draw():
    rng = np.random.default_rng(1)
    low = rng.integers(256, size=(20, 20, 3), dtype=np.uint8)
    high = rng.integers(256, size=(40, 40, 3), dtype=np.uint8)
    sampler = PatchSampler([Pair("a", low, high)], scale=2, patch=6, batch=3, seed=5)
    sampler.draw()
    state = sampler.state
    first = sampler.draw()
    sampler.state = state
    second = sampler.draw()
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_small_pictures_are_left_out_and_said(tmp_path):
    said = []
    sizes = {"a": (8, 8), "b": (40, 40)}
    pairs = load_pairs(
        named(*sizes),
        2,
        lambda name: np.zeros((*sizes[str(name)], 3), np.uint8),
        patch=10,
        report=said.append,
    )
    assert [pair.name for pair in pairs] == ["b"]
    assert len(said) == 1
    with pytest.raises(UsageError, match="smaller"):
        load_pairs(named("a"), 2, lambda n: np.zeros((8, 8, 3), np.uint8), patch=10)


def test_what_lies_below_is_left_out_and_said(tmp_path):
    pictures(tmp_path)
    pictures(tmp_path / "sub")
    said = []
    pairs = load_pairs([find_set(tmp_path)], 2, read_rgb, report=said.append)
    assert [pair.name for pair in pairs] == ["p0", "p1", "p2"]
    assert said == [f"3 pictures in folders below {tmp_path} are left out"]


def test_small_pictures_that_are_there_are_taken(tmp_path):
    pictures(tmp_path / "HR")
    made = load_pairs([find_set(tmp_path / "HR")], 2, read_rgb)
    (tmp_path / "LR_bicubic" / "X2").mkdir(parents=True)
    for pair in made:
        path = tmp_path / "LR_bicubic" / "X2" / f"{pair.name}x2.png"
        write(path, Image(255 - pair.low))
    taken = load_pairs([find_set(tmp_path)], 2, read_rgb)
    for pair, other in zip(made, taken, strict=True):
        np.testing.assert_array_equal(other.low, 255 - pair.low)
        np.testing.assert_array_equal(other.high, pair.high)


def test_pictures_are_held_out():
    def pair(name, side=40):
        low = np.zeros((side, side, 3), np.uint8)
        return Pair(name, low, low.repeat(2, 0).repeat(2, 1))

    for count, kept in ((2, 1), (19, 1), (20, 2), (500, 8)):
        pairs = [pair(f"p{n}") for n in range(count)]
        train, cases = hold_out(pairs, 2, 10)
        assert len(cases) == kept
        names = {one.name for one in train} | {one.name for one in cases}
        assert len(train) + kept == count == len(names)
        # The same ones, in whatever order the pictures are found.
        again = hold_out(pairs[::-1], 2, 10)[1]
        assert {one.name for one in cases} == {one.name for one in again}
    train, cases = hold_out([pair("alone")], 2, 10)
    assert train[0].low.shape == (30, 40, 3)
    assert cases[0].low.shape == (10, 40, 3)
    assert cases[0].high.shape == (20, 80, 3)
    with pytest.raises(UsageError, match="--validate"):
        hold_out([pair("alone")], 2, 36)


def test_unreadable_pictures_are_left_out_and_said(tmp_path):
    pictures(tmp_path)
    whole = (tmp_path / "p0.png").read_bytes()
    (tmp_path / "p0.png").write_bytes(whole[: len(whole) // 2])
    said = []
    pairs = load_pairs([find_set(tmp_path)], 2, read_rgb, report=said.append)
    assert [pair.name for pair in pairs] == ["p1", "p2"]
    assert len(said) == 1
    assert "p0.png is truncated; left out" in said[0]
    with pytest.raises(UsageError, match="no picture is left: 1 of 1 cannot be read"):
        load_pairs([set_of_files([tmp_path / "p0.png"])], 2, read_rgb)
