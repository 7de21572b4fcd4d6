"""Pairs and patches."""

import numpy as np
import pytest
from tiny_training import pictures

from zoo.errors import UsageError
from zoo.evaluate.pairs import Pair, read_rgb
from zoo.evaluate.resize import imresize
from zoo.train.data import PatchSampler, load_pairs, picture_files


class _Name(str):
    name = property(str)


def test_pairs_are_cropped_and_made_small_by_matlabs_bicubic():
    rng = np.random.default_rng(0)
    picture = rng.integers(256, size=(22, 31, 3), dtype=np.uint8)
    (pair,) = load_pairs([_Name("a.png")], 3, lambda path: picture)
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
        [_Name(n) for n in sizes],
        2,
        lambda name: np.zeros((*sizes[str(name)], 3), np.uint8),
        patch=10,
        report=said.append,
    )
    assert [pair.name for pair in pairs] == ["b"]
    assert len(said) == 1
    with pytest.raises(UsageError, match="smaller"):
        load_pairs([_Name("a")], 2, lambda n: np.zeros((8, 8, 3), np.uint8), patch=10)


def test_folders(tmp_path):
    with pytest.raises(UsageError, match="no folder"):
        picture_files([tmp_path / "none"])
    with pytest.raises(UsageError, match="no picture"):
        picture_files([tmp_path])
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.JPG", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    names = [path.name for path in picture_files([tmp_path])]
    assert names == ["b.png", "a.JPG"]


def test_unreadable_pictures_are_left_out_and_said(tmp_path):
    pictures(tmp_path)
    whole = (tmp_path / "p0.png").read_bytes()
    (tmp_path / "p0.png").write_bytes(whole[: len(whole) // 2])
    said = []
    pairs = load_pairs(picture_files([tmp_path]), 2, read_rgb, report=said.append)
    assert [pair.name for pair in pairs] == ["p1.png", "p2.png"]
    assert len(said) == 1
    assert "p0.png is truncated; left out" in said[0]
    with pytest.raises(UsageError, match="no picture is left: 1 of 1 cannot be read"):
        load_pairs([tmp_path / "p0.png"], 2, read_rgb)
