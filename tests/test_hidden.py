"""What killed processes leave beside results is removed, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import hidden
from zoo.files import atomic_write

fcntl = pytest.importorskip("fcntl")

# As on a file system where every file has a name.
WRITER = """\
import os, sys
if hasattr(os, "O_TMPFILE"): del os.O_TMPFILE
from zoo.files import atomic_write
with atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.O_TMPFILE", raising=False)
    hidden._clean.cache_clear()


def begun(target: Path) -> subprocess.Popen[str]:
    """A process that is in the middle of writing."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", WRITER, str(target)]
    running = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    return running


def older(folder: Path, seconds: float = 60) -> None:
    """Let time pass."""
    for path in folder.iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))


def write(folder: Path) -> set[str]:
    """Write a file; what is in the folder then."""
    hidden._clean.cache_clear()
    with atomic_write(folder / "new.png") as file:
        file.write(b"new")
    return set(os.listdir(folder))


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    alive, dead = begun(tmp_path / "a.png"), begun(tmp_path / "b.png")
    try:
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        left = {name for name in os.listdir(tmp_path) if name.startswith(".zoo-")}
        assert len(left) == 2
        assert write(tmp_path) == {"new.png", *left}  # it may have begun just now
        older(tmp_path)
        kept = write(tmp_path) - {"new.png"}
        assert len(kept) == 1
        assert kept < left
        older(tmp_path, 10 * hidden._LATE)
        assert write(tmp_path) == {"new.png", *kept}  # for it is held
        alive.communicate("")
        assert (tmp_path / "a.png").read_bytes() == b"half"
    finally:
        alive.kill()
        alive.wait()
    assert set(os.listdir(tmp_path)) == {"new.png", "a.png"}


def test_names_of_others_stay(tmp_path: Path) -> None:
    near = hidden._machine()
    others = [
        *(".zoo-parts-0123456789abcdef", ".zoo-0123456789ab", ".zoo-mine"),
        *(f".zoo-{near}-0123456789AB", f".zoo-old-{near}-0123456789ab.zarr"),
        *(f".zoo-{near}-0123456789ab.png", f"x.zoo-{near}-0123456789ab"),
    ]
    for name in others:
        (tmp_path / name).write_bytes(b"theirs")
    link = tmp_path / f".zoo-{near}-aaaaaaaaaaaa"
    link.symlink_to(tmp_path / ".zoo-mine")
    older(tmp_path, 10 * hidden._LATE)
    assert write(tmp_path) == {"new.png", link.name, *others}


@pytest.mark.parametrize("is_folder", [False, True])
def test_another_machine_may_hold_what_is_not_seen(
    tmp_path: Path, is_folder: bool
) -> None:
    far = tmp_path / f".zoo-0f0f0f-0123456789ab{'.zarr' if is_folder else ''}"
    if is_folder:
        (far / "c").mkdir(parents=True)
    else:
        far.write_bytes(b"")
    older(tmp_path, hidden._LATE - 60)
    assert write(tmp_path) == {"new.png", far.name}
    older(tmp_path, 120)
    assert write(tmp_path) == {"new.png"}


def test_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Age alone speaks where a file system has none."""

    def refuse(handle: int, kind: int) -> None:
        raise OSError(hidden._NO_LOCKS[0], "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    left = tmp_path / f".zoo-{hidden._machine()}-0123456789ab"
    left.write_bytes(b"")
    older(tmp_path, hidden._LATE - 60)
    assert write(tmp_path) == {"new.png", left.name}
    older(tmp_path, 120)
    assert write(tmp_path) == {"new.png"}


def test_zarr_folders(tmp_path: Path) -> None:
    pytest.importorskip("zarr", minversion="3")
    from zoo.images.zarr_windows import _held

    made = Path(hidden.hidden_beside(tmp_path / "out.zarr", ".zarr"))
    handle = _held(made)
    assert handle is not None
    older(tmp_path)
    assert write(tmp_path) == {"new.png", made.name}
    os.close(handle)
    older(tmp_path)
    assert write(tmp_path) == {"new.png"}
