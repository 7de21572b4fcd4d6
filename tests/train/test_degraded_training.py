"""Patches that are made worse, blended, permuted; batches that grow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_sessions import assert_equal_checkpoints, begin, go_on
from tiny_training import tiny_cfg

from zoo.degradation.degradation import Degradation
from zoo.degradation.operations import jpeg
from zoo.errors import UsageError
from zoo.evaluate.pairs import Pair
from zoo.network import Network
from zoo.resize import imresize
from zoo.train.data import PatchSampler
from zoo.train.recipe import Recipe

WORSE = {
    "blur_sigma": (0.3, 1.0),
    "blur_share": 0.5,
    "blur_isotropic": 0.5,
    "downscale": ("bicubic", "area"),
    "noise_sigma": (1.0, 5.0),
    "jpeg_quality": (40, 95),
    "jpeg_chroma": ("420", "444"),
    "permute_share": 0.5,
    "blend_share": 0.3,
    "batch_steps": (3, 6),
    "batch_scales": (2.0, 1.5),
}


def pair(height: int = 44, width: int = 60) -> Pair:
    rng = np.random.default_rng(2)
    small = rng.integers(256, size=(height // 4, width // 4, 3), dtype=np.uint8)
    high = imresize(small, size=(2 * height, 2 * width))
    return Pair("a", imresize(high, size=(height, width)), high)


def turned(image: np.ndarray, turn: int) -> np.ndarray:
    image = np.rot90(image, turn % 4)
    return np.ascontiguousarray(image[:, ::-1] if turn >= 4 else image)


def test_resumed_run_is_exact(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    begin(tmp_path, "once", cfg, **WORSE).trainer.run()
    begin(tmp_path, "twice", cfg, **WORSE).trainer.run(until=5)
    go_on(tmp_path / "twice").trainer.run()
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert_equal_checkpoints(once / "last.safetensors", twice / "last.safetensors")
    begin(tmp_path, "plain", cfg).trainer.run()
    with pytest.raises(AssertionError):
        assert_equal_checkpoints(
            once / "best.safetensors", tmp_path / "plain" / "best.safetensors"
        )


def test_patches_are_parts_of_turned_files() -> None:
    """JPEG's blocks lie in a turned picture as in a file of it."""
    of = pair()
    how = Degradation(jpeg_quality=(50,))
    sampler = PatchSampler([of], scale=2, patch=12, batch=30, degradation=how)
    small, large = sampler.draw()
    seen = set()
    for low, high in zip(small, large, strict=True):
        found = []
        for turn in range(8):
            file = jpeg(turned(of.low, turn), 50, "420")
            truth = turned(of.high, turn)
            windows = np.lib.stride_tricks.sliding_window_view(file, (12, 12, 3))
            places = np.argwhere((windows[:, :, 0] == low).all(axis=(2, 3, 4)))
            found += [
                turn
                for y, x in places
                if (truth[2 * y : 2 * y + 24, 2 * x : 2 * x + 24] == high).all()
            ]
        assert found
        seen.update(found)
    assert len(seen) == 8


def test_permuted_colours_are_those_of_the_large_patch() -> None:
    of = pair()
    sampler = PatchSampler(
        [of],
        scale=2,
        patch=10,
        batch=400,
        permute_share=0.5,
        degradation=Degradation(downscale=("area",)),
    )
    small, large = sampler.draw()
    cells = large.reshape(400, 10, 2, 10, 2, 3).mean(axis=(2, 4))
    assert np.abs(cells - small).max() <= 0.5
    colors = np.array([[10, 20, 30]], np.uint8).repeat(48 * 48, 0).reshape(48, 48, 3)
    flat = Pair("b", colors[:24, :24], colors)
    sampler.pairs = [flat]
    orders = [tuple(patch[0, 0]) for patch in sampler.draw()[0]]
    assert len(set(orders)) == 6
    assert orders.count((10, 20, 30)) / 400 == pytest.approx(0.5 + 0.5 / 6, abs=0.08)


def test_blended_patches_lie_between_two() -> None:
    flats = [
        Pair(f"{v}", np.full((9, 9, 3), v, np.uint8), np.full((18, 18, 3), v, np.uint8))
        for v in (0, 200)
    ]
    sampler = PatchSampler(flats, scale=2, patch=4, batch=2000, blend_share=0.6)
    small, large = sampler.draw()
    np.testing.assert_array_equal(small[:, 0, 0], large[:, 0, 0])
    assert np.ptp(large, axis=(1, 2, 3)).max() == 0
    values = small[:, 0, 0, 0] / 200
    between = values[(values > 0) & (values < 1)]
    # Half of the partners are of the other value.
    assert len(between) / 2000 == pytest.approx(0.6 / 2, abs=0.05)
    assert between.mean() == pytest.approx(0.5, abs=0.05)
    # Of Beta(a, a): 1 / (4 (2 a + 1)).
    assert between.var() == pytest.approx(1 / (4 * 3.4), abs=0.012)


def test_batches_grow(tmp_path: Path) -> None:
    recipe = Recipe(batch=8, batch_steps=(10, 20), batch_scales=(2.0, 0.25))
    sizes = [recipe.batch_at(update) for update in (0, 9, 10, 19, 20, 99)]
    assert sizes == [8, 8, 16, 16, 4, 4]
    trainer = begin(
        tmp_path, "run", tiny_cfg(tmp_path), batch_steps=(2,), batch_scales=(3.0,)
    ).trainer
    seen = []
    step = trainer.learner.step
    trainer.learner.step = lambda low, *rest: (seen.append(len(low)), step(low, *rest))[
        1
    ]
    trainer.run(until=4)
    assert seen == [2, 2, 6, 6]


def test_validation_is_as_bad_as_the_patches(tmp_path: Path) -> None:
    cfg = tiny_cfg(tmp_path)
    plain = begin(tmp_path, "plain", cfg)
    session = begin(tmp_path, "run", cfg, jpeg_quality=(30,))
    for ours, theirs in zip(session._cases, plain._cases, strict=True):
        np.testing.assert_array_equal(ours.low, jpeg(theirs.low, 30, "420"))
        np.testing.assert_array_equal(ours.high, theirs.high)
    session.trainer.run(until=2)
    session.close()
    plain.close()
    resumed = go_on(tmp_path / "run", jpeg_quality=(90,))
    assert resumed.trainer.best is None  # measured on others than before


@pytest.mark.parametrize(
    "line, reason",
    [
        ("jpeg_quality=95,40", "least and the largest"),
        ("batch_steps=1,2", "one factor for each"),
    ],
)
def test_refusals_name_the_line(line: str, reason: str) -> None:
    network = Network.parse(
        f"[net]\nseed=1\n{line}\n\n[convolutional]\nfilters=3\n", "a.cfg"
    )
    with pytest.raises(UsageError, match=rf"^a\.cfg:3: .*{reason}"):
        Recipe.of(network).check(network)


def test_recipe_is_what_the_degradation_says() -> None:
    recipe = Recipe().with_settings(["jpeg_quality=40, 95", "jpeg_chroma=420,444"])
    assert recipe.degradation == replace(
        Degradation(), jpeg_quality=(40, 95), jpeg_chroma=("420", "444")
    )
    assert recipe.settings_over(Recipe())["jpeg_chroma"] == "jpeg_chroma=420,444"
