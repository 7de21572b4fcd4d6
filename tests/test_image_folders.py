"""Which files of a folder are taken for pictures."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.formats import suffixes
from zoo.images import pictures_in
from zoo.images.folders import find


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


def test_links_to_nothing_and_pipes_are_named(folder: Path) -> None:
    try:
        (folder / "gone.png").symlink_to("nowhere.png")
        os.mkfifo(folder / "pipe")  # opening it would wait for a writer
    except (AttributeError, OSError):
        pytest.skip("no links or pipes here")
    listing = find(folder, recursive=True, kinds=("picture", "volume"))
    assert sorted(names(folder, listing.no_files)) == ["gone.png", "pipe"]
    assert [name for name in names(folder, listing.files) if "." not in name] == []
    assert "gone.png (no file" in " ".join(listing.left_out())
    assert dict(listing.others) == {".txt": 1}


def test_a_folder_whose_files_cannot_be_reached(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of mode r--: its names can be listed, and stat fails."""
    real = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != folder / "a" and real(path, mode)
    )
    listing = find(folder, recursive=True)
    assert names(folder, listing.files) == ["b.png", "c.jfif", "out/f.png"]
    assert [path for path, _ in listing.unreadable] == [folder / "a"]
