"""More formats of pictures: Netpbm, PFM, JPEG 2000, AVIF, OpenEXR, GIF."""

from __future__ import annotations

import io
import re
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.formats import Source, formats, named, recognise
from zoo.images import Image, decode, encode
from zoo.images.frames import FrameFormat

pil = pytest.importorskip("PIL.Image")
imagecodecs = pytest.importorskip("imagecodecs")


def values(*shape: int, dtype: str = "uint8") -> NDArray[Any]:
    rng = np.random.default_rng(0)
    if dtype == "float32":
        return rng.normal(0, 9, shape).astype(np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def usable(name: str) -> None:
    if named(name).missing():
        pytest.skip(f"OpenCV {cv2.__version__} {named(name).missing()} {name}")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("pnm", "uint8"),
        ("pnm", "uint16"),
        ("pfm", "float32"),
        ("jp2", "uint8"),
        ("jp2", "uint16"),
        ("exr", "float32"),
    ],
)
def test_round_trip(name: str, dtype: str, channels: int) -> None:
    usable(name)
    image = Image(values(33, 47, channels, dtype=dtype))
    back = decode(encode(image, name))
    assert back.format == name
    np.testing.assert_array_equal(back.pixels, image.pixels)


def test_every_format_says_what_it_is() -> None:
    for item in formats().values():
        assert isinstance(item.missing(), str)
        assert item.kind in ("picture", "volume", "video")


# -- Netpbm ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_pillows_netpbm(mode: str) -> None:
    array = values(5, 11, 3) if mode == "RGB" else values(5, 11)
    if mode == "1":
        other = pil.fromarray(array > 100)
        expected = (array > 100) * np.uint8(255)
    elif mode == "I;16":
        expected = values(5, 11, dtype="uint16")
        other = pil.fromarray(expected)
    else:
        other, expected = pil.fromarray(array), array
    out = io.BytesIO()
    other.save(out, "PPM")
    found = decode(out.getvalue()).pixels
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"P1\n# a comment\n3 2\n1 0 1\n010\n", [[0, 255, 0], [255, 0, 255]]),
        (b"P2 2 1 # in a line\n 15\n 0 15", [[0, 255]]),
        (b"P3\n1 1\n255\n1 2 3\n", [[[1, 2, 3]]]),
        (b"P4\n3 2\n\xa0\x40", [[0, 255, 0], [255, 0, 255]]),
        (b"P5\n2 1\n3\n\x01\x03", [[85, 255]]),
        (b"P5 1 1 1023 \x03\xff", [[65535]]),
        (b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nENDHDR\nabc", [[[97, 98, 99]]]),
    ],
)
def test_netpbm_by_hand(data: bytes, expected: Any) -> None:
    image = decode(data)
    found = image.pixels[..., 0] if image.is_gray else image.pixels
    np.testing.assert_array_equal(found, expected)


def test_pam_with_alpha() -> None:
    head = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    image = decode(head + b"abcd")
    assert image.alpha is not None
    assert image.alpha[0, 0] == ord("d")
    with pytest.raises(ImageError, match="2 channels of a kind"):
        decode(head.replace(b"DEPTH 4", b"DEPTH 2") + b"abcd")


