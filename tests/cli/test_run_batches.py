"""``zoo run`` on many files: nothing left out in silence, going on, any name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.cli import main
from zoo.errors import UsageError
from zoo.images import Image, read, write
from zoo.run.alpha import bleed, flattened, parse_color
from zoo.run.inputs import find_inputs
from zoo.run.jobs import make_jobs
from zoo.run.names import fitting, keys

Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``zoo run`` with a network that doubles, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_BACKEND", "numpy")
    (tmp_path / "x2.cfg").write_text("[net]\n[upsample]\nstride=2\n")
    return lambda *arguments: main(["run", "x2.cfg", *map(str, arguments)])


def picture(dtype: str = "uint8", channels: int = 3, alpha: bool = False) -> Image:
    rng = np.random.default_rng(0)
    white = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (rng.random((4, 6, channels)) * white).astype(dtype)
    return Image(pixels, pixels[..., 0].copy() if alpha else None)


# -- nothing is left out in silence ---------------------------------------------------


def test_a_folder_ends_with_a_count_and_what_was_left_out(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("t/below").mkdir(parents=True)
    Path("elsewhere").mkdir()
    for name in ("t/a.png", "t/below/b.png", "elsewhere/c.png", "t/.d.png"):
        write(name, picture())
    Path("t/notes.txt").touch()
    Path("t/raw.NEF").touch()
    Path("t/bad.png").write_text("x")
    Path("t/link").symlink_to("../elsewhere")
    assert run("t", "-o", "out") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    for words in (
        "2 of 3 done",
        "1 failed",
        "2 files of other endings (.nef, .txt)",
        "1 hidden",
        "the linked folder t/link",
    ):
        assert words in last
    Path("t/bad.png").unlink()
    assert run("t", "-o", "out", "--skip-existing") == 0
    assert "2 skipped, for they exist" in capsys.readouterr().err


def test_folders_that_cannot_be_read_are_named(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root there are none, so os.scandir says so."""
    Path("t/locked").mkdir(parents=True)
    write("t/a.png", picture())
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert run("t", "-o", "out") == 0
    assert "the folder t/locked (Permission denied)" in capsys.readouterr().err


