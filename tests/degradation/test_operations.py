"""Each operation against another way to compute it."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.degradation.operations import (
    CHROMA,
    DOWNSCALE,
    blurred,
    gaussian_kernel,
    jpeg,
    noisy,
    reach,
    smaller,
)
from zoo.resize import imresize
from zoo.training_keys import DEGRADATION_KEYS


def picture(height: int = 40, width: int = 56, seed: int = 3) -> np.ndarray:
    """Smooth random colours with some edges."""
    rng = np.random.default_rng(seed)
    small = rng.integers(256, size=(height // 8, width // 8, 3), dtype=np.uint8)
    large = imresize(small, size=(height, width))
    large[height // 3 : height // 2, width // 4 : width // 2] = (250, 30, 60)
    return large


@given(
    st.floats(0.8, 4),
    st.floats(0.8, 4),
    st.floats(0, math.pi),
)
@settings(max_examples=25, deadline=None)
def test_kernel_has_the_moments_of_its_gaussian(along, across, angle):
    kernel = gaussian_kernel(along, across, angle).astype(np.float64)
    radius = reach(max(along, across))
    assert kernel.shape == (2 * radius + 1,) * 2
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    turn = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    wanted = turn @ np.diag([along**2, across**2]) @ turn.T
    found = [[(kernel * a * b).sum() for b in (x, y)] for a in (x, y)]
    # What lies beyond three standard deviations is cut off.
    np.testing.assert_allclose(found, wanted, atol=0.05 * max(along, across) ** 2)


def test_blur_is_a_sum_over_the_mirrored_picture():
    image = picture(17, 23)
    kernel = gaussian_kernel(1.4, 0.6, 0.7)
    radius = len(kernel) // 2
    padded = np.pad(
        image.astype(np.float64), ((radius,) * 2, (radius,) * 2, (0, 0)), "symmetric"
    )
    wanted = np.zeros(image.shape)
    for y, row in enumerate(kernel):
        for x, weight in enumerate(row):
            wanted += weight * padded[y : y + 17, x : x + 23]
    np.testing.assert_allclose(blurred(image, kernel), wanted, atol=1e-2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_ways_to_make_small(scale):
    image = picture(12 * scale, 14 * scale)
    height, width = 12, 14
    cells = image.reshape(height, scale, width, scale, 3).astype(np.float64)
    np.testing.assert_allclose(
        smaller(image, scale, "area"), cells.mean(axis=(1, 3)), atol=1e-3
    )
    floats = image.astype(np.float32)
    np.testing.assert_array_equal(
        smaller(image, scale, "bicubic"), imresize(floats, size=(height, width))
    )
    for how, kernel, taps in (
        ("bilinear", lambda t: np.maximum(0, 1 - np.abs(t)), 2),
        ("lanczos", lambda t: np.sinc(t) * np.sinc(t / 4), 8),
    ):
        made = smaller(image, scale, how)
        wanted = sampled(
            sampled(floats, scale, kernel, taps).swapaxes(0, 1), scale, kernel, taps
        )
        inside = slice(3, -3)
        np.testing.assert_allclose(
            made[inside, inside], wanted.swapaxes(0, 1)[inside, inside], atol=0.05
        )


def sampled(image, scale, kernel, taps):
    """Rows between the rows, by a kernel that does not widen."""
    rows = []
    for row in range(len(image) // scale):
        center = (row + 0.5) * scale - 0.5
        places = math.floor(center) - taps // 2 + 1 + np.arange(taps)
        weights = kernel(center - places)
        near = image[np.clip(places, 0, len(image) - 1)]
        rows.append(np.tensordot(weights / weights.sum(), near, 1))
    return np.array(rows)


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_noise_is_gaussian(gray, white):
    flat = np.full((200, 200, 3), 0.5 * white, np.float32)
    added = (
        (noisy(flat, 8, white, np.random.default_rng(5), gray=gray) - flat)
        / white
        * 255
    )
    assert added.mean() == pytest.approx(0, abs=0.15)
    assert added.std() == pytest.approx(8, rel=0.02)
    inside = np.abs(added) < 8
    assert inside.mean() == pytest.approx(0.6827, abs=0.01)
    together = np.corrcoef(added[..., 0].ravel(), added[..., 1].ravel())[0, 1]
    assert together == pytest.approx(1 if gray else 0, abs=0.03)


@pytest.mark.parametrize("chroma", CHROMA)
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_is_that_of_pillow(quality, chroma):
    Image = pytest.importorskip("PIL.Image")
    image = picture(44, 61)
    file = io.BytesIO()
    subsampling = {"444": 0, "422": 1, "420": 2}[chroma]
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    other = np.asarray(Image.open(file), np.int16)
    made = jpeg(image, quality, chroma).astype(np.int16)
    lost = np.abs(made - image).mean()
    assert lost > 0.1
    # Builds of libjpeg transform in more than one way; red and blue never change places.
    assert np.abs(made - other).mean() < min(0.5, 0.2 * lost)


def test_jpeg_of_other_types():
    image = picture()
    bytes_ = jpeg(image, 60, "420")
    words = jpeg(image.astype(np.uint16) * 257, 60, "420")
    floats = jpeg(image.astype(np.float32) / 255, 60, "420")
    np.testing.assert_array_equal(words, bytes_.astype(np.uint16) * 257)
    np.testing.assert_allclose(floats, bytes_ / np.float32(255), atol=1e-6)
    beyond = np.full((8, 8, 3), 1.7, np.float32)
    assert jpeg(beyond, 95, "444").max() == pytest.approx(1, abs=0.01)


def test_keys_name_what_there_is():
    choices = {key.name: key.choices for key in DEGRADATION_KEYS}
    assert tuple(choices["downscale"]) == DOWNSCALE
    assert sorted(choices["jpeg_chroma"]) == sorted(CHROMA)
