"""PSNR, luma and the benchmark protocol."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.metrics.benchmark import benchmark_planes
from zoo.metrics.luma import luma
from zoo.metrics.psnr import psnr

RNG = np.random.default_rng(0)
A = RNG.integers(0, 256, (24, 30, 3), np.uint8)
B = np.clip(A.astype(int) + RNG.integers(-9, 10, A.shape), 0, 255).astype(np.uint8)


def test_equals_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    want = metrics.peak_signal_noise_ratio(A, B, data_range=255)
    assert psnr(A, B) == pytest.approx(want, abs=1e-9)


def test_values_known_by_hand():
    zeros, ones = np.zeros((4, 4)), np.ones((4, 4))
    assert psnr(zeros, ones) == pytest.approx(20 * math.log10(255))
    assert psnr(zeros, ones, peak=1.0) == pytest.approx(0)
    assert psnr(zeros, 255 * ones) == pytest.approx(0)


def test_unsigned_differences_do_not_wrap():
    low, high = np.zeros((2, 2), np.uint8), np.full((2, 2), 255, np.uint8)
    assert psnr(low, high) == psnr(high, low) == pytest.approx(0)


def test_equal_arrays():
    assert psnr(A, A) == math.inf


def test_nan():
    assert math.isnan(psnr(np.array([np.nan]), np.array([0.0])))


def test_shapes():
    with pytest.raises(ShapeError, match="24 x 30 x 3 and 23 x 30 x 3"):
        psnr(A, A[1:])
    with pytest.raises(ShapeError, match="without values"):
        psnr(A[:0], A[:0])


def test_luma_of_known_colors():
    colors = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]])
    want = [16, 235, 16 + 65.481, 16 + 24.966]
    np.testing.assert_allclose(luma(colors)[0], want, rtol=0, atol=1e-9)


def test_luma_is_opencvs_formula_on_studio_range():
    # The 8-bit studio-range Y of OpenCV's video conversions, to rounding.
    cv2 = pytest.importorskip("cv2")
    image = RNG.integers(0, 256, (16, 16, 3), np.uint8)
    want = cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420)[:16]
    assert np.abs(luma(image) - want).max() < 1


def test_luma_of_gray():
    gray = A[..., 0]
    replicated = luma(np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_allclose(luma(gray), replicated, rtol=0, atol=1e-9)
    np.testing.assert_allclose(luma(gray[..., None]), replicated, rtol=0, atol=1e-9)


def test_luma_shapes():
    with pytest.raises(ShapeError, match="4 x 4 x 4"):
        luma(np.zeros((4, 4, 4)))


def test_benchmark_by_hand():
    border = 2
    y = [(x.astype(float) @ [65.481, 128.553, 24.966]) / 255 for x in (A, B)]
    a, b = (p[border:-border, border:-border] for p in y)
    want = 10 * math.log10(255**2 / np.mean((a - b) ** 2))
    assert psnr(*benchmark_planes(A, B, border)) == pytest.approx(want, abs=1e-9)


def test_benchmark_rounds_and_clips_first():
    noisy = A + np.float32(0.4)
    noisy[A == 255] = 300
    noisy[A == 0] = -7
    assert psnr(*benchmark_planes(noisy, A, 0)) == math.inf


def test_benchmark_of_gray_against_color():
    gray = A[..., :1]
    assert psnr(*benchmark_planes(np.repeat(gray, 3, axis=2), gray[..., 0], 1)) > 200


@pytest.mark.parametrize("border", [-1, 12, 100])
def test_benchmark_border(border):
    with pytest.raises(ShapeError, match="leaves nothing"):
        benchmark_planes(A, B, border)


def test_benchmark_shapes():
    with pytest.raises(ShapeError, match="24 x 30 and 24 x 29"):
        benchmark_planes(A, A[:, 1:], 1)
