"""Files appear whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import ZooError
from zoo.files import atomic_write


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


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of writing: that of Linux, and that of the others."""
    if request.param == "named":
        monkeypatch.delattr("os.O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("only Linux has files without a name")
    return str(request.param)


def test_nothing_has_a_name_before_it_is_whole(tmp_path: Path, way: str) -> None:
    long = "a" * 251 + ".png"
    for content in (b"first", b"second"):
        before = set(os.listdir(tmp_path))
        with atomic_write(tmp_path / long) as file:
            file.write(content)
            hidden = set(os.listdir(tmp_path)) - before
            assert len(hidden) == (way == "named")
            assert all(name.startswith(".zoo-") for name in hidden)
        assert os.listdir(tmp_path) == [long]
        assert (tmp_path / long).read_bytes() == content


def test_a_name_that_is_no_text(tmp_path: Path, way: str) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.bin")
    try:
        Path(path).touch()
    except OSError:
        pytest.skip("the file system wants UTF-8")
    with atomic_write(path) as file:
        file.write(b"x")
    assert Path(path).read_bytes() == b"x"


def test_mode_and_owner_of_what_is_overwritten_stay(tmp_path: Path, way: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    before = path.stat()
    with atomic_write(path) as file:
        file.write(b"new")
    after = path.stat()
    assert path.read_bytes() == b"new"
    for field in ("st_mode", "st_uid", "st_gid"):
        assert getattr(after, field) == getattr(before, field)


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for name in (path, "/dev/null"):
        with pytest.raises(ZooError, match="never replaced"), atomic_write(name):
            pass
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    if not hasattr(os, "O_TMPFILE"):
        pytest.skip("only Linux has files without a name")
    code = (
        "import os, signal; from zoo.files import atomic_write\n"
        "with atomic_write('a.bin') as file:\n"
        "    file.write(bytes(100000)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == []


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

    monkeypatch.setattr("os.open", refuse)
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
