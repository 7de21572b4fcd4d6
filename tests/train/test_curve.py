"""The learning curve, and a run that cannot draw it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sessions import begin
from tiny_training import tiny_cfg

from zoo.train.curve import panels_of


def test_lines_of_a_log() -> None:
    panels = panels_of(
        [
            {"update": 1, "loss": 0.5},
            {"update": 1, "psnr": 20.0},
            {"update": 2, "loss": None},
            {"update": 2, "psnr": 21.0},
            {"update": 2, "validation": "folder"},
            {"update": 3, "loss": 0.25},
            {"update": 3, "psnr": 30.0},
        ],
        "mae",
    )
    lines = [(line.name, *line.x, *line.y) for panel in panels for line in panel.lines]
    assert lines == [
        ("mae", 1, 3, 0.5, 0.25),
        ("validation", 1, 2, 20.0, 21.0),
        ("validation from update 2", 3, 30.0),
    ]
    assert panels_of([{"update": 0, "validation": ""}], "mae") == []


def test_run_goes_on_without_a_curve(tmp_path: Path) -> None:
    session = begin(tmp_path, "run", tiny_cfg(tmp_path))
    session.folder.curve.mkdir()
    with pytest.warns(UserWarning, match="curve is not drawn: .*curve.png"):
        session.trainer.run()
    with pytest.warns(UserWarning, match="curve is not drawn"):
        assert "10 of 10" in session.conclusion()
    assert session.folder.load().update == 10
    assert session.folder.best.exists()
