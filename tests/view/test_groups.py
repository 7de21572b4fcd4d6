"""Which files are shown together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.view.groups import groups_of
from zoo.view.item import read_item


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(groups: list) -> dict[str, list[str]]:
    return {group.name: [path.name for path in group.paths] for group in groups}


def test_results_stand_beside_their_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a_x2.png", "a_x4.tif", "b/c.jpg", "b/c_x2.jpg", "d.txt")
    touch(tmp_path, "a.nii.gz", "a_x2.nii.gz", "lone_x2.png")
    assert names(groups_of([tmp_path])) == {
        "a": ["a.png", "a_x2.png", "a_x4.tif"],
        "a (volume)": ["a.nii.gz", "a_x2.nii.gz"],
        "b/c": ["c.jpg", "c_x2.jpg"],
        "lone": ["lone_x2.png"],
    }


def test_folders_are_matched_by_place(tmp_path: Path) -> None:
    one = touch(tmp_path / "one", "a.png", "in/b.png")
    two = touch(tmp_path / "two", "a_x2.png", "in/b.tif", "c.png")
    true = touch(tmp_path / "true", "a.png", "z.png")
    groups = groups_of([one, two], true)
    assert names(groups) == {
        "a": ["a.png", "a_x2.png"],
        "c": ["c.png"],
        "in/b": ["b.png", "b.tif"],
    }
    assert [group.reference for group in groups] == [true / "a.png", None, None]


def test_files_are_one_group(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "r.png")
    (group,) = groups_of([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "r.png")
    assert [path.name for path in group.paths] == ["a.png", "b.png"]
    assert group.reference == tmp_path / "r.png"
    paths = [tmp_path / "a.png", tmp_path / "r.png"]
    (group,) = groups_of(paths, tmp_path / "r.png")  # named twice, shown once
    assert group.paths == paths[:1]


def test_what_cannot_be_meant(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "empty/x.txt")
    with pytest.raises(UsageError, match="not both"):
        groups_of([tmp_path / "a.png", tmp_path])
    with pytest.raises(UsageError, match="no picture"):
        groups_of([tmp_path / "empty"])
    with pytest.raises(UsageError, match="one file"):
        groups_of([tmp_path], tmp_path / "a.png")
    with pytest.raises(UsageError, match="is a folder"):
        groups_of([tmp_path / "a.png"], tmp_path)


def test_a_series_of_slices_is_one_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pydicom", reason="needs pydicom")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "volumes")
    from dicom_files import write_series

    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    write_series(tmp_path / "in" / "t1", values, np.eye(4))
    touch(tmp_path, "in/a.png")
    for paths in ([tmp_path / "in" / "t1"], [tmp_path / "in"]):
        group = groups_of(paths)[-1]
        assert group.paths == [tmp_path / "in" / "t1"]
        item = read_item(group.paths[0])
        assert np.array_equal(item.meant(), values.transpose(2, 1, 0))
