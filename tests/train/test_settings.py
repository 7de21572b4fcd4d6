"""What a run remembers, and old and damaged forms of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_training import pictures

from zoo.errors import UsageError
from zoo.images import pictures_in
from zoo.train.options import TrainingOptions
from zoo.train.settings import RunSettings, digest_of_files


def test_plain_values_and_back() -> None:
    settings = RunSettings(
        ("a", "b"), "c", "torch:cuda", 7, 8, 9, "3:ab", "p2:cd", "low", "{}x2", True
    )
    plain = json.loads(json.dumps(settings.to_dict()))
    assert RunSettings.from_dict(plain) == settings
    # What a newer zoo wrote besides does no harm.
    assert RunSettings.from_dict({**plain, "future": 1}) == settings


def test_runs_of_before() -> None:
    settings = RunSettings.from_dict({"folders": ["a"], "validate": None})
    assert settings == RunSettings(("a",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"folders": 3},
        {"folders": [3]},
        {"validate": 1},
        {"log_every": 0},
        {"save_every": "200"},
        {"backend": ["numpy"]},
        {"pictures": None},
    ],
)
def test_damaged_values(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        RunSettings.from_dict({"folders": [], "validate": None, **wrong})


def test_options_change_what_they_name(tmp_path: Path) -> None:
    data = str(pictures(tmp_path / "data"))
    known = RunSettings((data,), None, "numpy", 7, 8, 9, "3:ab", "2:cd")
    assert known.changed_by(TrainingOptions()) == known
    changed = known.changed_by(TrainingOptions(backend="torch", log_every=3))
    assert (changed.backend, changed.log_every) == ("torch", 3)
    assert changed.save_every == 8
    with pytest.raises(UsageError, match="no folder"):
        known.changed_by(TrainingOptions(data=[tmp_path / "none"]))


def test_back_end_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_BACKEND", "torch:cuda")
    assert RunSettings().with_environment().backend == "torch:cuda"
    assert RunSettings(backend="numpy").with_environment().backend == "numpy"
    monkeypatch.setenv("ZOO_BACKEND", "")
    assert RunSettings().with_environment().backend is None


def test_digest_is_of_names_and_sizes(tmp_path: Path) -> None:
    digest = digest_of_files(pictures_in(pictures(tmp_path / "a")))
    assert digest.startswith("3:")
    assert digest == digest_of_files(pictures_in(pictures(tmp_path / "b")))
    (tmp_path / "b" / "p1.png").rename(tmp_path / "b" / "q1.png")
    assert digest != digest_of_files(pictures_in(tmp_path / "b"))
    with open(tmp_path / "a" / "p1.png", "ab") as file:
        file.write(b"x")
    assert digest != digest_of_files(pictures_in(tmp_path / "a"))
