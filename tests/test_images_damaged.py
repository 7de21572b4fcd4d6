"""Damage is an error in every codec, and who insists gets what is left."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.cli import main
from zoo.errors import DamagedError, ImageError
from zoo.images import Image, decode, encode, read

pil = pytest.importorskip("PIL.Image")
tifffile = pytest.importorskip("tifffile")


def smooth(height: int = 96, width: int = 120) -> NDArray[np.uint8]:
    """Colours that change slowly, with some noise, so that codecs have work."""
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).integers(0, 8, (height, width, 3))
    planes = np.dstack([rows * 2, columns, rows + columns])
    return np.asarray((planes + noise) % 256, np.uint8)


def flat() -> NDArray[np.uint8]:
    """Gray with long runs."""
    return np.asarray(np.indices((96, 120)).sum(axis=0) // 16 * 16 % 256, np.uint8)


def saved(values: NDArray[Any], format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    pil.fromarray(values).save(out, format, **options)
    return out.getvalue()


def broken(data: bytes, start: float = 0.45, length: int = 24) -> bytes:
    """Bytes in the middle replaced by others; no markers of JPEG among them."""
    place = int(len(data) * start)
    noise = np.random.default_rng(1).integers(1, 250, length, np.uint8).tobytes()
    return data[:place] + noise + data[place + length :]


DAMAGED = {
    "jpg": broken(saved(smooth(), "JPEG", quality=90)),
    "progressive jpg": broken(saved(smooth(), "JPEG", quality=90, progressive=True)),
    "lzw": broken(saved(smooth(), "TIFF", compression="tiff_lzw")),
    "deflate": broken(saved(smooth(), "TIFF", compression="tiff_adobe_deflate")),
    "packbits": broken(saved(flat(), "TIFF", compression="packbits")),
    "jpeg in tiff": broken(saved(smooth(), "TIFF", compression="jpeg")),
    "g4": broken(saved(smooth()[..., 0] > 100, "TIFF", compression="group4"), 0.3, 9),
    "g3": broken(saved(smooth()[..., 0] > 100, "TIFF", compression="group3"), 0.3, 9),
    "huffman": broken(
        saved(smooth()[..., 0] > 100, "TIFF", compression="tiff_ccitt"), 0.3, 9
    ),
    "png": broken(saved(smooth(), "PNG")),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_and_read_by_who_insists(name: str) -> None:
    data = DAMAGED[name]
    with pytest.raises(DamagedError, match="is damaged") as caught:
        decode(data)
    assert "\n" not in str(caught.value)
    image = decode(data, damaged=True)
    assert (image.height, image.width) == (96, 120)
    assert len(image.notes) == 1
    assert image.notes[0].startswith("is damaged")
    # What stands before the damage is right.
    rows = image.pixels[:8].astype(int)
    expected = smooth()[:8].astype(int)
    if name == "packbits":
        expected = flat()[:8, :, None].astype(int)
    elif image.is_gray:
        expected = (expected[..., :1] > 100) * 255
    if name == "progressive jpg":  # damage is everywhere in it
        return
    assert np.abs(rows - expected).mean() < (12 if "jp" in name else 1)


@pytest.mark.parametrize("name", DAMAGED)
def test_the_same_files_without_damage_are_read(name: str) -> None:
    """So that what is refused above is refused for its damage."""
    whole = {
        "jpg": ("JPEG", {"quality": 90}),
        "progressive jpg": ("JPEG", {"quality": 90, "progressive": True}),
        "lzw": ("TIFF", {"compression": "tiff_lzw"}),
        "deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
        "packbits": ("TIFF", {"compression": "packbits"}),
        "jpeg in tiff": ("TIFF", {"compression": "jpeg"}),
        "g4": ("TIFF", {"compression": "group4"}),
        "g3": ("TIFF", {"compression": "group3"}),
        "huffman": ("TIFF", {"compression": "tiff_ccitt"}),
        "png": ("PNG", {}),
    }
    format, options = whole[name]
    values = smooth()[..., 0] > 100 if name in ("g3", "g4", "huffman") else smooth()
    image = decode(saved(values, format, **options))
    assert not image.notes


@pytest.mark.parametrize("format", ["jpg", "png"])
def test_a_missing_end_marker(format: str) -> None:
    data = encode(Image(smooth(), is_lossless=format == "png"), format)
    expected = decode(data).pixels
    cut = data[:-2] if format == "jpg" else data[:-12]
    with pytest.raises(DamagedError, match="is truncated"):
        decode(cut)
    image = decode(cut, damaged=True)
    np.testing.assert_array_equal(image.pixels, expected)
    assert "truncated" in image.notes[0]


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("options", [{}, {"bits": 4}])
def test_half_a_png(part: float, options: dict[str, Any]) -> None:
    values = smooth()
    if options:  # a palette of 16 colours, two pixels a byte
        out = io.BytesIO()
        pil.fromarray(values).quantize(16).save(out, "PNG", **options)
        data = out.getvalue()
    else:
        data = saved(values, "PNG")
    expected = decode(data).pixels
    image = decode(data[: int(len(data) * part)], damaged=True)
    rows = int(96 * part) // 4  # not all rows take as many bytes
    np.testing.assert_array_equal(image.pixels[:rows], expected[:rows])
    assert not image.pixels[-1].any() or options


def test_a_stream_that_is_wrong_under_right_checksums() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    head = struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0)
    raw = b"".join(b"\0" + bytes([row]) * 120 for row in range(40))
    streams = {
        "short": zlib.compress(raw[:2000]),
        "checksum": zlib.compress(raw)[:-1] + b"x",
        "filter": zlib.compress(raw[:1210] + b"\x09" + raw[1211:]),
    }
    for stream in streams.values():
        data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        data += chunk(b"IDAT", stream) + chunk(b"IEND", b"")
        with pytest.raises(DamagedError):
            decode(data)
        image = decode(data, damaged=True)
        np.testing.assert_array_equal(image.pixels[9], np.full((40, 3), 9))


def test_padding_before_the_end_marker_is_no_damage() -> None:
    """As some cameras write it."""
    data = saved(smooth(), "JPEG")
    padded = data[:-2] + bytes(5) + data[-2:]
    np.testing.assert_array_equal(decode(padded).pixels, decode(data).pixels)


def test_damaged_has_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    Path("a.jpg").write_bytes(DAMAGED["jpg"])
    arguments = ["run", "x2.cfg", "a.jpg", "--backend", "numpy"]
    assert main(arguments) == 1
    assert "--damaged" in capsys.readouterr().err
    assert not Path("a_x2.jpg").exists()
    assert main([*arguments, "--damaged"]) == 0
    assert "a.jpg: is damaged" in capsys.readouterr().err
    assert read("a_x2.jpg").width == 240


def test_nothing_to_read_stays_an_error() -> None:
    for data in (b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0"):
        with pytest.raises(ImageError):
            decode(data, damaged=True)


def test_stderr_is_heard_even_if_it_is_closed(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / "a.jpg").write_bytes(DAMAGED["jpg"])
    (tmp_path / "b.jpg").write_bytes(saved(smooth(), "JPEG"))
    code = (
        "import os; os.close(2)\n"
        "from zoo.images import read\n"
        "print(read('b.jpg').width)\n"
        "try:\n    read('a.jpg')\nexcept Exception as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, check=False
    )
    assert b"120\n" in done.stdout
    assert b"Corrupt JPEG data" in done.stdout


def rle_bmp(runs: bytes) -> bytes:
    """A BMP file of 8 x 4 pixels in run lengths, with a gray palette."""
    palette = b"".join(bytes([value] * 3 + [0]) for value in range(256))
    start = 54 + len(palette)
    numbers = (start + len(runs), 0, start, 40, 8, 4, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", *numbers) + palette + runs


def test_run_lengths_of_bmp() -> None:
    runs = b"".join(bytes([8, row]) + b"\0\0" for row in range(4)) + b"\0\1"
    image = decode(rle_bmp(runs))
    np.testing.assert_array_equal(image.pixels[:, 0, 0], [3, 2, 1, 0])
    for wrong in (runs[:-2], runs[:6], b"\x09\x01" + runs, b"\0\0" * 4 + runs):
        with pytest.raises(DamagedError, match="run lengths"):
            decode(rle_bmp(wrong))


def test_half_a_bmp_is_read_by_who_insists() -> None:
    data = encode(Image(smooth()), "bmp")
    with pytest.raises(DamagedError, match="truncated"):
        decode(data[: len(data) // 2])
    image = decode(data[: len(data) // 2], damaged=True)
    # Rows are stored from the bottom.
    np.testing.assert_array_equal(image.pixels[60:], smooth()[60:])
    assert not image.pixels[:30].any()


@pytest.mark.parametrize("format", ["jpg", "png", "webp", "bmp", "pnm"])
def test_a_second_picture_behind_the_first(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(Image(smooth(), is_lossless=True), format)
    path = tmp_path / "two"
    for second in (data, encode(Image(smooth()), "png")):
        path.write_bytes(data + second)
        assert any("second picture" in note for note in read(path).notes)
        stdin = io.TextIOWrapper(io.BytesIO(data + second))
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(ImageError, match="holds a second picture"):
            read("-")
    path.write_bytes(data + b"\0\0trailer of a camera")
    assert not read(path).notes
