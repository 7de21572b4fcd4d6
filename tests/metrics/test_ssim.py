"""SSIM against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.metrics.ssim import ssim


def reference(a: np.ndarray, b: np.ndarray, peak: float) -> float:
    """scikit-image's map over all pixels, cut to windows that lie inside."""
    metrics = pytest.importorskip("skimage.metrics")
    _, full = metrics.structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=peak,
        channel_axis=2 if a.ndim == 3 else None,
        full=True,
    )
    return float(full[5:-5, 5:-5].mean())


@settings(max_examples=20, deadline=None)
@given(
    size=st.tuples(st.integers(11, 30), st.integers(11, 30)),
    channels=st.sampled_from([None, 1, 3]),
    noise=st.floats(0, 80),
    seed=st.integers(0, 99),
)
def test_equals_scikit_image(size, channels, noise, seed):
    rng = np.random.default_rng(seed)
    shape = size if channels is None else (*size, channels)
    a = rng.uniform(0, 255, shape)
    b = a + noise * rng.standard_normal(shape)
    assert ssim(a, b) == pytest.approx(reference(a, b, 255), abs=1e-6)


def test_integers_and_peaks():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (40, 32, 3), np.uint8)
    b = rng.integers(0, 256, (40, 32, 3), np.uint8)
    assert ssim(a, b) == pytest.approx(reference(a, b, 255), abs=1e-6)
    scaled = [x / np.float32(255) for x in (a, b)]
    assert ssim(*scaled, peak=1.0) == pytest.approx(ssim(a, b), abs=1e-5)


def test_equal_pictures():
    a = np.random.default_rng(0).uniform(0, 255, (20, 20))
    assert ssim(a, a) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shape", [(10, 40), (40, 10), (5,), (1, 20, 20, 3)])
def test_pictures_it_cannot_take(shape):
    with pytest.raises(ShapeError, match="at least 11 x 11"):
        ssim(np.zeros(shape), np.zeros(shape))


def test_unequal_shapes():
    with pytest.raises(ShapeError, match="one shape"):
        ssim(np.zeros((20, 20)), np.zeros((20, 21)))
