"""Results of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import UsageError
from zoo.images import Image, Metadata, read, write
from zoo.resize import imresize
from zoo.run.sizes import Wanted, resized, times

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_BACKEND", "numpy")
    (tmp_path / "x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (10, 16, 3), np.uint8)
    write(tmp_path / "a.png", Image(pixels, pixels[..., 0].copy()))
    return lambda *arguments: main(["run", "x2.cfg", *map(str, arguments)])


@pytest.mark.parametrize(
    ("options", "name", "size"),
    [
        (["--factor", "3"], "a_x3.png", (30, 48)),
        (["--scale", "3"], "a_x3.png", (30, 48)),
        (["-s", "3"], "a_x3.png", (30, 48)),
        (["--factor", "1.5"], "a_x1.5.png", (15, 24)),
        (["--factor", "2"], "a_x2.png", (20, 32)),
        (["--factor", "0.5"], "a_x0.5.png", (5, 8)),
        (["--factor", "9"], "a_x9.png", (90, 144)),
        (["--size", "33x17"], "a_33x17.png", (17, 33)),
        (["--width", "40"], "a_w40.png", (25, 40)),
    ],
)
def test_sizes(run: Run, options: list[str], name: str, size: tuple[int, int]) -> None:
    assert run("a.png", *options) == 0
    image = read(name)
    assert (image.height, image.width) == size
    # Results are no inputs the next time.
    assert run("a.png", name, *options, "--skip-existing") == 0
    assert len(list(Path().glob("*.png"))) == 2


def test_the_network_runs_as_often_as_it_must(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("a.png", "--factor", "3", "-v") == 0
    assert "x2, 2 times, then bicubic" in capsys.readouterr().err
    pixels = read("a.png").pixels
    twice = pixels.repeat(4, axis=0).repeat(4, axis=1)
    found = read("a_x3.png").pixels.astype(int)
    expected = imresize(twice, size=(30, 48)).astype(int)
    # Alpha differs from pixel to pixel, so colours are not quite those stored.
    assert np.abs(found - expected).mean() < 60
    write("b.png", Image(pixels))
    assert run("b.png", "--factor", "3") == 0
    np.testing.assert_array_equal(read("b_x3.png").pixels, expected)


@pytest.mark.parametrize(
    ("size", "wanted", "scale", "count"),
    [
        ((10, 10), (20, 20), 2, 1),
        ((10, 10), (21, 20), 2, 2),
        ((10, 10), (5, 5), 2, 1),
        ((10, 10), (80, 80), 2, 3),
        ((10, 10), (800, 800), 2, 4),
        ((10, 10), (80, 80), 1, 1),
        ((3, 7), (6, 14), 2, 1),
    ],
)
def test_times(
    size: tuple[int, int], wanted: tuple[int, int], scale: float, count: int
) -> None:
    assert times(size, wanted, scale) == count


def test_metadata_follow_the_size() -> None:
    pixels = np.zeros((10, 10, 1), np.uint16)
    image = Image(pixels, metadata=Metadata(dpi=(100, 100)))
    assert resized(image, (5, 20)).metadata.dpi == (200, 50)
    assert resized(image, (10, 10)) is image


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_alpha_stays_in_its_range(dtype: str) -> None:
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    alpha = (np.random.default_rng(0).random((9, 9)) > 0.5).astype(dtype) * white
    image = Image(np.zeros((9, 9, 3), dtype), alpha.astype(dtype))
    found = resized(image, (14, 5)).alpha
    assert found is not None
    assert found.dtype == dtype
    assert 0 <= found.min() <= found.max() <= white


def test_wrong_sizes(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("a.png", "--factor", "2", "--width", "9") == 2
    assert "contradict" in capsys.readouterr().err
    assert run("a.png", "--size", "9") == 2
    assert run("a.png", "--factor", "0") == 2
    with pytest.raises(UsageError, match="too many"):
        Wanted(width=1000).of(10**6, 10)


def test_a_network_named_without_its_scale(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """edsr is edsr_x2, edsr_x3 and edsr_x4; the least that suffices is taken."""
    for factor, scale in (("1.5", 2), ("3", 3), ("3.5", 4)):
        code = main(["run", "edsr", "a.png", "--factor", factor, "-v", "-j", "1"])
        captured = capsys.readouterr().err
        assert code == 0, captured
        assert f"x{scale}, then bicubic" in captured
    assert main(["run", "edsr", "a.png"]) == 2
