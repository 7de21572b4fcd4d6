"""What is drawn, where it applies, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.degradation.degradation import Box, Degradation
from zoo.degradation.operations import (
    blurred,
    gaussian_kernel,
    jpeg,
    noisy,
    smaller,
)
from zoo.errors import UsageError
from zoo.pixels import quantize
from zoo.resize import imresize

SCALE = 2
HIGH = imresize(
    np.random.default_rng(8).integers(256, size=(15, 18, 3), dtype=np.uint8),
    size=(120, 148),
)
LOW = imresize(HIGH, size=(60, 74))


def worse(how: Degradation, box: Box, seed: int = 0, low=LOW, high=HIGH):
    return how.apply(low, high, box, np.random.default_rng(seed))


boxes = st.builds(
    Box, st.integers(0, 60 - 20), st.integers(0, 74 - 20), st.just(20), st.just(20)
)


@given(
    boxes,
    st.sampled_from(["420", "422", "444"]),
    st.integers(20, 95),
)
@settings(max_examples=30, deadline=None)
def test_a_part_is_that_of_the_whole_file(box, chroma, quality):
    """Blocks lie where they lie in a file, and the chroma is that of neighbours too."""
    how = Degradation(jpeg_quality=(quality,), jpeg_chroma=(chroma,))
    np.testing.assert_array_equal(worse(how, box), box.of(jpeg(LOW, quality, chroma)))


@given(boxes, st.sampled_from(["bicubic", "area", "bilinear", "lanczos"]))
@settings(max_examples=20, deadline=None)
def test_a_part_is_that_of_the_whole_blurred_picture(box, way):
    how = Degradation(blur_sigma=(0.5, 2.5), blur_isotropic=0.5, downscale=(way,))
    part = worse(how, box).astype(int)
    whole = worse(how, Box.whole(LOW)).astype(int)
    assert np.abs(part - box.of(whole)).max() <= 1  # rounding


def test_the_order_is_that_of_the_literature():
    how = Degradation(
        blur_sigma=(1.2,), downscale=("area",), noise_sigma=(6,), jpeg_quality=(70,)
    )
    rng = np.random.default_rng(4)
    made = how.apply(LOW, HIGH, Box.whole(LOW), rng)
    by_hand = smaller(blurred(HIGH, gaussian_kernel(1.2, 1.2, 0)), SCALE, "area")
    again = np.random.default_rng(4)
    again.random(), again.uniform(), again.random(), again.integers(1)
    again.random(), again.uniform(), again.random(), again.random()
    again.integers(70, 71), again.integers(1)
    by_hand = noisy(by_hand, 6, 255, again)
    np.testing.assert_array_equal(made, jpeg(quantize(by_hand, np.uint8), 70, "420"))


def test_shares_and_ranges():
    box = Box(16, 16, 16, 16)
    how = Degradation(noise_sigma=(2, 10), noise_share=0.4, noise_gray=0.5)
    flat = np.full((48, 48, 3), 128, np.float32) / 255
    rng = np.random.default_rng(1)
    parts = [how.apply(flat, flat, box, rng) - flat[0, 0, 0] for _ in range(600)]
    spread = np.array([part.std() * 255 for part in parts])
    noised = spread > 0.1
    assert noised.mean() == pytest.approx(0.4, abs=0.07)
    assert spread[noised].min() > 1.6 and spread[noised].max() < 11.5
    assert spread[noised].mean() == pytest.approx(6, abs=0.6)
    gray = [np.ptp(part, axis=2).max() < 1e-6 for part in np.array(parts)[noised]]
    assert np.mean(gray) == pytest.approx(0.5, abs=0.12)


def test_qualities_are_all_of_the_range():
    how = Degradation(jpeg_quality=(60, 62), jpeg_chroma=("420", "444"))
    box = Box.whole(LOW)
    files = {
        (q, c): jpeg(LOW, q, c).tobytes() for q in (60, 61, 62) for c in ("420", "444")
    }
    rng = np.random.default_rng(0)
    made = [how.apply(LOW, HIGH, box, rng).tobytes() for _ in range(90)]
    assert set(made) == set(files.values())
    assert all(made.count(file) > 5 for file in files.values())


@pytest.mark.parametrize("dtype, factor", [(np.uint16, 257), (np.float32, 1 / 255)])
def test_types_stay(dtype, factor):
    low, high = (
        (image.astype(np.float64) * factor).astype(dtype) for image in (LOW, HIGH)
    )
    how = Degradation(blur_sigma=(1,), noise_sigma=(3,), jpeg_quality=(80,))
    box = Box(3, 5, 30, 40)
    made = worse(how, box, low=low, high=high)
    assert made.dtype == dtype and made.shape == (30, 40, 3)
    eight = worse(how, box).astype(np.float64)
    assert np.abs(made.astype(np.float64) / factor - eight).mean() < 1


def test_a_picture_is_always_made_worse_in_the_same_way():
    how = Degradation(noise_sigma=(1, 9), jpeg_quality=(40, 95))
    first = how.of_picture("a", LOW, HIGH)
    np.testing.assert_array_equal(first, how.of_picture("a", LOW, HIGH))
    assert (first != how.of_picture("b", LOW, HIGH)).any()


def test_nothing_is_nothing():
    assert not Degradation() and str(Degradation()) == ""
    box = Box(1, 2, 9, 9)
    np.testing.assert_array_equal(worse(Degradation(), box), box.of(LOW))
    assert Degradation(downscale=("area",))


def test_description():
    how = Degradation(
        blur_sigma=(0.2, 1.0), blur_share=0.3, jpeg_quality=(75,), downscale=("area",)
    )
    assert str(how) == "blur 0.2 to 1 in 30%, made small by area, JPEG 75 (4:2:0)"


@pytest.mark.parametrize(
    "setting, reason",
    [
        ("jpeg_qualiti=75", "did you mean"),
        ("jpeg_quality", "no degradation"),
        ("jpeg_quality=0", "below 1"),
        ("jpeg_quality=90,40", "least and the largest"),
        ("noise_sigma=1,2,3", "least and the largest"),
        ("jpeg_chroma=411", "420, 422, 444"),
        ("downscale=cubic", "did you mean bicubic"),
        ("blur_share=2", "above 1"),
        ("blur_sigma=nan", "not a number"),
    ],
)
def test_what_cannot_be_meant(setting, reason):
    with pytest.raises(UsageError, match=reason):
        Degradation.from_settings([setting])