def test_a_few_files_that_were_named_end_in_silence(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.png", picture())
    write("b.png", picture())
    assert run("a.png", "b.png") == 0
    assert capsys.readouterr().err == ""


# -- going on --------------------------------------------------------------------------


def test_a_glob_can_be_called_again(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        write(name, picture())
    assert run(*sorted(Path().glob("*.png")), "--skip-existing") == 0
    write("c.png", picture())
    before = Path("a_x2.png").stat().st_mtime_ns
    assert run(*sorted(Path().glob("*.png")), "--skip-existing") == 0
    assert sorted(path.name for path in Path().glob("*.png")) == [
        "a.png",
        "a_x2.png",
        "b.png",
        "b_x2.png",
        "c.png",
        "c_x2.png",
    ]
    assert Path("a_x2.png").stat().st_mtime_ns == before
    assert "2 files that zoo made of others of them" in capsys.readouterr().err
    assert run(*sorted(Path().glob("*.png")), "--force") == 0
    assert len(list(Path().glob("*.png"))) == 6


def test_outputs_of_other_scales_are_no_inputs_either(run: Run) -> None:
    for name in ("a.png", "a_x3.png", "b_x2.png"):
        write(name, picture())
    assert run(*sorted(Path().glob("*.png"))) == 0
    made = {path.name for path in Path().glob("*.png")}
    # Nobody can know that b_x2.png is a result: there is no b.png.
    assert made == {"a.png", "a_x3.png", "b_x2.png", "a_x2.png", "b_x2_x2.png"}


def test_a_target_that_would_be_skipped_is_no_conflict(run: Run) -> None:
    write("a.png", picture())
    assert run("a.png", "-o", ".") == 2
    assert run("a.png", "-o", ".", "--skip-existing") == 0
    assert read("a.png").width == 6


def test_going_on_where_another_format_was_written(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoo.images import encode

    Path("a.jpg").write_bytes(encode(picture(alpha=True), "png"))
    assert run("a.jpg", "--skip-existing") == 0
    assert read("a_x2.png").alpha is not None
    assert run("a.jpg", "--skip-existing", "-v") == 0
    assert "a_x2.png exists, skipped" in capsys.readouterr().err


# -- names ------------------------------------------------------------------------------


def test_names_that_differ_by_case(run: Run) -> None:
    write("img.png", picture())
    write("IMG.png", picture(channels=1))
    if os.path.samefile("img.png", "IMG.png"):
        pytest.skip("the file system ignores case")
    assert run("img.png", "IMG.png") == 0
    assert not read("img_x2.png").is_gray
    assert read("IMG_x2.png").is_gray


def test_case_is_asked_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.run.names._ignores_case", lambda folder: True)
    known = keys([str(tmp_path / "a.png"), str(tmp_path / "A.png")])
    assert len(set(known.values())) == 1
    monkeypatch.setattr("zoo.run.names._ignores_case", lambda folder: False)
    known = keys([str(tmp_path / "a.png"), str(tmp_path / "A.png")])
    assert len(set(known.values())) == 2


@pytest.mark.parametrize("letter", ["a", "ä", "漢"])
def test_long_names(run: Run, letter: str) -> None:
    size = len(letter.encode())
    long = letter * (251 // size)
    other = letter * (251 // size - 1) + "b"
    for name in (long, other):
        write(f"{name}.png", picture())
    assert run(f"{long}.png", f"{other}.png") == 0
    made = {path.name for path in Path().glob("*.png")} - {
        f"{long}.png",
        f"{other}.png",
    }
    assert len(made) == 2
    assert all(len(os.fsencode(name)) <= 255 for name in made)
    assert run(f"{long}.png", f"{other}.png", "--skip-existing") == 0
    assert run(f"{long}.png", "-o", "out/") == 0
    assert Path("out", f"{long}.png").exists()


def test_fitting_leaves_short_names_alone() -> None:
    assert fitting("a" * 251, ".png") == "a" * 251 + ".png"
    assert len(fitting("a" * 252, ".png")) == 255


def test_names_that_are_no_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        write(name, picture())
    except Exception:  # noqa: BLE001 - whatever the file system says
        pytest.skip("the file system wants UTF-8")
    assert run(name, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert os.fsencode(record["output"]) == b"caf\xe9_x2.png"
    Path(os.fsdecode(b"d\xe9.png")).write_text("x")
    assert run(os.fsdecode(b"d\xe9.png"), "-v") == 1
    assert "no format that zoo reads" in capsys.readouterr().err


def test_two_that_would_change_to_one_ending(run: Run) -> None:
    """Neither JPEG nor WebP can hold it, and both would become a.png."""
    from zoo.images import encode

    Path("t").mkdir()
    Path("t/a.jpg").write_bytes(encode(picture("uint16"), "png"))
    Path("t/a.webp").write_bytes(encode(picture("uint16"), "png"))
    assert run("t", "-o", "out") == 0
    assert {path.name for path in Path("out").iterdir()} == {"a.jpg.png", "a.webp.png"}


def test_jobs_of_a_thousand_files_ask_little_of_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "zoo.run.names._ignores_case", lambda folder: pytest.fail("asked")
    )
    (tmp_path / "a0.png").touch()
    names = [str(tmp_path / f"a{index}.png") for index in range(1000)]
    jobs = make_jobs(find_inputs(names, None), None, None, 2)
    assert len(jobs) == 1000


# -- formats that hold less ---------------------------------------------------------------


def test_jpg_of_transparency_names_the_flag(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.png", picture(alpha=True))
    write("b.png", picture("uint16"))
    assert run("a.png", "b.png", "-f", "jpg") == 1
    captured = capsys.readouterr().err
    assert captured.count("--flatten") == 2
    assert run("a.png", "b.png", "-f", "jpg", "--flatten", "#00ff00") == 0
    assert read("a_x2.jpg").alpha is None
    assert read("b_x2.jpg").dtype == np.uint8
    assert run("a.png", "-f", "jpg", "--flatten", "nonsense") == 2
    assert run("a.png", "-f", "tiff", "--flatten", "white") == 0
    assert read("a_x2.tiff").alpha is not None  # TIFF holds it


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("target", ["uint8", "uint16"])
def test_flattened(dtype: str, target: str) -> None:
    white = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    pixels = np.array([[[0, 0, 0], [1, 1, 1], [1, 0, 0]]]) * white
    alpha = np.array([[0, 1, 0.4]]) * white
    image = Image(pixels.astype(dtype), alpha.astype(dtype))
    found = flattened(image, (255, 0, 51), target)
    most = np.iinfo(target).max
    # 0.4 of white in integers is not exact.
    share = float(image.alpha[0, 2]) / white
    expected = [[1, 0, 0.2], [1, 1, 1], [1, 0, 0.2 * (1 - share)]]
    np.testing.assert_allclose(found.pixels[0] / most, expected, atol=0.6 / most)
    assert found.alpha is None


def test_gray_stays_gray_on_gray() -> None:
    image = picture(channels=1, alpha=True)
    assert flattened(image, (9, 9, 9), "uint8").is_gray
    assert not flattened(image, (9, 9, 8), "uint8").is_gray


def test_colors() -> None:
    assert parse_color("White") == (255, 255, 255)
    assert parse_color("#0a0B0c") == (10, 11, 12)
    for text in ("", "#12", "#12345g", "whit"):
        with pytest.raises(UsageError, match="no colour"):
            parse_color(text)


# -- colour counts by its alpha ------------------------------------------------------------


def test_color_under_small_alpha_counts_by_it() -> None:
    """A white disc on black of alpha 1: no dark rim."""
    color = np.zeros((40, 40, 3), np.uint8)
    alpha = np.ones((40, 40), np.uint8)
    color[10:30, 10:30] = 255
    alpha[10:30, 10:30] = 255
    result = bleed(color, alpha)
    np.testing.assert_array_equal(result[10:30, 10:30], 255)
    around = np.zeros((40, 40), bool)
    around[7:33, 7:33] = True
    around[10:30, 10:30] = False
    assert result[around].min() >= 230


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_even_alpha_changes_no_color(dtype: str, channels: int) -> None:
    """Glass keeps its pattern, whatever lies far away."""
    white = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    color = (rng.random((30, 60, channels)) * white).astype(dtype)
    alpha = np.full((30, 60), white / 4).astype(dtype)
    alpha[:, 40:] = white
    result = bleed(color, alpha)
    np.testing.assert_array_equal(result[:, :36], color[:, :36])
    np.testing.assert_array_equal(result[:, 40:], color[:, 40:])


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (50, 20, 3), np.uint8)
    alpha = rng.integers(0, 256, (50, 20), np.uint8)
    whole = bleed(color, alpha)
    monkeypatch.setattr("zoo.run.alpha._BAND", 7)
    np.testing.assert_array_equal(bleed(color, alpha), whole)
