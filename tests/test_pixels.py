"""Pictures to network inputs and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.net_section import PixelFormat
from zoo.pixels import prepare, quantize, restore, target, white_of

RGB = PixelFormat(3, 255.0, "rgb", (10.0, 20.0, 30.0), (2.0, 2.0, 2.0), True)


def picture(dtype, shape=(4, 5, 3), seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    return rng.integers(np.iinfo(dtype).max + 1, size=shape, dtype=dtype)


@given(
    st.sampled_from(("uint8", "uint16", "float32", "float64")),
    st.sampled_from(((3, 4), (3, 4, 1), (3, 4, 3), (2, 3, 4, 3), (1, 1))),
    st.sampled_from(("rgb", "bgr")),
    st.sampled_from((1.0, 255.0)),
)
def test_there_and_back_is_the_picture(dtype, shape, color, span):
    image = picture(dtype, shape)
    before = image.copy()
    pixels = PixelFormat(3, span, color, (0.4, 0.1, 0.2), (0.5, 2.0, 3.0), True)
    x, kind = prepare(image, pixels)
    assert x.dtype == np.float32
    assert x.ndim == 4
    assert x.shape[3] == 3
    back = restore(x, pixels, kind)
    assert back.dtype == image.dtype
    assert back.shape == image.shape
    np.testing.assert_allclose(back, image, atol=0 if back.dtype.kind == "u" else 1e-5)
    np.testing.assert_array_equal(image, before)


def test_the_formula():
    image = np.array([[[0, 128, 255]]], np.uint8)
    x, _ = prepare(image, RGB)
    np.testing.assert_array_equal(x[0, 0, 0], [-5, 54, 112.5])
    bgr = RGB._replace(color="bgr")
    np.testing.assert_array_equal(prepare(image, bgr)[0][0, 0, 0], [122.5, 54, -15])
    sixteen = np.array([[[0, 65535, 257]]], np.uint16)
    x, _ = prepare(sixteen, RGB._replace(mean=(0, 0, 0), std=(1, 1, 1)))
    np.testing.assert_allclose(x[0, 0, 0], [0, 255, 1], rtol=1e-6)


def test_target_is_what_restore_turns_into_the_picture():
    image = picture("uint8", (2, 3, 4, 3))
    for pixels in (RGB, RGB._replace(denormalize=False), RGB._replace(range=1.0)):
        _, kind = prepare(image, pixels)
        np.testing.assert_array_equal(
            restore(target(image, pixels), pixels, kind), image
        )


def test_gray_goes_through_colour_and_back():
    image = picture("uint8", (4, 5))
    x, kind = prepare(image, RGB._replace(mean=(0, 0, 0)))
    assert (x[..., 0] == x[..., 2]).all()
    x[..., 0] += 3  # as a network might: the mean of the channels comes back
    plain = RGB._replace(mean=(0, 0, 0), std=(1, 1, 1))
    y = restore(x * 2, plain, kind, as_float=True)
    np.testing.assert_allclose(y, image + 2, rtol=1e-5)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3, 3), np.uint8),
        np.zeros(5, np.uint8),
        np.zeros((2, 2, 4), np.uint8),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2, 3), np.int16),
        np.zeros((2, 2, 3), bool),
        np.zeros((2, 2, 3), complex),
    ],
)
def test_what_is_no_picture(array):
    with pytest.raises(ShapeError):
        prepare(array, RGB)


def test_white():
    assert [white_of(t) for t in ("uint8", "uint16", "float32")] == [255, 65535, 1]
    with pytest.raises(ShapeError, match="white"):
        prepare(np.zeros((2, 2, 3), np.float32), RGB, white=0)


@pytest.mark.parametrize("shape", [(3,), (700, 801), (90, 80, 3), (2, 400, 300, 3)])
def test_quantize_equals_the_plain_formula(shape):
    values = np.random.default_rng(0).normal(100, 200, shape).astype(np.float32)
    expected = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(quantize(values, np.uint8), expected)
    assert quantize(values, np.float64).dtype == np.float64
