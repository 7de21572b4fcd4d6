"""Files appear whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from zoo.errors import ZooError
from zoo.files import atomic_path, atomic_write


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    for data in (b"first", b"second"):
        with atomic_write(path, sync=True) as file:
            file.write(data)
            assert not path.exists() or path.read_bytes() != data
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, ZooError])
def test_failure_leaves_the_old_file(
    tmp_path: Path, failure: type[BaseException]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(failure), atomic_write(path) as file:
        file.write(b"new")
        raise failure
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_temporary_name_is_hidden_and_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path.resolve()
        assert temporary.name.startswith(".picture.")
        assert temporary.suffix == ".png"
        temporary.write_bytes(b"x")
    assert (tmp_path / "picture.png").read_bytes() == b"x"


def test_link_is_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    with atomic_write(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_missing_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(ZooError, match="there is no folder"),
        atomic_write(tmp_path / "no" / "a"),
    ):
        pass


def test_folder_as_file(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="is a folder"), atomic_write(tmp_path):
        pass


def test_name_with_a_zero_byte(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="cannot be written"), atomic_write("a\0b"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with (
            pytest.raises(ZooError, match="no permission"),
            atomic_write(tmp_path / "a"),
        ):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_refused_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(ZooError, match="no permission"), atomic_write(tmp_path / "a"):
        pass


def test_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(ZooError, match="No space left"),
        atomic_write(tmp_path / "a"),
    ):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_error_about_another_file_passes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a"):
        open(tmp_path / "another").close()
    assert os.listdir(tmp_path) == []
