"""One process at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import UsageError
from zoo.train.lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from zoo.train.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_second_process_is_told_of_the_first(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=rf"pid {process.pid}\) trains in"):
            FolderLock(tmp_path)
        process.kill()
    # Killed, it left the file and no lock.
    assert (tmp_path / "run.lock").exists()
    lock = FolderLock(tmp_path)
    call = [sys.executable, "-c", HOLD, str(tmp_path)]
    done = subprocess.run(
        call, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 1
    assert "another process" in done.stderr
    lock.close()
    lock.close()
    done = subprocess.run(
        call, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.stdout == "held\n"


def test_the_process_itself_is_let_in(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    second = FolderLock(tmp_path)
    second.close()
    first.close()


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        FolderLock(tmp_path / "none")