@pytest.mark.parametrize(
    "data",
    [
        b"P5\n9999999999 9999999999\n255\n",
        b"P5\n0 1\n255\n",
        b"P5\n1 1\n0\n\0",
        b"P5\n1 1\n70000\n\0\0\0\0",
        b"P5\n1 1",
        b"P6\n4 4\n255\nabc",
        b"P2\n2 1\n255\n1 x",
        b"P2\n2 1\n255\n1 300",
        b"P7\nWIDTH 1\nENDHDR\n",
        b"PF\n1 1\n0\n\0\0\0\0",
        b"PF\n2 2\n-1\nabc",
        b"PF\nx",
    ],
)
def test_netpbm_that_is_none(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode(data)


def test_half_a_pnm_is_read_by_who_insists() -> None:
    data = encode(Image(values(8, 8, 1)), "pnm")
    with pytest.raises(DamagedError, match="truncated"):
        decode(data[:-30])
    image = decode(data[:-30], damaged=True)
    np.testing.assert_array_equal(image.pixels[:4], values(8, 8, 1)[:4])


def test_pfm_of_opencv() -> None:
    array = values(4, 6, 3, dtype="float32")
    data = cv2.imencode(".pfm", array[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode(data).pixels, array)
    big = b"Pf\n2 1\n1.0\n" + np.array([1.5, -2], ">f4").tobytes()
    np.testing.assert_array_equal(decode(big).pixels[0, :, 0], [1.5, -2])


# -- JPEG 2000 and AVIF ------------------------------------------------------------------


@pytest.mark.parametrize("container", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_jpeg_2000_of_others(container: str, bits: int) -> None:
    usable("jp2")
    array = values(40, 50, 3, dtype="uint16") >> (16 - bits)
    array = array.astype(np.uint8) if bits == 8 else array
    data = imagecodecs.jpeg2k_encode(
        array, level=0, codecformat=container, bitspersample=bits
    )
    image = decode(data)
    white = np.iinfo(image.dtype).max
    expected = np.floor(array * (white / (2**bits - 1)) + 0.5)
    np.testing.assert_array_equal(image.pixels, expected)


def test_truncated_jpeg_2000_and_avif() -> None:
    for name, data in (
        ("jp2", imagecodecs.jpeg2k_encode(values(40, 50, 3), level=0)),
        ("avif", imagecodecs.avif_encode(values(40, 50, 3))),
    ):
        usable(name)
        with pytest.raises(ImageError):
            decode(data[: len(data) // 2])


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_others(bits: int) -> None:
    usable("avif")
    array = values(40, 50, 3, dtype="uint16") >> (16 - bits)
    array = array.astype(np.uint8) if bits == 8 else array
    image = decode(imagecodecs.avif_encode(array, level=100, bitspersample=bits))
    white = np.iinfo(image.dtype).max
    expected = np.floor(array * (white / (2**bits - 1)) + 0.5)
    np.testing.assert_allclose(image.pixels.astype(int), expected, atol=white / 250)


def test_avif_is_written(tmp_path: Any) -> None:
    usable("avif")
    rows, columns = np.mgrid[:40, :50]
    array = np.dstack([rows, columns, rows + columns]).astype(np.uint8)
    image = decode(encode(Image(array), "avif"))
    assert np.abs(image.pixels.astype(int) - array).mean() < 4
    assert not image.is_lossless


# -- GIF ------------------------------------------------------------------------------------


def gif(*frames: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], **options)
    return out.getvalue()


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("colors", [2, 16, 256])
def test_gif_of_pillow(colors: int, interlace: int) -> None:
    other = pil.fromarray(values(33, 47, 3)).quantize(colors)
    image = decode(gif(other, interlace=interlace))
    np.testing.assert_array_equal(image.pixels, np.asarray(other.convert("RGB")))
    assert image.alpha is None
    assert not image.notes


def test_transparent_gif() -> None:
    other = pil.fromarray(values(9, 9) % 4).convert("P")
    image = decode(gif(other, transparency=2))
    np.testing.assert_array_equal(image.alpha, np.where(values(9, 9) % 4 == 2, 0, 255))


def test_the_first_frame_of_a_gif_is_taken_and_that_is_said() -> None:
    frames = [pil.fromarray(values(9, 9, 3) // 2 + step) for step in (0, 90)]
    image = decode(gif(*frames))
    assert image.notes == ("has 2 frames; the first is taken",)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_half_a_gif(part: float) -> None:
    data = gif(pil.fromarray(values(40, 40)))
    cut = data[: int(len(data) * part)]
    with pytest.raises(ImageError):
        decode(cut)
    if part > 0.6:
        image = decode(cut, damaged=True)
        np.testing.assert_array_equal(image.pixels[:10, :, 0], values(40, 40)[:10])


# -- any bytes ---------------------------------------------------------------------------------


def saved(values: Any, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    pil.fromarray(values).save(out, format, **options)
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    """Small files of every format, and of every way to store them, with metadata."""
    color, gray = values(33, 34, 3), values(33, 34)
    tags = pil.Exif()
    tags[0x0112], tags[0x010F], tags[0x011A] = 6, "maker", 72.0
    tags.get_ifd(0x8769)[0xA002] = 34
    full: dict[str, Any] = {"exif": tags, "icc_profile": bytes(200), "dpi": (72, 72)}
    found = {}
    for name, item in formats("picture").items():
        if item.can_write and not item.missing():
            floats = Image(values(33, 34, 3, dtype="float32"))
            found[name] = encode(
                floats if name in ("pfm", "exr") else Image(color), name
            )
    found["jpg full"] = saved(color, "JPEG", comment=b"x", **full)
    found["jpg progressive"] = saved(color, "JPEG", progressive=True)
    found["png full"] = saved(color, "PNG", **full)
    found["png palette"] = saved(gray, "PNG", bits=4)
    found["webp full"] = saved(color, "WEBP", exif=tags, icc_profile=bytes(200))
    for compression in ("tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate"):
        found[compression] = saved(color, "TIFF", compression=compression, dpi=(72, 72))
    for compression in ("group3", "group4", "tiff_ccitt"):
        found[compression] = saved(gray > 99, "TIFF", compression=compression)
    frames = [pil.fromarray(gray), pil.fromarray(gray // 2)]
    for format in ("GIF", "PNG", "WEBP"):
        out = io.BytesIO()
        frames[0].save(out, format, save_all=True, append_images=frames[1:])
        found[f"animated {format}"] = out.getvalue()
    head = b"YUV4MPEG2 W8 H6 F25:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\n"
    found["y4m"] = head + (b"FRAME\n" + bytes(range(72))) * 3
    found["pgm plain"] = b"P2\n# x\n4 3\n255\n" + b"1 22 255 7 " * 3
    found["pam"] = (
        b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
        + bytes(16)
    )
    return found


SEEDS = seeds()


def attempt(data: bytes) -> None:
    """Read as it is and insisting; nothing but ImageError may come of it."""
    for damaged in (False, True):
        try:
            image = decode(data, damaged=damaged)
        except ImageError as error:
            assert "\n" not in str(error)
        else:
            assert image.pixels.size
        item = recognise(data[:4096])
        if isinstance(item, FrameFormat):
            source = Source("x", "x", io.BytesIO(data), data[:4096], len(data))
            with suppress(ImageError):
                clip = item.clip(source, damaged=damaged)
                for frame in islice(clip.frames if clip else (), 4):
                    assert frame.image.pixels.size


@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_any_damage_is_one_kind_of_error(name: str, data: st.DataObject) -> None:
    content = bytearray(SEEDS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3))
    attempt(bytes(content[: len(content) - cut * len(content) // 7]))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SEEDS))
def test_many_damaged_files(name: str) -> None:
    """The long run of the fuzzer: 1000 files of every kind."""
    rng = np.random.default_rng(0)
    seed = SEEDS[name]
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if reset.exists():
        reset.write_text("5")  # the peak of memory begins anew
    for _ in range(1000):
        content = bytearray(seed)
        head = rng.random() < 0.5  # most of what is fragile stands there
        for place in rng.integers(0, min(200, len(seed)) if head else len(seed), 3):
            content[place] = rng.integers(0, 256)
        if rng.random() < 0.2:
            del content[int(rng.integers(0, len(content))) :]
        if rng.random() < 0.1:
            start = int(rng.integers(0, len(content) + 1))
            content[start:start] = seed[: int(rng.integers(0, 64))]
        attempt(bytes(content))
    if reset.exists():
        peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert peak is not None
        assert int(peak[1]) < 1_000_000
