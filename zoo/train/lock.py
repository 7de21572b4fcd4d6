"""A folder that one process at a time may write to."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from zoo.errors import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock"]

_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
_BEYOND_THE_TEXT = 1 << 20  # what Windows locks cannot be read by others


class FolderLock:
    """Held from its making until :meth:`close`, or the end of the process.

    The system keeps it and drops it when the process ends, however that happens,
    so there are no stale locks. It is the process's: a second one in the same
    process is granted. File systems that know no locks grant all.

    Parameters
    ----------
    folder : Path
        Must exist.

    Raises
    ------
    UsageError
        If another process holds the lock, or the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._file = -1
        path = folder / "run.lock"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        try:
            _lock(self._file)
        except OSError as error:
            if error.errno in _HELD:
                owner = os.read(self._file, 20).decode("ascii", "replace").strip()
                self.close()
                raise UsageError(
                    f"another process{f' ({owner})' if owner else ''} trains in "
                    f"{folder}; wait for its end, or name another folder"
                ) from None
        else:
            os.ftruncate(self._file, 0)
            os.write(self._file, f"pid {os.getpid()}\n".encode())

    def close(self) -> None:
        """Let others in. Does nothing the second time."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __del__(self) -> None:
        self.close()


def _lock(file: int) -> None:
    """Lock an open file at once, or raise OSError."""
    if sys.platform == "win32":
        os.lseek(file, _BEYOND_THE_TEXT, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(file, 0, os.SEEK_SET)
    else:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
