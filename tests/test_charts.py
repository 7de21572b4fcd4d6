"""Charts: what is drawn where."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from zoo.charts import Bars, Line, Panel, _Axis, draw, save, ticks
from zoo.errors import ImageError, ZooError
from zoo.images import read


def test_panels_stand_below_each_other() -> None:
    line = Line("a", [0, 1, 2], [3, 1, 2])
    panel = Panel("title", "x", "y", [line])
    picture = draw([panel, panel], width=300, height=200)
    assert picture.shape == (400, 300, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[:200], picture[200:])


def _colored_rows(picture: np.ndarray, column: int) -> np.ndarray:
    """Rows where a column has a color that is no gray: those of a line."""
    pixels = picture[60:300, column].astype(int)
    return 60 + np.flatnonzero(np.ptp(pixels, axis=1) > 60)


def test_larger_values_stand_higher() -> None:
    picture = draw([Panel("", "x", "y", [Line("a", [0, 10], [0, 10])])])
    left, right = _colored_rows(picture, 150), _colored_rows(picture, 800)
    assert left.mean() > right.mean() + 100


def test_gaps_and_constants_are_no_trouble() -> None:
    lines = [
        Line("gap", [0, 1, 2, 3], [1, math.nan, math.inf, 2]),
        Line("constant", [0, 3], [1.5, 1.5]),
        Line("empty", [], []),
    ]
    for log in (False, True):
        picture = draw([Panel("t", "x", "y", lines, log_y=log, log_x=log)])
        assert len(_colored_rows(picture, 450)) > 0
    assert draw([Panel("t", "x", "y", [Line("none", [], [])])]).shape[2] == 3


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.13, 0.52, [0.2, 0.3, 0.4, 0.5]),
        (5, 5, [5]),
        (0, math.inf, [0]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_short_log_axis_has_ticks() -> None:
    for low, high in ((2.1e-4, 4.5e-4), (0.011, 0.019), (1, 1000)):
        assert len(_Axis([low, high], log=True).ticks()) > 1


def test_charts_are_saved_as_pictures(tmp_path: Path) -> None:
    panels = [Panel("title", "x", "y", [Line("a", [0, 1], [3, 1])])]
    save(panels, tmp_path / "a.png", width=300)
    pixels = read(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(pixels[..., ::-1], draw(panels, width=300))
    with pytest.raises(ImageError, match=r"written as \.png"):
        save(panels, tmp_path / "a.txt")
    with pytest.raises(ZooError):
        save(panels, tmp_path / "none" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_point_of_no_place_is_named(value: float) -> None:
    """As the PSNR of a picture that is met exactly."""
    panel = Panel("t", "x", "y", [Line("a", [1], [2]), Line("exact", [1], [value])])
    named = draw([panel], width=300, height=200)
    alone = draw([Panel("t", "x", "y", panel.lines[:1])], width=300, height=200)
    assert (named != alone)[:40].any()
    draw([Bars("t", ["g"], ["a"], [[value]])], width=300, height=200)
