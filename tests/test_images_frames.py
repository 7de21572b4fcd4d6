"""Animations and video, frame by frame, held against Pillow and by arithmetic."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import ImageError
from zoo.formats import Source, named
from zoo.images.frames import Clip, Frame, FrameFormat
from zoo.images.image import Image

pil = pytest.importorskip("PIL.Image")

Run = Callable[..., int]


def opened(data: bytes, name: str) -> Clip | None:
    format = named(name)
    assert isinstance(format, FrameFormat)
    return format.clip(Source("x", "x", io.BytesIO(data), data[:4096], len(data)))


def shapes(count: int = 5, mode: str = "RGB") -> list[Any]:
    """Frames in which something moves; parts stay, so that writers leave them out."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 4, (40, 60), np.uint8) * 60
    frames = []
    for step in range(count):
        array = np.dstack([ground, ground // 2, ground])
        array[5 : 5 + 10, 4 * step : 4 * step + 12] = (250, 40 * step, 9)
        if mode == "RGBA":
            alpha = np.full(ground.shape, 255, np.uint8)
            alpha[20:30, 5 * step : 5 * step + 20] = 0
            array = np.dstack([array, alpha])
        frames.append(pil.fromarray(array))
    return frames


def saved(format: str, frames: list[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    frames[0].save(out, format, save_all=True, append_images=frames[1:], **options)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("format", "name", "options"),
    [
        ("GIF", "gif", {"optimize": False, "disposal": 0}),
        ("GIF", "gif", {"optimize": False, "disposal": 1}),
        ("GIF", "gif", {"optimize": False, "disposal": 2}),
        ("WEBP", "webp", {"lossless": True, "exact": True}),
        ("PNG", "png", {"blend": 0, "disposal": 0}),
        ("PNG", "png", {"blend": 1, "disposal": 0}),
        ("PNG", "png", {"blend": 0, "disposal": 1}),
        ("PNG", "png", {"blend": 1, "disposal": 1}),
    ],
)
def test_frames_are_what_pillow_sees(
    format: str, name: str, options: dict[str, Any], mode: str
) -> None:
    data = saved(format, shapes(mode=mode), duration=80, **options)
    clip = opened(data, name)
    assert clip is not None
    other = pil.open(io.BytesIO(data))
    assert (clip.width, clip.height, clip.count) == (*other.size, other.n_frames)
    for number, frame in enumerate(clip.frames):
        other.seek(number)
        expected = np.asarray(other.convert("RGBA"))
        alpha = frame.image.alpha
        if alpha is None:
            alpha = np.full(expected.shape[:2], 255, np.uint8)
        visible = expected[..., 3] > 0
        np.testing.assert_array_equal(alpha, expected[..., 3])
        np.testing.assert_array_equal(
            frame.image.pixels[visible], expected[..., :3][visible]
        )
        assert frame.duration == Fraction(80, 1000)


@pytest.mark.parametrize("name", ["png", "webp"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_what_is_written_is_what_pillow_reads(name: str, mode: str) -> None:
    format = named(name)
    assert isinstance(format, FrameFormat)
    arrays = [np.asarray(frame) for frame in shapes(mode=mode)]
    file = io.BytesIO()
    writer = format.frame_writer(file, Clip(60, 40, None, iter(()), loops=3))
    for index, array in enumerate(arrays):
        alpha = np.ascontiguousarray(array[..., 3]) if mode == "RGBA" else None
        image = Image(np.ascontiguousarray(array[..., :3]), alpha, name)
        writer.add(Frame(image, Fraction(1, 10 + index)))
    writer.close()
    other = pil.open(io.BytesIO(file.getvalue()))
    assert other.n_frames == 5
    assert other.info["loop"] == 3
    for index, array in enumerate(arrays):
        other.seek(index)
        found = np.asarray(other.convert(mode))
        visible = array[..., 3] > 0 if mode == "RGBA" else np.ones((40, 60), bool)
        np.testing.assert_array_equal(found[visible], array[visible])
        other.load()
        assert other.info["duration"] == pytest.approx(1000 / (10 + index), abs=1)


def test_one_picture_is_no_clip() -> None:
    for format, name in (("PNG", "png"), ("WEBP", "webp"), ("GIF", "gif")):
        assert opened(saved(format, shapes(1)), name) is None


# -- Y4M ---------------------------------------------------------------------------------------


def y4m(
    kind: str = "420jpeg",
    height: int = 10,
    width: int = 14,
    count: int = 3,
    extra: str = "",
    seed: int = 0,
) -> bytes:
    """Frames of slowly changing colours."""
    bits = int(kind[-2:]) if kind[-2:] in ("10", "12", "16") else 8
    steps = {"420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}.get(kind[:3])
    head = f"YUV4MPEG2 W{width} H{height} F30000:1001 Ip A1:1 C{kind}{extra}\n"
    parts = [head.encode()]
    for number in range(count):
        parts.append(b"FRAME\n")
        shapes = [(height, width)]
        if steps:
            shapes += [(-(-height // steps[1]), -(-width // steps[0]))] * 2
        for index, (rows, columns) in enumerate(shapes):
            ramp = np.add.outer(np.arange(rows), np.arange(columns)) * 2 + number
            base = 60 if index == 0 else 118
            values = (base + ramp % (100 if index == 0 else 20)) << (bits - 8)
            parts.append(values.astype("u1" if bits == 8 else "<u2").tobytes())
    return b"".join(parts)


KINDS = [
    "420jpeg",
    "420mpeg2",
    "420",
    "422",
    "444",
    "411",
    "mono",
    "420p10",
    "422p10",
    "444p12",
    "mono16",
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(10, 14), (9, 13), (1, 1)])
@pytest.mark.parametrize("extra", ["", " XCOLORRANGE=FULL"])
def test_y4m_comes_back_as_it_went_in(
    kind: str, size: tuple[int, int], extra: str
) -> None:
    """Without a network between, colours survive the way to RGB and back."""
    data = y4m(kind, *size, extra=extra)
    clip = opened(data, "y4m")
    assert clip is not None
    assert clip.count == 3
    assert clip.rate == Fraction(30000, 1001)
    format = named("y4m")
    assert isinstance(format, FrameFormat)
    file = io.BytesIO()
    writer = format.frame_writer(file, clip)
    for frame in clip.frames:
        writer.add(frame)
    writer.close()
    found = file.getvalue()
    start = data.index(b"\n")
    assert found[: found.index(b"\n")] == data[:start]
    assert len(found) == len(data)
    dtype = "<u2" if kind[-2:] in ("10", "12", "16") else "u1"
    begin = start + 1 + len(b"FRAME\n")
    size_of_frame = (len(data) - start - 1) // 3 - len(b"FRAME\n")
    before = np.frombuffer(
        data, dtype, size_of_frame // np.dtype(dtype).itemsize, begin
    )
    after = np.frombuffer(found, dtype, len(before), begin)
    # Colour that was enlarged and reduced again is a little smoother.
    error = np.abs(before.astype(int) - after)
    assert error[: size[0] * size[1]].max() <= 1
    unit = 2 ** (int(kind[-2:]) - 8) if dtype != "u1" else 1
    assert error.mean() < 2 * unit


def test_y4m_has_the_colors_of_bt_601() -> None:
    """Red is Y 81, Cb 90, Cr 240 in the narrow range (ITU-R BT.601)."""
    data = b"YUV4MPEG2 W2 H1 F25:1 C444\nFRAME\n" + bytes([81, 235, 90, 128, 240, 128])
    clip = opened(data, "y4m")
    assert clip is not None
    pixels = next(clip.frames).image.pixels
    np.testing.assert_allclose(pixels[0], [[1, 0, 0], [1, 1, 1]], atol=0.01)


def test_y4m_where_chroma_lies() -> None:
    """A ramp stays a ramp, at its place, for both ways of subsampling."""
    luma = bytes(16 * [128])
    for kind, left in (("420jpeg", 0.5), ("420mpeg2", 0.0)):
        places = np.arange(8) * 2 + left
        chroma = np.rint(100 + 3 * places).astype(np.uint8).tobytes()
        data = f"YUV4MPEG2 W16 H2 F25:1 C{kind}\nFRAME\n".encode()
        clip = opened(data + luma * 2 + chroma + bytes(8 * [128]), "y4m")
        assert clip is not None
        pixels = next(clip.frames).image.pixels
        luma_value = (128 - 16) / 219
        blue = (pixels[0, :, 2] - luma_value) / 1.772 * 224 + 128
        np.testing.assert_allclose(blue[3:13], (100 + 3 * np.arange(16))[3:13], atol=1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"YUV4MPEG2 W4 H4 F25:1 It C420\n", "interlaced"),
        (b"YUV4MPEG2 W4 H4 C420xyz\n", "stores colour as"),
        (b"YUV4MPEG2 W4 H4 C444alpha\n", "transparency"),
        (b"YUV4MPEG2 W4 C420\n", "no size"),
        (b"YUV4MPEG2 W4 H4", "header does not end"),
        (b"YUV4MPEG2 W999999 H999999 C420\n", "above the limit"),
        (b"YUV4MPEG2 W40000 H10000 C420\n", "claims"),
        (b"YUV4MPEG2 W0 H4 C420\n", "no pixels"),
    ],
)
def test_y4m_that_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        opened(data, "y4m")


# -- zoo run -------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_BACKEND", "numpy")
    (tmp_path / "x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    return lambda *arguments: main(["run", "x2.cfg", *map(str, arguments)])


def test_a_video_through_a_pipe(run: Run) -> None:
    Path("a.y4m").write_bytes(y4m())
    assert run("a.y4m") == 0
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "run", "x2.cfg", "-", "-o", "-"],
        input=y4m(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == Path("a_x2.y4m").read_bytes()
    assert done.stdout.startswith(b"YUV4MPEG2 W28 H20 F30000:1001 Ip A1:1 C420jpeg\n")


def test_a_video_is_streamed(run: Run) -> None:
    """The first frame comes out before the second one goes in."""
    data = y4m(count=2)
    half = len(y4m(count=1))
    with subprocess.Popen(
        [sys.executable, "-m", "zoo", "run", "x2.cfg", "-", "-o", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(data[:half])
        found = b""
        wanted = len(y4m("420jpeg", 20, 28, 1))
        while len(found) < wanted:
            part = running.stdout.read(wanted - len(found))
            assert part
            found += part
        running.stdin.write(data[half:])
        running.stdin.close()
        found += running.stdout.read()
        assert running.wait(60) == 0
    assert found.count(b"FRAME\n") == 2


@pytest.mark.parametrize(
    ("name", "format"), [("a.webp", "WEBP"), ("a.png", "PNG"), ("a.gif", "GIF")]
)
def test_animations(
    run: Run, capsys: pytest.CaptureFixture[str], name: str, format: str
) -> None:
    Path(name).write_bytes(saved(format, shapes(), duration=50))
    assert run(name) == 0
    made = Path("a_x2.png" if name == "a.gif" else name.replace("a.", "a_x2."))
    with pil.open(made) as other:
        assert other.n_frames == 5
        assert other.size == (120, 80)
    said = capsys.readouterr().err
    assert ("png is written instead" in said) == (name == "a.gif")
    # A format of one picture that was asked for gets the first.
    assert run(name, "-f", "jpg") == 0
    assert "has 5 frames; the first is taken" in capsys.readouterr().err


def test_from_one_kind_to_another(run: Run) -> None:
    Path("a.gif").write_bytes(saved("GIF", shapes(), duration=40))
    assert run("a.gif", "-o", "b.y4m") == 0
    assert run("b.y4m", "-o", "c.webp") == 0
    assert run("b.y4m", "-o", "c.jpg") == 1
    with pil.open("c.webp") as other:
        assert (other.n_frames, other.size) == (5, (240, 160))


def test_a_broken_video_leaves_nothing(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.y4m").write_bytes(y4m()[:-5])
    assert run("a.y4m") == 1
    assert "truncated in the middle of a frame (frame 3)" in capsys.readouterr().err
    assert not Path("a_x2.y4m").exists()
    assert run("a.y4m", "--damaged") == 0
    assert Path("a_x2.y4m").read_bytes().count(b"FRAME\n") == 2
