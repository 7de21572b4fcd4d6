"""TIFF by closed lists: what is not on them is named and refused, or right."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import Image, decode, encode, tiff_lzw
from zoo.images.ifd import read_directory, read_header

pil = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")
imagecodecs = pytest.importorskip("imagecodecs")


def values(*shape: int, dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def tiff(array: NDArray[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    options.setdefault("photometric", "rgb" if array.shape[-1] in (3, 4) else None)
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def retagged(data: bytes, **tags: int) -> bytes:
    """A file with other numbers in tags of one short value: ``t259=34712``."""
    header, offset = read_header(data)
    entries, _ = read_directory(data, offset, header)
    result = bytearray(data)
    for name, value in tags.items():
        at = entries[int(name[1:])].position + 8
        struct.pack_into(f"{header.order}H", result, at, value)
    return bytes(result)


COLOR = values(40, 50, 3)


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        ("jpeg2000", "JPEG 2000"),
        ("jpegxl", "JPEG XL"),
        ("png", "PNG"),
        ("webp", "WebP"),
        ("zstd", "Zstandard"),
        ("lzma", "LZMA"),
        ("lerc", "LERC"),
        ("jpegxr", "JPEG XR"),
    ],
)
def test_compressions_that_are_not_read_are_named(compression: str, name: str) -> None:
    try:
        data = tiff(COLOR, compression=compression)
    except Exception as error:  # noqa: BLE001 - a codec that is not in this build
        pytest.skip(f"tifffile cannot write it: {error}")
    with pytest.raises(ImageError, match=f"compressed by {name}"):
        decode(data)


@given(st.integers(0, 65535))
def test_no_compression_is_guessed(number: int) -> None:
    data = retagged(tiff(COLOR), t259=number)
    if number == 1:
        np.testing.assert_array_equal(decode(data).pixels, COLOR)
    else:
        with pytest.raises(ImageError):
            decode(data)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize(
    ("compression", "predictor"),
    [("lzw", None), ("lzw", 2), ("zlib", None), ("zlib", 2), ("packbits", None)],
)
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_compressions_that_are_read(
    dtype: str,
    predictor: int | None,
    byteorder: str,
    compression: str,
    tile: tuple[int, int] | None,
) -> None:
    for array in (
        values(70, 90, 3, dtype=dtype),
        np.sort(values(70, 90, dtype=dtype), axis=1),
        np.zeros((70, 90, 3), dtype),
    ):
        data = tiff(
            array,
            compression=compression,
            predictor=predictor,
            byteorder=byteorder,
            tile=tile,
            rowsperstrip=None if tile else 16,
        )
        found = decode(data).pixels
        np.testing.assert_array_equal(found.reshape(array.shape), array)


@given(st.binary(max_size=3000), st.integers(1, 40))
def test_lzw_of_anything(data: bytes, times: int) -> None:
    raw = data * times
    coded = imagecodecs.lzw_encode(raw) if raw else b""
    assert tiff_lzw.decode(coded, len(raw)) == raw


def test_a_predictor_on_uncompressed_data_is_ignored() -> None:
    """As every reader does: it belongs to LZW and deflate alone."""
    # A tag that does not matter becomes the predictor; tags must rise.
    data = bytearray(tiff(COLOR, resolution=(72, 72)))
    header, offset = read_header(bytes(data))
    entries, _ = read_directory(bytes(data), offset, header)
    tag = min(tag for tag in entries if tag >= 305 and tag != 339)
    struct.pack_into("<HHIHH", data, entries[tag].position, 317, 3, 1, 2, 0)
    np.testing.assert_array_equal(decode(bytes(data)).pixels, COLOR)


@pytest.mark.parametrize("predictor", [0, 3, 4, 34892])
def test_predictors_that_do_not_fit(predictor: int) -> None:
    data = retagged(tiff(COLOR, compression="zlib", predictor=2), t317=predictor)
    with pytest.raises(ImageError, match=f"predictor {predictor}"):
        decode(data)


def test_a_preview_is_never_the_picture() -> None:
    small = COLOR[::4, ::4]
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        options = {"photometric": "rgb", "metadata": None}
        writer.write(small, subfiletype=1, subifds=1, **options)
        writer.write(COLOR, subfiletype=0, **options)
    np.testing.assert_array_equal(decode(out.getvalue()).pixels, COLOR)
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(small, subfiletype=1, **options)
        writer.write(COLOR, subfiletype=0, **options)
    np.testing.assert_array_equal(decode(out.getvalue()).pixels, COLOR)
    with pytest.raises(ImageError, match="only a reduced-size preview"):
        decode(tiff(small, subfiletype=1, metadata=None))


def test_a_pyramid_is_its_base() -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        options = {"photometric": "rgb", "metadata": None}
        writer.write(COLOR, subifds=1, **options)
        writer.write(COLOR[::2, ::2], subfiletype=1, **options)
    np.testing.assert_array_equal(decode(out.getvalue()).pixels, COLOR)


@pytest.mark.parametrize("samples", [2, 4])
def test_extra_samples_without_a_meaning(samples: int) -> None:
    array = values(20, 30, samples)
    kind = "rgb" if samples == 4 else "minisblack"
    data = tiff(
        array, photometric=kind, extrasamples=["unspecified"], planarconfig="contig"
    )
    with pytest.raises(ImageError, match="does not say what the last one means"):
        decode(data)
    data = tiff(
        array, photometric=kind, extrasamples=["unassalpha"], planarconfig="contig"
    )
    np.testing.assert_array_equal(decode(data).alpha, array[..., -1])


def test_opencvs_fourth_channel_is_alpha_with_a_note() -> None:
    cv2 = pytest.importorskip("cv2")
    array = values(20, 30, 4)
    image = decode(cv2.imencode(".tiff", array)[1].tobytes())
    assert image.alpha is not None
    np.testing.assert_array_equal(image.alpha, array[..., 3])
    assert "taken for alpha" in image.notes[0]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits(bits: int) -> None:
    array = values(13, 21) >> (8 - bits)
    data = tiff(array, photometric="minisblack", bitspersample=bits, dtype="uint8")
    expected = array * (255 // (2**bits - 1))
    np.testing.assert_array_equal(decode(data).pixels[..., 0], expected)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
def test_palettes(compression: str | None) -> None:
    array = values(13, 21) >> 4
    table = values(3, 256, dtype="uint16")
    data = tiff(array, photometric="palette", colormap=table, compression=compression)
    expected = (table >> 8).astype(np.uint8).T[array]
    np.testing.assert_array_equal(decode(data).pixels, expected)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("size", [(1, 1), (40, 3), (33, 700), (8, 3000)])
@pytest.mark.parametrize("options", [0, 1])
def test_fax(compression: str, size: tuple[int, int], options: int) -> None:
    rng = np.random.default_rng(2)
    for bits in (
        rng.random(size) < 0.5,
        np.cumsum(rng.random(size) < 0.02, axis=1) % 2 == 1,
        np.zeros(size, bool),
        np.ones(size, bool),
    ):
        out = io.BytesIO()
        info = {292: options} if compression == "group3" else {}
        picture = pil.fromarray(bits)
        picture.save(out, "TIFF", compression=compression, tiffinfo=info)
        found = decode(out.getvalue()).pixels[..., 0]
        np.testing.assert_array_equal(found, bits * np.uint8(255))


def test_bits_in_reversed_order() -> None:
    bits = np.random.default_rng(0).random((9, 19)) < 0.5
    out = io.BytesIO()
    pil.fromarray(bits).save(out, "TIFF", compression="group4", tiffinfo={266: 2})
    np.testing.assert_array_equal(decode(out.getvalue()).pixels[..., 0], bits * 255)


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
@pytest.mark.parametrize("tile", [None, (32, 48)])
def test_jpeg_in_tiff_is_what_others_read(
    mode: str, tile: tuple[int, int] | None
) -> None:
    rows, columns = np.mgrid[:70, :90]
    smooth = np.dstack([rows * 2, columns * 2, rows + columns]).astype(np.uint8)
    array = smooth[..., 0] if mode == "L" else smooth
    data = tiff(
        array,
        photometric="minisblack" if mode == "L" else "rgb",
        compression="jpeg",
        compressionargs={
            "level": 95,
            **({"outcolorspace": "ycbcr"} if mode == "YCbCr" else {}),
        },
        tile=tile,
        rowsperstrip=None if tile else 16,
    )
    found = decode(data).pixels.astype(int)
    assert np.abs(found.reshape(array.shape) - array).mean() < 2


def test_strange_depths_and_colors_are_named() -> None:
    for data, words in (
        (retagged(tiff(COLOR), t262=8), "L\\*a\\*b"),
        (retagged(tiff(COLOR), t262=32803), "camera raw"),
        (retagged(tiff(COLOR), t262=77), "unknown kind"),
        (retagged(tiff(COLOR), t262=6), "YCbCr without JPEG"),
        (tiff(values(4, 4).astype(np.complex64)), "of kind"),
        (tiff(values(4, 4).astype(np.uint64)), "32-bit|64"),
    ):
        with pytest.raises(ImageError, match=words):
            decode(data)


def test_our_own_files_are_read_by_others_with_every_tag() -> None:
    image = Image(COLOR)
    with tifffile.TiffFile(io.BytesIO(encode(image, "tiff"))) as file:
        np.testing.assert_array_equal(file.asarray(), COLOR)
