"""SSIM of volumes against scikit-image, FLIP against what is known of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from zoo.errors import ShapeError, ZooError
from zoo.metrics.arrays import is_of_volumes
from zoo.metrics.flip import flip
from zoo.metrics.psnr import psnr, psnr_3d
from zoo.metrics.ssim_3d import ssim_3d


@pytest.mark.parametrize("shape", [(7, 7, 7), (9, 12, 8), (20, 16, 17)])
@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_ssim_of_volumes_is_that_of_scikit_image(shape, peak):
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(sum(shape))
    a = rng.random(shape) * peak
    b = a + rng.standard_normal(shape) * peak / 8
    wanted = metrics.structural_similarity(a, b, data_range=peak)
    assert ssim_3d(a, b, peak=peak) == pytest.approx(wanted, abs=1e-9)
    assert ssim_3d(a, a, peak=peak) == pytest.approx(1)


def test_flicker_costs_ssim_of_volumes():
    """Slices that are right but for a brightness of their own: 2-D hardly minds."""
    from zoo.metrics.ssim import uniform_ssim

    rng = np.random.default_rng(0)
    a = np.full((21, 24, 24), 100.0) + rng.standard_normal((21, 24, 24)) * 9
    b = a + 20 * (np.arange(21) % 2)[:, None, None]
    by_slice = np.mean([uniform_ssim(x, y) for x, y in zip(a, b, strict=True)])
    assert ssim_3d(a, b) < by_slice - 0.1


def test_psnr_of_a_volume_is_of_one_mean_squared_error():
    rng = np.random.default_rng(0)
    a = rng.random((3, 8, 8)) * 255
    b = a.copy()
    b[0] += 9
    assert psnr_3d(a, b) == pytest.approx(psnr(a.reshape(24, 8), b.reshape(24, 8)))
    assert is_of_volumes(psnr_3d) and is_of_volumes(ssim_3d) and not is_of_volumes(psnr)


def test_small_volumes():
    for shape in ((6, 9, 9), (9, 6, 9), (9, 9)):
        with pytest.raises(ShapeError, match="at least 7 voxels along three axes"):
            ssim_3d(np.zeros(shape), np.zeros(shape))
    with pytest.raises(ShapeError, match="one shape"):
        ssim_3d(np.zeros((9, 9, 9)), np.zeros((9, 9, 8)))


def test_flip():
    pytest.importorskip("flip_evaluator")
    rng = np.random.default_rng(0)
    gray = rng.random((40, 50)) * 255
    assert flip(gray, gray) == 0
    black, white = np.zeros((40, 50)), np.full((40, 50), 255)
    assert flip(black, white) == pytest.approx(1, abs=0.1)
    assert flip(gray, gray[..., None].repeat(3, 2)[..., 0]) == 0
    little, much = (
        flip(np.clip(gray + rng.standard_normal(gray.shape) * size, 0, 255), gray)
        for size in (3, 30)
    )
    assert 0 < little < much < 1
    rgb = rng.random((40, 50, 3)).astype(np.float32)
    other = np.clip(rgb + 0.1, 0, 1).astype(np.float32)
    import flip_evaluator

    wanted = flip_evaluator.evaluate(rgb, other, "LDR")[1]
    assert flip(other * 255, rgb * 255) == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(ShapeError, match="one shape"):
        flip(gray, gray[1:])


def test_flip_without_its_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    with pytest.raises(ZooError, match="pip install flip-evaluator"):
        flip(np.zeros((8, 8)), np.zeros((8, 8)))
