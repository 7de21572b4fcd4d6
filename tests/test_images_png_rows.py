"""PNG by rows against OpenCV and Pillow, with every filter and every kind of pixels."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.images import Image, decode, png_rows
from zoo.images.png_chunks import CHANNELS, SIGNATURE, chunk, read_header
from zoo.images.writing import encode

unfilter = pytest.importorskip(
    "zoo.images._unfilter", reason="zoo was installed without a compiler"
).unfilter


def filtered(raw, pixel, kinds):
    """Rows of bytes with a filter for each, by the formulas of the standard."""
    height, length = raw.shape
    values = raw.astype(int)
    left, up, corner = np.zeros((3, height, length), int)
    left[:, pixel:] = values[:, :-pixel]
    up[1:] = values[:-1]
    corner[1:, pixel:] = values[:-1, :-pixel]
    near = np.stack([left, up, corner])
    paeth = np.take_along_axis(near, abs(left + up - corner - near).argmin(0)[None], 0)
    guesses = np.stack([0 * values, left, up, (left + up) // 2, paeth[0]])
    rows = [
        np.append(kind, values[y] - guesses[kind, y]) for y, kind in enumerate(kinds)
    ]
    return (np.stack(rows) % 256).astype(np.uint8)


def file_of(raw, width, depth, color, kinds, *, cut=1 << 30, more=()):
    """A PNG file of big-endian rows, its pixels in chunks of at most ``cut`` bytes."""
    rows = filtered(raw, CHANNELS[color] * depth // 8, kinds)
    head = struct.pack(">IIBBBBB", width, len(raw), depth, color, 0, 0, 0)
    data = zlib.compress(rows.tobytes())
    parts = [data[at : at + cut] for at in range(0, len(data), cut)]
    body = b"".join(chunk(b"IDAT", part) for part in parts)
    beside = b"".join(chunk(*item) for item in more)
    return SIGNATURE + chunk(b"IHDR", head) + beside + body + chunk(b"IEND", b"")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_filter_and_kind_as_opencv_decodes_it(data):
    height = data.draw(st.integers(1, 9))
    width = data.draw(st.integers(1, 9))
    depth = data.draw(st.sampled_from([8, 16]))
    color = data.draw(st.sampled_from([0, 2, 4, 6]))
    kinds = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    seed = data.draw(st.integers(0, 99))
    raw = np.random.default_rng(seed).integers(
        0, 256, (height, width * CHANNELS[color] * depth // 8), np.uint8
    )
    file = file_of(raw, width, depth, color, kinds, cut=data.draw(st.integers(1, 99)))
    image = png_rows.decoded(file, read_header(file))
    assert image is not None
    expected = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    expected = expected.reshape(height, width, -1)
    assert image.dtype == expected.dtype
    if expected.shape[2] >= 3:
        expected[..., :3] = expected[..., 2::-1].copy()
    np.testing.assert_array_equal(image.pixels, expected[..., : image.pixels.shape[2]])
    assert (image.alpha is None) == (color in (0, 2))
    if image.alpha is not None:
        np.testing.assert_array_equal(image.alpha, expected[..., -1])


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_written_is_read_by_others(dtype, channels, alpha):
    rng = np.random.default_rng(0)
    # More rows than a block, of a width that divides none.
    shape = (700, 333)
    pixels = rng.integers(0, np.iinfo(dtype).max + 1, (*shape, channels), dtype)
    pixels[100:500] //= 7
    extra = rng.integers(0, 256, shape, dtype) if alpha else None
    image = Image(pixels[::-1], extra)
    data = encode(image, "png")
    assert data.count(b"IDAT") > 1
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    found = found.reshape(*shape, -1)
    if channels == 3:
        found[..., :3] = found[..., 2::-1].copy()
    np.testing.assert_array_equal(found[..., :channels], image.pixels)
    again = decode(data)
    np.testing.assert_array_equal(again.pixels, image.pixels)
    if alpha:
        np.testing.assert_array_equal(found[..., -1], extra)
        np.testing.assert_array_equal(again.alpha, extra)


def test_pillow_reads_gray_with_alpha():
    pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    pixels = np.arange(60, dtype=np.uint8).reshape(6, 10, 1)
    image = Image(pixels, 255 - pixels[..., 0])
    found = pillow.open(io.BytesIO(encode(image, "png")))
    assert found.mode == "LA"
    np.testing.assert_array_equal(np.asarray(found)[..., :1], pixels)


RAW = np.arange(12 * 6, dtype=np.uint8).reshape(6, 12) * 3


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file[:28] + b"\1" + file[29:],  # interlaced
        lambda file: file.replace(b"IDAT", b"IDAT\0", 1),
        lambda file: file_of(RAW[:5], 4, 8, 2, [0] * 5).replace(
            struct.pack(">II", 4, 5), struct.pack(">II", 4, 6)
        ),  # a row is missing
        lambda file: file_of(RAW, 4, 8, 2, [0] * 6, more=[(b"tRNS", bytes(6))]),
    ],
)
def test_what_is_not_plain_is_left_to_opencv(change):
    file = file_of(RAW, 4, 8, 2, [4] * 6)
    header = read_header(file)
    assert png_rows.decoded(file, header) is not None
    assert png_rows.decoded(change(file), header._replace(height=6)) is None


def test_a_filter_that_there_is_not_is_no_picture():
    rows = np.zeros((2, 7), np.uint8)
    rows[1, 0] = 5
    assert not unfilter(rows, np.zeros(6, np.uint8), 3)
    with pytest.raises(ValueError, match="do not fit"):
        unfilter(rows, np.zeros(5, np.uint8), 3)
