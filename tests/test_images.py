"""Image files: round trips, foreign files, metadata, hostile input.

Pillow and tifffile, which scikit-image brings, are the independent readers and
writers.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ImageError, ZooError
from zoo.images import (
    Image,
    Metadata,
    check_fits,
    decode,
    encode,
    exif,
    read,
    write,
)
from zoo.images import png_chunks as png_file
from zoo.images.ifd import read_directory, read_header

pil = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")

RGB_PROFILE = b"\0\0\0\x80" + b"\0" * 12 + b"RGB " + bytes(range(256)) * 400
GRAY_PROFILE = b"\0\0\0\x80" + b"\0" * 12 + b"GRAY" + b"\0" * 80
WRITTEN = ("bmp", "jpg", "png", "tiff", "webp")  # others in test_images_formats.py
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def picture(dtype="uint8", channels=3, alpha=False, height=5, width=7, seed=0):
    """Random pixels over the whole range of a type."""
    rng = np.random.default_rng(seed)

    def values(*shape):
        if dtype == "float32":
            return rng.normal(0, 300, shape).astype(np.float32)
        return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)

    return Image(
        values(height, width, channels), values(height, width) if alpha else None
    )


def tiff(array, **options):
    out = io.BytesIO()
    tifffile.imwrite(out, array, **options)
    return out.getvalue()


def save(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def chunk(kind, body):
    return (
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
    )


def png(width, height, depth, color, rows, *extra):
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", head),
            *(chunk(kind, body) for kind, body in extra),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        )
    )


# -- round trips ------------------------------------------------------------

LOSSLESS = [
    (name, dtype, channels, alpha)
    for name, dtypes in (
        ("png", ("uint8", "uint16")),
        ("tiff", ("uint8", "uint16", "float32")),
    )
    for dtype in dtypes
    for channels in (1, 3)
    for alpha in (False, True)
] + [
    ("bmp", "uint8", 1, False),
    ("bmp", "uint8", 3, False),
    ("bmp", "uint8", 3, True),
    ("webp", "uint8", 3, False),
]


@pytest.mark.parametrize(("format", "dtype", "channels", "alpha"), LOSSLESS)
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (1, 300)])
def test_round_trip_keeps_every_value(format, dtype, channels, alpha, size):
    image = picture(dtype, channels, alpha, *size)
    back = decode(encode(image, format))
    assert back.format == format
    assert back.pixels.dtype == image.pixels.dtype
    np.testing.assert_array_equal(back.pixels, image.pixels)
    if alpha:
        np.testing.assert_array_equal(back.alpha, image.alpha)
    else:
        assert back.alpha is None


def test_lossless_webp_keeps_visible_colors():
    image = picture(alpha=True)
    image = replace(image, alpha=np.maximum(image.alpha, 1))
    back = decode(encode(image, "webp"))
    assert back.is_lossless
    np.testing.assert_array_equal(back.pixels, image.pixels)
    np.testing.assert_array_equal(back.alpha, image.alpha)


@pytest.mark.parametrize("format", ["jpg", "webp"])
def test_lossy_is_close_and_quality_matters(format):
    ramp = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    image = Image(np.dstack([ramp, ramp[::-1], ramp.T]), is_lossless=False)
    good, bad = (encode(image, format, quality=quality) for quality in (95, 5))
    assert len(bad) < len(good)
    back = decode(good)
    assert not back.is_lossless
    assert np.abs(back.pixels.astype(int) - image.pixels).mean() < 4


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(LOSSLESS), st.integers(1, 20), st.integers(1, 20), st.integers(0, 9)
)
def test_round_trip_of_any_size(case, height, width, seed):
    format, dtype, channels, alpha = case
    image = picture(dtype, channels, alpha, height, width, seed)
    back = decode(encode(image, format))
    np.testing.assert_array_equal(back.pixels, image.pixels)


# -- what others read and write ----------------------------------------------


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_tifffile_reads_our_tiff(dtype, channels, alpha):
    image = picture(dtype, channels, alpha, 9, 11)
    with tifffile.TiffFile(io.BytesIO(encode(image, "tiff"))) as file:
        tags = {tag.name: tag.value for tag in file.pages[0].tags}
        if dtype == "float32" or tags["Predictor"] == 1:
            found = file.asarray().reshape(9, 11, -1)
            np.testing.assert_array_equal(found[..., :channels], image.pixels)
    assert ("ExtraSamples" in tags) == alpha
    if alpha:
        assert int(tags["ExtraSamples"][0]) == 2


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("format", ["png", "tiff"])
def test_pillow_reads_ours(mode, format):
    image = picture(channels=1 if mode[0] == "L" else 3, alpha=mode[-1] == "A")
    other = pil.open(io.BytesIO(encode(image, format)))
    assert other.mode == mode
    values = np.asarray(other).reshape(5, 7, -1)
    colors = image.pixels.shape[2]
    np.testing.assert_array_equal(values[..., :colors], image.pixels)
    if image.alpha is not None:
        np.testing.assert_array_equal(values[..., -1], image.alpha)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
def test_we_read_pillows(mode, format, compression):
    values = np.random.default_rng(1).integers(0, 255, (40, 50, len(mode)), np.uint8)
    values[10:30] = 7  # long runs, for LZW
    other = pil.fromarray(values.squeeze(), mode)
    options = {"compression": compression} if format == "TIFF" else {}
    image = decode(save(other, format, **options))
    colors = 1 if mode[0] == "L" else 3
    np.testing.assert_array_equal(image.pixels, values[..., :colors])
    if mode[-1] == "A":
        np.testing.assert_array_equal(image.alpha, values[..., -1])
    else:
        assert image.alpha is None


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", ["strips", "tiles", "planar", "big"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", "float64"])
def test_we_read_tifffiles(dtype, layout, byteorder):
    values = (np.arange(40 * 50 * 3).reshape(40, 50, 3) % 251).astype(dtype)
    options = {
        "strips": {"rowsperstrip": 7, "planarconfig": "contig"},
        "tiles": {"tile": (16, 32), "planarconfig": "contig"},
        "planar": {"planarconfig": "separate", "rowsperstrip": 7},
        "big": {"bigtiff": True, "planarconfig": "contig"},
    }[layout]
    if layout == "planar":
        values = np.ascontiguousarray(values.transpose(2, 0, 1))
    data = tiff(values, photometric="rgb", byteorder=byteorder, **options)
    image = decode(data)
    expected = values.transpose(1, 2, 0) if layout == "planar" else values
    assert image.dtype == ("float32" if dtype.startswith("f") else dtype)
    np.testing.assert_array_equal(image.pixels, expected.astype(image.dtype))


def test_single_bits_white_is_zero_and_palettes_of_tiff():
    bits = np.random.default_rng(0).random((9, 13)) > 0.5
    image = decode(save(pil.fromarray(bits), "TIFF"))
    np.testing.assert_array_equal(image.pixels[..., 0], bits * np.uint8(255))
    gray = np.arange(35, dtype=np.uint16).reshape(5, 7)
    image = decode(tiff(gray, photometric="miniswhite"))
    np.testing.assert_array_equal(image.pixels[..., 0], 65535 - gray)
    other = pil.fromarray(picture().pixels).quantize(16)
    image = decode(save(other, "TIFF"))
    np.testing.assert_array_equal(image.pixels, np.asarray(other.convert("RGB")))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_we_read_opencvs_lzw(dtype, channels):
    cv2 = pytest.importorskip("cv2")
    values = picture(dtype, channels, height=60, width=70).pixels
    data = cv2.imencode(".tiff", values[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode(data).pixels, values)
    # Alpha, which OpenCV's files do not declare, makes it ours.
    if channels == 3:
        four = np.dstack([values[..., ::-1], values[..., :1]])
        image = decode(cv2.imencode(".tiff", four)[1].tobytes())
        np.testing.assert_array_equal(image.pixels, values)
        np.testing.assert_array_equal(image.alpha, values[..., 0])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_predictor(dtype):
    pytest.importorskip("imagecodecs")
    values = picture("float32", 3).pixels.astype(dtype)
    data = tiff(values, photometric="rgb", compression="zlib", predictor=3)
    expected = values.astype(np.float32)
    np.testing.assert_array_equal(decode(data).pixels, expected)


def relabel(values):
    """An LZW file by Pillow that says its colour is multiplied by alpha."""
    data = bytearray(save(pil.fromarray(values), "TIFF", compression="tiff_lzw"))
    header, offset = read_header(bytes(data))
    entries, _ = read_directory(bytes(data), offset, header)
    assert entries[259].values(header) == (5,)
    assert entries[338].values(header) == (2,)
    struct.pack_into(f"{header.order}H", data, entries[338].position + 8, 1)
    return bytes(data)


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_associated_alpha_is_divided_out(compression):
    color = np.array([[[200, 100, 50]]], np.uint8)
    values = np.array([[[100, 50, 25, 128], [9, 9, 9, 0]]], np.uint8)
    data = tiff(values, photometric="rgb", extrasamples=["assocalpha"])
    if compression:  # tifffile has no LZW of its own
        data = relabel(values)
    image = decode(data)
    np.testing.assert_allclose(image.pixels[:, :1].astype(int), color, atol=1)
    np.testing.assert_array_equal(image.pixels[0, 1], [0, 0, 0])
    np.testing.assert_array_equal(image.alpha, values[..., 3])


def test_palette_png_with_transparency():
    other = pil.fromarray(picture(seed=3).pixels).quantize(8)
    alphas = bytes(range(0, 240, 30))
    data = save(other, "PNG", transparency=alphas)
    image = decode(data)
    expected = np.asarray(pil.open(io.BytesIO(data)).convert("RGBA"))
    np.testing.assert_array_equal(image.pixels, expected[..., :3])
    np.testing.assert_array_equal(image.alpha, expected[..., 3])


def test_gray_png_with_a_transparent_value():
    rows = b"\0\x00\x80\xff"
    image = decode(png(3, 1, 8, 0, rows, (b"tRNS", b"\0\x80")))
    np.testing.assert_array_equal(image.pixels[0, :, 0], [0, 128, 255])
    np.testing.assert_array_equal(image.alpha[0], [255, 0, 255])
    rows = b"\0" + np.array([1, 500, 65535], ">u2").tobytes()
    image = decode(png(3, 1, 16, 0, rows, (b"tRNS", struct.pack(">H", 500))))
    np.testing.assert_array_equal(image.alpha[0], [65535, 0, 65535])
    image = decode(png(4, 1, 2, 0, b"\0\x1b", (b"tRNS", b"\0\x02")))
    np.testing.assert_array_equal(image.pixels[0, :, 0], [0, 85, 170, 255])
    np.testing.assert_array_equal(image.alpha[0], [255, 255, 0, 255])


def test_color_png_with_a_transparent_value_and_single_bits():
    rows = b"\0\1\2\3\4\5\6"
    image = decode(png(2, 1, 8, 2, rows, (b"tRNS", b"\0\1\0\2\0\3")))
    np.testing.assert_array_equal(image.alpha[0], [0, 255])
    image = decode(png(8, 1, 1, 0, b"\0\xa5"))
    np.testing.assert_array_equal(
        image.pixels[0, :, 0] // 255, [1, 0, 1, 0, 0, 1, 0, 1]
    )


@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr"])
def test_jpeg_in_tiff(mode):
    smooth = np.add.outer(np.arange(32), np.arange(48)).astype(np.uint8) * 2
    other = pil.fromarray(
        np.dstack([smooth, smooth.T[:32, :32].repeat(2, 1)[:, :48], smooth[::-1]])
    ).convert(mode)
    image = decode(save(other, "TIFF", compression="jpeg", quality=95))
    expected = np.asarray(other if mode == "L" else other.convert("RGB"))
    expected = expected.reshape(32, 48, -1).astype(int)
    assert np.abs(image.pixels - expected).mean() < 6


# -- metadata ----------------------------------------------------------------


def exif_block(orientation=1, order="<", size=(7, 5)):
    """EXIF with orientation, size, maker and a thumbnail directory."""
    head = b"II" if order == "<" else b"MM"

    def entry(tag, kind, value):
        body = struct.pack(order + ("H2x" if kind == 3 else "I"), value)
        return struct.pack(order + "HHI", tag, kind, 1) + body

    first = struct.pack(order + "H", 3)
    first += struct.pack(order + "HHI", 0x010F, 2, 4) + b"zoo\0"
    first += entry(0x0112, 3, orientation) + entry(0x8769, 4, 60)
    first += struct.pack(order + "I", 100) + b"\0" * 10
    inner = struct.pack(order + "H", 2)
    inner += entry(0xA002, 3, size[0]) + entry(0xA003, 4, size[1]) + b"\0" * 4
    block = head + struct.pack(order + "HI", 42, 8) + first
    block = block.ljust(60, b"\0") + inner
    return block.ljust(100, b"\0") + struct.pack(order + "HI", 0, 0)


FULL = Metadata(exif_block(), RGB_PROFILE, XMP, (300.0, 150.0))


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff"])
def test_metadata_round_trip(format):
    image = replace(picture(), metadata=FULL)
    found = decode(encode(image, format)).metadata
    assert found.icc == RGB_PROFILE
    assert found.xmp == XMP
    assert b"zoo\0" in found.exif
    if format == "webp":
        assert found.dpi is None  # WebP has no place for it
    else:
        assert found.dpi == pytest.approx((300, 150), rel=1e-3)


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff"])
def test_pillow_finds_our_metadata(format):
    image = replace(picture(), metadata=FULL)
    with pil.open(io.BytesIO(encode(image, format))) as other:
        other.load()
        assert other.info["icc_profile"] == RGB_PROFILE
        assert other.getexif()[0x010F] == "zoo"
        inner = other.getexif().get_ifd(0x8769)
        assert (inner[0xA002], inner[0xA003]) == (7, 5)
        if format != "webp":
            assert other.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
        np.testing.assert_allclose(
            np.asarray(other).astype(int), image.pixels, atol=60 * (format == "jpg")
        )


@pytest.mark.parametrize("target", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_metadata_goes_from_format_to_format(source, target):
    tags = pil.Exif()
    tags[0x010F] = "maker"
    tags.get_ifd(0x8769)[0x9003] = "2020:02:20 20:20:20"
    other = pil.fromarray(picture().pixels)
    if source == "TIFF":  # Pillow leaves the inner directory out
        png_data = save(other, "PNG", exif=tags, icc_profile=RGB_PROFILE)
        data = encode(decode(png_data), "tiff")
    else:
        data = save(other, source, exif=tags, icc_profile=RGB_PROFILE)
    with pil.open(io.BytesIO(encode(decode(data), target))) as found:
        assert found.info["icc_profile"] == RGB_PROFILE
        assert found.getexif()[0x010F] == "maker"
        assert found.getexif().get_ifd(0x8769)[0x9003] == "2020:02:20 20:20:20"


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_orientation_is_applied_once(value, source):
    ops = pytest.importorskip("PIL.ImageOps")
    tags = pil.Exif()
    tags[0x0112] = value
    # Blocks of one colour each survive JPEG.
    colors = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [250, 250, 250]]])
    large = colors.repeat(16, 0).repeat(32, 1).astype(np.uint8)
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(source, {})
    data = save(pil.fromarray(large), source, exif=tags, **options)
    expected = np.asarray(ops.exif_transpose(pil.open(io.BytesIO(data))))
    image = decode(data)
    np.testing.assert_allclose(image.pixels.astype(int), expected, atol=12)
    assert exif.orientation(image.metadata.exif) == 1
    again = decode(encode(image, "png"))
    np.testing.assert_array_equal(again.pixels, image.pixels)


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_size_and_thumbnail_are_updated(order):
    block = exif_block(6, order)
    assert exif.orientation(block) == 6
    changed = exif.update(block, 100, 70000)
    assert len(changed) == len(block)
    assert exif.orientation(changed) == 1
    header, offset = read_header(changed)
    entries, following = read_directory(changed, offset, header)
    assert following == 0
    inner, _ = read_directory(changed, entries[0x8769].values(header)[0], header)
    assert inner[0xA002].values(header) == (70000,)
    assert inner[0xA003].values(header) == (100,)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_exif_never_raises(data):
    block = bytearray(exif_block(6))
    for _ in range(data.draw(st.integers(1, 8))):
        block[data.draw(st.integers(0, len(block) - 1))] = data.draw(
            st.integers(0, 255)
        )
    cut = bytes(block[: data.draw(st.integers(0, len(block)))])
    assert 1 <= exif.orientation(cut) <= 8
    assert len(exif.update(cut, 10, 10)) in (0, len(cut))
    encode(replace(picture(), metadata=Metadata(exif=cut)), "tiff")


def test_gray_profile_leaves_color_files():
    gray = replace(picture(channels=1), metadata=Metadata(icc=GRAY_PROFILE))
    assert decode(encode(gray, "png")).metadata.icc == GRAY_PROFILE
    color = replace(picture(), metadata=Metadata(icc=GRAY_PROFILE))
    assert decode(encode(color, "png")).metadata.icc == b""


def test_png_text_and_gamma_are_kept():
    kept = ((b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0a title"))
    image = replace(picture(), metadata=Metadata(png=kept))
    assert decode(encode(image, "png")).metadata.png == kept


# -- what cannot be ------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "format", "words"),
    [
        (picture(alpha=True), "jpg", "transparency; choose png or tiff or webp or bmp"),
        (picture("uint16"), "jpg", "16-bit pixels; choose png or tiff"),
        (picture("float32"), "png", "floating-point pixels; choose tiff"),
        (picture(width=17000), "webp", "17000x5 pixels"),
    ],
)
def test_a_format_that_cannot_hold_a_picture(image, format, words):
    with pytest.raises(ImageError, match=words):
        encode(image, format)


def hostile():
    good = {name: encode(picture(height=40, width=40), name) for name in WRITTEN}
    bomb = png(100000, 100000, 8, 2, b"\0" * 100)
    yield "empty", b"", "is empty"
    yield "text", b"hello\n" * 10, "of no format"
    yield "bomb", bomb, "more than its"
    huge = bytearray(good["bmp"])
    struct.pack_into("<ii", huge, 18, 100000, 100000)
    yield "bmp bomb", bytes(huge), "truncated"
    wide = bytearray(good["jpg"])
    frame = wide.index(b"\xff\xc0")
    struct.pack_into(">HH", wide, frame + 5, 65000, 65000)
    yield "jpg bomb", bytes(wide), "above the limit"
    yield "cmyk", save(pil.new("CMYK", (4, 4)), "JPEG"), "is CMYK"
    yield "cmyk tiff", save(pil.new("CMYK", (4, 4)), "TIFF"), "is CMYK"
    frames = [pil.new("RGB", (4, 4), color) for color in ("red", "blue")]
    more = {"save_all": True, "append_images": frames[1:]}
    yield "apng", save(frames[0], "PNG", **more), "is animated"
    yield "animated webp", save(frames[0], "WEBP", **more), "is animated"
    yield "pages", save(frames[0], "TIFF", **more), "has 2 pages"
    numbers = np.zeros((4, 4), np.int16)
    yield "signed", tiff(numbers), "signed integers"
    yield "32 bits", tiff(numbers.astype(np.uint32)), "32-bit integers"
    yield (
        "channels",
        tiff(np.zeros((4, 4, 6), np.uint8), photometric="rgb", planarconfig="contig"),
        "6 chan",
    )
    for name, data in good.items():
        yield f"half {name}", data[: len(data) // 2], "truncated|damaged"
        yield f"head of {name}", data[:20], "truncated|damaged"
        yield f"{name} less a byte", data[:-1], "truncated|damaged"


@pytest.mark.parametrize(
    ("data", "words"), [pytest.param(*case[1:], id=case[0]) for case in hostile()]
)
def test_hostile_bytes_are_refused_in_one_quiet_sentence(data, words, tmp_path, capfd):
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=words) as caught:
        read(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert "\n" not in sentence
    assert len(sentence) < 250 + len(str(path))
    assert capfd.readouterr().err == ""


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WRITTEN), st.data())
def test_damaged_bytes_never_raise_anything_else(format, data):
    content = bytearray(encode(replace(picture(), metadata=FULL), format))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    try:
        image = decode(bytes(content))
    except ImageError:
        return
    assert image.pixels.size > 0


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_tiff_directories(data):
    content = bytearray(
        tiff(picture("uint16").pixels, photometric="rgb", tile=(16, 16))
    )
    header, offset = read_header(bytes(content))
    entries, _ = read_directory(bytes(content), offset, header)
    places = [entry.position + part for entry in entries.values() for part in range(12)]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.sampled_from(places))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(content))
    except ImageError:
        return


def test_limit_of_pixels(monkeypatch):
    data = encode(picture(height=10, width=10), "png")
    monkeypatch.setenv("ZOO_MAX_PIXELS", "99")
    with pytest.raises(ImageError, match="10x10 pixels, above the limit of 99"):
        decode(data)
    monkeypatch.setenv("ZOO_MAX_PIXELS", "100")
    assert decode(data).width == 10


def test_files_that_are_none(tmp_path):
    with pytest.raises(ImageError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ImageError, match="does not exist"):
        read(tmp_path / "none.png")
    with pytest.raises(ImageError, match="is a device"):
        read("/dev/zero")


def test_checksum_of_a_needed_chunk():
    data = bytearray(encode(picture(), "png"))
    data[-20] ^= 1  # inside IDAT
    with pytest.raises(ImageError, match="wrong checksum"):
        decode(bytes(data))


def test_write_is_whole_or_nothing(tmp_path):
    path = tmp_path / "a.png"
    write(path, picture())
    before = path.read_bytes()
    with pytest.raises(ImageError):
        write(path, picture("float32"))
    assert path.read_bytes() == before
    with pytest.raises(ZooError):
        write(tmp_path / "none" / "a.png", picture())
    assert [item.name for item in tmp_path.iterdir()] == ["a.png"]


def test_gray_png_with_alpha_is_stored_as_such():
    data = encode(picture("uint16", 1, True), "png")
    assert next(kind for kind, _ in png_file.chunks(data)) == b"IHDR"
    assert data[24:26] == bytes([16, 4])


def test_image_refuses_what_is_none():
    with pytest.raises(ValueError, match="no picture"):
        Image(np.zeros((2, 2), np.uint8))
    with pytest.raises(ValueError, match="no picture"):
        Image(np.zeros((2, 2, 3), np.int16))
    with pytest.raises(ValueError, match="alpha"):
        Image(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3), np.uint8))


def test_a_bmp_of_many_gigabytes_is_refused_beforehand():
    image = Image(np.zeros((2, 2, 3), np.uint8))
    check_fits(image, "bmp", 20_000, 20_000)
    with pytest.raises(ImageError, match=r"bmp cannot hold 32000x32000.*GB"):
        check_fits(image, "bmp", 32_000, 32_000)
