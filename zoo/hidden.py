"""Hidden files beside results while these are written, and what dead processes left.

Where a file needs a name before it is whole (network file systems, macOS, folders), a
process that is killed leaves it behind. The next one that writes into the folder removes
it: only names that are made here, and only what no living process holds.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

__all__ = ["hidden_beside", "hold"]

_OURS = re.compile(r"\.zoo-([0-9a-f]{6})-[0-9a-f]{12}(\.zarr)?")
_SOON = 5.0  # seconds between making a file and holding it, and clocks that differ
_LATE = 86_400.0  # seconds after which one is dead that locks say nothing of
_NO_LOCKS = (errno.ENOLCK, errno.EBADF, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def hidden_beside(target: Path, ending: str = "") -> str:
    """A hidden name beside ``target``; short, for names may have 255 bytes at most.

    What was left in that folder is removed before, once in a process.
    """
    _clean(str(target.parent))
    return str(target.parent / f".zoo-{_machine()}-{secrets.token_hex(6)}{ending}")


def hold(handle: int) -> bool | None:
    """Lock an open file or folder until it is closed, or the process ends.

    Returns
    -------
    bool or None
        Whether nobody else held it; None where there are no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows, which removes no file that is open
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        return None if problem.errno in _NO_LOCKS else False
    return True


@cache
def _machine() -> str:
    """This machine since it was started: of others, locks may not be seen."""
    import socket

    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii")
    return sha256(f"{socket.gethostname()} {boot}".encode()).hexdigest()[:6]


@cache
def _clean(folder: str) -> None:
    """Remove what was left; whatever stands in the way, nobody waits for it."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _OURS.fullmatch(entry.name)
            if match and not entry.is_symlink():
                with suppress(OSError):
                    _remove(entry, is_near=match[1] == _machine())


def _remove(entry: os.DirEntry[str], *, is_near: bool) -> None:
    is_folder = entry.is_dir()
    age = time.time() - entry.stat().st_mtime
    if age < _SOON:
        return
    mode = os.O_RDONLY if is_folder else os.O_RDWR
    handle = os.open(entry.path, mode | getattr(os, "O_NONBLOCK", 0))
    try:
        is_free = hold(handle)
        if is_free is False or (age < _LATE and not (is_free and is_near)):
            return
        if is_folder:
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    finally:
        os.close(handle)
