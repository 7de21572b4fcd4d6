"""MATLAB's bicubic against published low-resolution pictures and known algebra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError, UsageError
from zoo.metrics.benchmark import benchmark_planes
from zoo.metrics.psnr import psnr
from zoo.resize import imresize

BENCHMARKS = Path(__file__).parents[1] / ".." / "shared" / "data" / "benchmarks"


def pairs(name: str, scale: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """High and low resolution of a test set, RGB or gray."""
    cv2 = pytest.importorskip("cv2")
    folder = BENCHMARKS / name / f"x{scale}"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")

    def read(path: Path) -> np.ndarray:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        return image if image.ndim == 2 else image[..., ::-1]

    files = sorted((folder / "hr").glob("*.png"))
    assert files
    return [(read(file), read(folder / "lr" / file.name)) for file in files]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_makes_the_published_pictures(name, scale):
    for hr, lr in pairs(name, scale):
        for ours in (imresize(hr, 1 / scale), imresize(hr, size=lr.shape[:2])):
            difference = np.abs(ours.astype(int) - lr)
            assert difference.max() <= 1
            # None differs where this was written; halves may fall otherwise with
            # another processor's rounding.
            assert np.mean(difference > 0) < 1e-4


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_mirrored_border_differs_at_the_border_only(scale):
    hr, lr = pairs("Set5", scale)[0]
    mirrored = imresize(hr, 1 / scale, border="symmetric")
    assert np.array_equal(mirrored[2:-2, 2:-2], lr[2:-2, 2:-2])
    assert not np.array_equal(mirrored, lr)


@pytest.mark.parametrize(("scale", "published"), [(2, 33.66), (3, 30.39), (4, 28.42)])
def test_published_psnr_of_bicubic(scale, published):
    scores = [
        psnr(*benchmark_planes(imresize(lr, scale), hr, scale))
        for hr, lr in pairs("Set5", scale)
    ]
    assert np.mean(scores) == pytest.approx(published, abs=0.02)


# -- without data ----------------------------------------------------------

SCALES = st.sampled_from([0.25, 1 / 3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0])
SIZES = st.tuples(st.integers(1, 20), st.integers(1, 20))
BORDERS = st.sampled_from(["edge", "symmetric"])


def cubic(t: float) -> float:
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


def resize_row(row: np.ndarray, scale: float, border: str) -> np.ndarray:
    """The definition, one value at a time."""
    squeeze = min(scale, 1)
    out = []
    for o in range(int(np.ceil(scale * len(row)))):
        u = (o + 0.5) / scale - 0.5
        reach = int(np.ceil(2 / squeeze)) + 1
        total = weight_sum = 0.0
        for k in range(int(np.floor(u)) - reach, int(np.floor(u)) + reach + 1):
            weight = cubic(squeeze * (u - k))
            place = k
            if border == "edge":
                place = min(max(k, 0), len(row) - 1)
            while not 0 <= place < len(row):
                place = -1 - place if place < 0 else 2 * len(row) - 1 - place
            total += weight * row[place]
            weight_sum += weight
        out.append(total / weight_sum)
    return np.array(out)


@settings(max_examples=40, deadline=None)
@given(length=st.integers(1, 15), scale=SCALES, border=BORDERS)
def test_follows_the_definition(length, scale, border):
    row = np.random.default_rng(length).uniform(-1, 1, length)
    if scale * length < 1:
        return
    want = resize_row(row, scale, border)
    scales = imresize(np.tile(row, (4, 1)), scale, border=border)
    np.testing.assert_allclose(scales[0], want, rtol=1e-9, atol=1e-9)
    scales = imresize(np.tile(row[:, None], (1, 4)), scale, border=border)
    np.testing.assert_allclose(scales[:, 0], want, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(size=SIZES, scale=SCALES, border=BORDERS, value=st.integers(0, 255))
def test_constant_stays_constant(size, scale, border, value):
    if scale * max(size) < 1:
        return
    image = np.full((*size, 2), value, np.uint8)
    got = imresize(image, scale, border=border)
    assert got.shape == (*(int(np.ceil(scale * n)) for n in size), 2)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    assert (got == value).all()


def test_scale_one_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    assert np.array_equal(imresize(image, 1), image)


def test_enlarging_is_opencvs_shape_with_another_a():
    # A plane is reproduced exactly away from the border by any Keys kernel.
    plane = np.add.outer(np.arange(12.0), 2 * np.arange(12.0))
    got = imresize(plane, 2)[8:-8, 8:-8]
    at = (np.arange(24) + 0.5) / 2 - 0.5
    want = np.add.outer(at, 2 * at)[8:-8, 8:-8]
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)


def test_no_antialias_shrinks_by_sampling():
    image = np.random.default_rng(0).uniform(0, 1, (15, 15))
    # At scale 1/3 the centre of each cell is an input pixel.
    got = imresize(image, 1 / 3, antialias=False)
    np.testing.assert_allclose(got, image[1::3, 1::3], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_are_clipped_not_wrapped(dtype):
    limits = np.iinfo(dtype)
    image = np.full((8, 8), limits.min, dtype)
    image[:, 4:] = limits.max  # a step, which bicubic overshoots
    got = imresize(image, 3)
    assert got.dtype == dtype
    assert got.min() == limits.min
    assert got.max() == limits.max


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_stay_unclipped(dtype):
    image = np.zeros((8, 8), dtype)
    image[:, 4:] = 1
    got = imresize(image, 3)
    assert got.dtype == dtype
    assert got.max() > 1
    assert got.min() < 0


def test_two_scales():
    image = np.random.default_rng(0).uniform(0, 1, (12, 10, 3))
    got = imresize(image, size=(6, 20))
    rows = imresize(image, size=(6, 10))
    np.testing.assert_allclose(got, imresize(rows, size=(6, 20)), rtol=0, atol=1e-12)


def test_input_is_not_changed():
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    image.flags.writeable = False
    imresize(image, 0.5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "either"),
        ({"scale": 2, "size": (2, 2)}, "either"),
        ({"scale": 0}, "positive"),
        ({"scale": -1}, "positive"),
        ({"scale": float("nan")}, "positive"),
        ({"scale": 1e-9}, "leaves nothing"),
        ({"size": (0, 4)}, "positive"),
        ({"scale": 2, "border": "wrap"}, "border"),
    ],
)
def test_wrong_calls(options, words):
    with pytest.raises(UsageError, match=words):
        imresize(np.zeros((4, 4)), **options)


def test_wrong_arrays():
    with pytest.raises(ShapeError, match="H x W"):
        imresize(np.zeros(4), 2)
    with pytest.raises(ShapeError, match="H x W"):
        imresize(np.zeros((4, 0)), 2)
    with pytest.raises(UsageError, match="bool"):
        imresize(np.zeros((4, 4), bool), 2)
