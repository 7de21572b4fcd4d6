"""Which files of a folder are taken for pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.formats import suffixes
from zoo.images import pictures_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, hidden ones, and what is none."""
    for name in (
        "b.png",
        "a/c.JPG",
        "a/deep/d.dib",
        "c.jfif",
        ".hidden.png",
        ".hidden/e.png",
        "out/f.png",
        "notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def names(folder: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_alone(folder: Path) -> None:
    assert names(folder, pictures_in(folder)) == ["b.png", "c.jfif"]


def test_and_what_is_below(folder: Path) -> None:
    found = names(folder, pictures_in(folder, recursive=True))
    assert found == ["a/c.JPG", "a/deep/d.dib", "b.png", "c.jfif", "out/f.png"]


def test_one_folder_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = pictures_in(folder, recursive=True, without=Path("out"))
    assert "out/f.png" not in names(folder, found)
    assert pictures_in("out") == [Path("out/f.png")]


def test_every_ending_that_is_read_counts(tmp_path: Path) -> None:
    known = suffixes("picture")
    for suffix in known:
        (tmp_path / f"a{suffix}").touch()
    assert len(pictures_in(tmp_path)) == len(known)
