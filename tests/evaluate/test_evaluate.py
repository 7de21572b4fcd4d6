"""The evaluation protocol, calibrated on bicubic's published scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ImageError, ShapeError, UsageError, ZooError
from zoo.evaluate.datasets import find_set
from zoo.evaluate.entrants import Bicubic
from zoo.evaluate.protocol import Score, Scores, cases_in, evaluate
from zoo.images import Image, write
from zoo.resize import imresize

# PSNR in dB and SSIM of bicubic on Set5, as the literature prints them.
PUBLISHED = {2: (33.66, 0.9299), 3: (30.39, 0.8682), 4: (28.42, 0.8104)}


@pytest.mark.parametrize("scale", PUBLISHED)
def test_bicubic_on_set5(shared: Path, scale: int) -> None:
    folder = shared / "data" / "benchmarks" / "Set5" / f"x{scale}"
    pictures = find_set(folder)
    assert pictures.scale == scale
    cases = cases_in(pictures, scale)
    scores = evaluate(Bicubic(), cases, scale, pictures.origin)
    psnr, ssim = PUBLISHED[scale]
    assert len(pictures) == len(scores.scores) == 5
    assert scores.psnr == pytest.approx(psnr, abs=0.02)
    assert scores.ssim == pytest.approx(ssim, abs=0.001)
    assert "lr" in scores.protocol


def test_own_small_pictures_score_the_same(shared: Path) -> None:
    folder = shared / "data" / "benchmarks" / "Set5" / "x2" / "hr"
    pictures = find_set(folder, 2)
    assert pictures.origin == "MATLAB's bicubic"
    scores = evaluate(Bicubic(), cases_in(pictures, 2), 2, pictures.origin)
    assert scores.psnr == pytest.approx(PUBLISHED[2][0], abs=0.02)


def test_small_pictures_equal_the_published_ones(shared: Path) -> None:
    """Within one grey level for 99.9 % of the pixels."""
    folder = shared / "data" / "benchmarks" / "Set5"
    for scale in PUBLISHED:
        theirs = cases_in(find_set(folder / f"x{scale}"), scale)
        ours = cases_in(find_set(folder / f"x{scale}" / "hr"), scale)
        for a, b in zip(theirs, ours, strict=True):
            difference = np.abs(a.low.astype(int) - b.low.astype(int))
            assert np.mean(difference <= 1) >= 0.999, (scale, a.name)


def _picture(path: Path, height: int = 36, width: int = 48, channels: int = 3) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    noise = rng.integers(256, size=(height // 4, width // 4, channels))
    write(path, Image(imresize(noise.astype(np.uint8), size=(height, width))))


def test_pictures_are_cropped_to_the_scale(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", 37, 50)
    (case,) = cases_in(find_set(tmp_path, 3), 3)
    assert case.high.shape == (36, 48, 3)
    assert case.low.shape == (12, 16, 3)


def test_gray_counts_as_three_channels(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png", channels=1)
    (case,) = cases_in(find_set(tmp_path, 2), 2)
    assert case.high.shape[2] == 3
    scores = evaluate(Bicubic(), [case], 2)
    assert 10 < scores.psnr < 60


def test_perfect_result_has_infinite_psnr(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    (case,) = cases_in(find_set(tmp_path, 2), 2)
    seen: list[Score] = []
    scores = evaluate(lambda low: case.high, [case], 2, report=seen.append)
    assert scores.psnr == np.inf
    assert scores.ssim == pytest.approx(1)
    assert [score.name for score in seen] == ["a"]


def _two_scores() -> tuple[Score, Score]:
    return (
        Score("a", {"psnr": 30, "ssim": 0.9}),
        Score("b", {"psnr": 40, "ssim": 0.7}),
    )


def test_mean_is_of_decibels() -> None:
    scores = Scores(2, "", _two_scores())
    assert scores.psnr == 35
    assert scores.ssim == pytest.approx(0.8)


def test_names_of_div2k(tmp_path: Path) -> None:
    _picture(tmp_path / "HR" / "0801.png")
    _picture(tmp_path / "LR" / "0801x2.png", 18, 24)
    (case,) = cases_in(find_set(tmp_path, 2), 2)
    assert case.low.shape == (18, 24, 3)


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        find_set(tmp_path / "none", 2)
    with pytest.raises(UsageError, match="no picture"):
        find_set(tmp_path, 2)
    _picture(tmp_path / "hr" / "a.png")
    (tmp_path / "lr").mkdir()
    with pytest.raises(UsageError, match="no small picture"):
        find_set(tmp_path, 2)
    _picture(tmp_path / "lr" / "a.png", 18, 24)
    assert find_set(tmp_path).scale == 2
    with pytest.raises(UsageError, match="times 3"):
        list(cases_in(find_set(tmp_path, 3), 3))
    (tmp_path / "lr" / "a.png").rename(tmp_path / "lr" / "ax2.png")  # as in DIV2K
    assert find_set(tmp_path).scale == 2
    (tmp_path / "hr" / "a.png").write_text("no picture")
    with pytest.raises(ImageError):
        list(cases_in(find_set(tmp_path, 2), 2))


def test_bad_pictures_are_left_out_where_asked(tmp_path: Path) -> None:
    _picture(tmp_path / "a.png")
    _picture(tmp_path / "b.png")
    write(tmp_path / "tiny.png", Image(np.zeros((4, 8, 3), np.uint8)))
    write(tmp_path / "point.png", Image(np.zeros((1, 1, 3), np.uint8)))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:100])
    left: dict[str, str] = {}

    def leave_out(name: str, error: ZooError) -> None:
        left[name] = str(error)

    pictures = find_set(tmp_path, 2)
    cases = cases_in(pictures, 2, leave_out)
    scores = evaluate(Bicubic(), cases, 2, pictures.origin, leave_out=leave_out)
    assert len(pictures) == 4
    assert [score.name for score in scores.scores] == ["a"]
    assert left.keys() == {"b", "tiny", "point"}
    assert "b.png is truncated" in left["b"]
    assert left["tiny"].startswith("picture 'tiny': a border of 2 leaves nothing")
    assert "smaller than one pixel" in left["point"]
    for name in ("a", "b", "point"):
        (tmp_path / f"{name}.png").unlink()
    with pytest.raises(ImageError, match="no picture that could be measured"):
        evaluate(Bicubic(), cases_in(find_set(tmp_path, 2), 2), 2, leave_out=leave_out)
    with pytest.raises(ShapeError, match="'tiny': a border"):
        evaluate(Bicubic(), cases_in(find_set(tmp_path, 2), 2), 2)


def test_folders_below(tmp_path: Path) -> None:
    _picture(tmp_path / "hr" / "one" / "a.png")
    _picture(tmp_path / "hr" / "two" / "a.png")
    assert find_set(tmp_path, 2).names == ("one/a", "two/a")
    for name in ("one", "two"):
        _picture(tmp_path / "lr" / name / "a.png", 18, 24)
    assert len(list(cases_in(find_set(tmp_path, 2), 2))) == 2
    # Pictures of the folder itself: what is below does not count.
    _picture(tmp_path / "hr" / "b.png")
    _picture(tmp_path / "lr" / "b.png", 18, 24)
    assert find_set(tmp_path, 2).names == ("b",)


def test_several_sets_are_not_thrown_together(tmp_path: Path) -> None:
    for name in ("x2", "x3"):
        _picture(tmp_path / name / "hr" / "a.png")
        _picture(tmp_path / name / "LR" / "a.png", 18, 24)
    assert len(find_set(tmp_path, 2)) == 1
    for name in ("one", "two"):
        _picture(tmp_path / "sets" / name / "hr" / "a.png")
    with pytest.raises(UsageError, match=r"several folders of large .*one.hr \(1\)"):
        find_set(tmp_path / "sets", 2)
    assert len(find_set(tmp_path / "x2")) == 1
