"""A picture through a network: colour, alpha, luma, ensemble."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.api import Model
from zoo.errors import ImageError, ShapeError, WeightsError
from zoo.images import Image, Metadata
from zoo.network import Network
from zoo.plugins import select
from zoo.run.alpha import bleed
from zoo.run.pipeline import color_handling, ensemble, super_resolve, turned

NEAREST = "[net]\n[upsample]\nstride=2\n"
LUMA = "[net]\nchannels=1\ncolor=y\n[upsample]\nstride=2\n"
BLUR = "[net]\n[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n"


def model(text):
    return Model(Network.parse(text), select("numpy", 1))


def convolution(kernel):
    """A 3-channel network of one 3 x 3 convolution, the same for each channel."""
    made = model(BLUR)
    weights = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        weights[:, :, channel, channel] = kernel
    made.network.layers[0].parameters["weights"] = weights
    made.network.trained = True
    return made


def double(array):
    return array.repeat(2, axis=0).repeat(2, axis=1)


def picture(dtype, channels, alpha=False, height=5, width=7, seed=0):
    rng = np.random.default_rng(seed)
    white = 1.0 if dtype == "float32" else np.iinfo(dtype).max

    def values(*shape):
        return (rng.random(shape) * white).astype(dtype)

    return Image(
        values(height, width, channels),
        values(height, width) if alpha else None,
        metadata=Metadata(xmp=b"kept"),
    )


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (1, 9)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_nearest_is_exact_for_every_kind_of_pixel(dtype, channels, size):
    image = picture(dtype, channels, False, *size)
    result = super_resolve(model(NEAREST), image)
    assert result.dtype == image.dtype
    assert result.alpha is None
    assert result.metadata == image.metadata
    if dtype == "float32":
        np.testing.assert_allclose(result.pixels, double(image.pixels), rtol=1e-6)
    else:
        np.testing.assert_array_equal(result.pixels, double(image.pixels))


def test_floats_are_neither_clipped_nor_rounded():
    image = Image(np.array([[[-300.25], [4000.5]]], np.float32))
    result = super_resolve(model(NEAREST), image)
    np.testing.assert_allclose(result.pixels, double(image.pixels), rtol=1e-6)
    clipped = model("[net]\n[activation]\nactivation=hardtan\n")
    result = super_resolve(clipped, image, white=4000.5)
    np.testing.assert_allclose(result.pixels[0, :, 0], [-300.25, 4000.5], rtol=1e-6)
    result = super_resolve(clipped, image)
    np.testing.assert_allclose(result.pixels[0, :, 0], [-1, 1])


def test_integers_are_rounded_to_the_nearest_and_clipped():
    kernel = np.zeros((3, 3), np.float32)
    kernel[1, 1] = 0.7
    image = Image(np.arange(9, dtype=np.uint8).reshape(3, 1, 3))
    expected = np.rint(image.pixels * 0.7)
    result = super_resolve(convolution(kernel), image)
    np.testing.assert_array_equal(result.pixels, expected)
    kernel[1, 1] = 2
    image = Image(np.full((2, 2, 3), 200, np.uint8))
    assert (super_resolve(convolution(kernel), image).pixels == 255).all()
    kernel[1, 1] = -1
    assert (super_resolve(convolution(kernel), image).pixels == 0).all()


@pytest.mark.parametrize("values", [[np.nan, 0], [np.inf, -np.inf]])
def test_values_that_are_not_finite_are_refused(values):
    image = Image(np.array(values, np.float32).reshape(1, 2, 1))
    with pytest.raises(ImageError, match="NaN or infinite"):
        super_resolve(model(NEAREST), image)


# -- alpha ---------------------------------------------------------------------


def test_no_dark_fringe_around_what_is_visible():
    color = np.zeros((12, 12, 3), np.uint8)
    alpha = np.zeros((12, 12), np.uint8)
    color[4:8, 4:8] = 200
    alpha[4:8, 4:8] = 255
    blur = convolution(np.full((3, 3), 1 / 9, np.float32))
    result = super_resolve(blur, Image(color, alpha))
    assert (result.pixels[alpha > 0] == 200).all()
    assert blur(color)[4, 4, 0] < 100  # what would have been


def test_bleeding_takes_the_nearest_visible_color():
    rng = np.random.default_rng(0)
    color = rng.integers(0, 255, (15, 17, 3), np.uint8)
    alpha = (rng.random((15, 17)) > 0.9).astype(np.uint8) * 255
    before = color.copy()
    result = bleed(color, alpha)
    np.testing.assert_array_equal(color, before)
    np.testing.assert_array_equal(result[alpha > 0], color[alpha > 0])
    places = np.argwhere(alpha > 0)
    for row, column in np.argwhere(alpha == 0):
        distances = np.hypot(*(places - (row, column)).T)
        # OpenCV's 5 x 5 mask measures distances to about 2 %.
        near = places[distances <= distances.min() * 1.05]
        assert any((result[row, column] == color[y, x]).all() for y, x in near)


@pytest.mark.parametrize("value", [0, 255])
def test_bleeding_leaves_uniform_alpha_alone(value):
    color = np.zeros((3, 3, 3), np.uint8)
    assert bleed(color, np.full((3, 3), value, np.uint8)) is color


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_stays_opaque_and_transparent_where_it_is(dtype):
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    alpha = np.zeros((12, 12), dtype)
    alpha[3:9, 3:9] = white
    color = np.ones((12, 12, 1), dtype)
    result = super_resolve(model(NEAREST), Image(color, alpha)).alpha
    assert result.dtype == dtype
    # Bicubic reaches two pixels; a corner must not come out of two undershoots.
    assert (result[:4] == 0).all()
    assert (result[:, :4] == 0).all()
    assert (result[4, 4] == 0).all()
    assert (result[8:16, 8:16] == white).all()


@given(st.integers(0, 999), st.integers(1, 9), st.integers(1, 9))
def test_alpha_is_bicubic_and_in_range(seed, height, width):
    image = picture("uint8", 3, True, height, width, seed)
    opaque = Image(image.pixels, np.full((height, width), 255, np.uint8))
    assert (super_resolve(model(NEAREST), opaque).alpha == 255).all()
    low = np.random.default_rng(seed).integers(100, 156, (height, width), np.uint8)
    result = super_resolve(model(NEAREST), Image(image.pixels, low)).alpha
    expected = cv2.resize(low, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
    # OpenCV's own 8-bit resizing works with 11-bit weights.
    np.testing.assert_allclose(result.astype(int), expected, atol=1)


# -- colour ---------------------------------------------------------------------


def test_gray_in_a_color_network_is_replicated_and_averaged():
    made = model(BLUR)
    weights = np.zeros((3, 3, 3, 3), np.float32)
    weights[1, 1] = [[0.5, 0, 0], [0, 1.0, 0], [0, 0, 0.9]]
    made.network.layers[0].parameters["weights"] = weights
    made.network.trained = True
    image = picture("uint16", 1)
    assert "averaged" in color_handling(made.network.pixels, image)
    result = super_resolve(made, image)
    assert result.is_gray
    expected = np.rint(image.pixels * np.float64(0.8))
    np.testing.assert_allclose(result.pixels.astype(float), expected, atol=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_luma_networks_enlarge_chroma_by_bicubic(dtype):
    image = picture(dtype, 3, height=6, width=9)
    made = model(LUMA)
    assert "luma" in color_handling(made.network.pixels, image)
    result = super_resolve(made, image)
    assert result.dtype == image.dtype
    # BT.601, full range, by hand.
    scaled = image.pixels / image.white
    red, _, blue = np.moveaxis(scaled, 2, 0)
    luma = scaled @ [0.299, 0.587, 0.114]
    size = {"dsize": (18, 12), "interpolation": cv2.INTER_CUBIC}
    cr, cb = (
        cv2.resize(0.713 * (red - luma) + 0.5, **size) - 0.5,
        cv2.resize(0.564 * (blue - luma) + 0.5, **size) - 0.5,
    )
    luma = double(luma)
    expected = np.dstack(
        [luma + 1.403 * cr, luma - 0.714 * cr - 0.344 * cb, luma + 1.773 * cb]
    )
    expected *= image.white
    if dtype != "float32":
        expected = np.clip(np.rint(expected), 0, image.white)
    np.testing.assert_allclose(
        result.pixels.astype(float), expected, atol=1e-3 * image.white + 0.5
    )


def test_luma_networks_take_gray_as_it_is():
    image = picture("uint8", 1)
    result = super_resolve(model(LUMA), image)
    np.testing.assert_array_equal(result.pixels, double(image.pixels))


def test_equal_channels_stay_equal_through_luma():
    gray = picture("uint8", 1).pixels
    result = super_resolve(model(LUMA), Image(gray.repeat(3, 2)))
    np.testing.assert_array_equal(result.pixels, double(gray).repeat(3, 2))


def test_networks_that_take_something_else():
    one = model("[net]\nchannels=1\n[upsample]\nstride=2\n")
    with pytest.raises(ShapeError, match="color=y"):
        super_resolve(one, picture("uint8", 3))
    assert super_resolve(one, picture("uint8", 1)).is_gray
    four = model("[net]\nchannels=4\n[upsample]\nstride=2\n")
    with pytest.raises(ShapeError, match="takes 4"):
        super_resolve(four, picture("uint8", 3))
    two = model("[net]\n[convolutional]\nfilters=2\nsize=1\nactivation=linear\n")
    two.network.initialize()
    with pytest.raises(ShapeError, match="2 channels"):
        super_resolve(two, picture("uint8", 3))


def test_no_weights():
    with pytest.raises(WeightsError, match="no weights"):
        super_resolve(model(BLUR), picture("uint8", 3))


# -- ensemble ---------------------------------------------------------------------


def test_ensemble_of_a_symmetric_network_changes_nothing():
    image = picture("uint8", 3, True)
    plain = super_resolve(model(NEAREST), image)
    mean = super_resolve(model(NEAREST), image, use_ensemble=True)
    np.testing.assert_array_equal(mean.pixels, plain.pixels)
    np.testing.assert_array_equal(mean.alpha, plain.alpha)


def test_ensemble_is_the_mean_over_the_symmetries_of_the_kernel():
    """Turning the picture and back is turning the kernel."""
    kernel = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)
    kernels = [
        mirrored
        for start in (kernel, kernel.T)
        for mirrored in (start, start[::-1], start[:, ::-1], start[::-1, ::-1])
    ]
    assert len({item.tobytes() for item in map(np.ascontiguousarray, kernels)}) == 8
    image = picture("float32", 3, height=6, width=9)
    mean = super_resolve(convolution(kernel), image, use_ensemble=True)
    expected = super_resolve(convolution(np.mean(kernels, axis=0)), image)
    np.testing.assert_allclose(mean.pixels, expected.pixels, atol=1e-5)


def test_ensemble_is_not_rounded_before_the_mean():
    kernel = np.zeros((3, 3), np.float32)
    kernel[1, 2] = 1  # takes the right neighbour
    color = np.zeros((3, 3, 3), np.uint8)
    color[1, 1] = 1
    result = super_resolve(convolution(kernel * 4 / 2), Image(color), use_ensemble=True)
    # Two of eight turn the neighbour to each side: 2 * 2/8 = 0.5, to even 0.
    assert result.pixels.max() == 0
    result = super_resolve(convolution(kernel * 2.1), Image(color), use_ensemble=True)
    assert result.pixels[1, 2, 0] == result.pixels[0, 1, 0] == 1


def test_ensemble_with_a_network_that_stretches():
    def run(turn, report):
        part = turned(np.zeros((4, 5, 1), np.float32), turn)
        return part.repeat(2, axis=0)

    with pytest.raises(ShapeError, match="alike"):
        ensemble(run)


@pytest.mark.parametrize("use_ensemble", [False, True])
def test_progress_rises_to_one(use_ensemble):
    seen: list[float] = []
    super_resolve(
        model(NEAREST),
        picture("uint8", 3),
        use_ensemble=use_ensemble,
        progress=seen.append,
    )
    assert seen == sorted(seen)
    assert len(seen) >= (8 if use_ensemble else 1)
    assert seen[-1] == pytest.approx(1)
