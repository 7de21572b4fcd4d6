"""Reading the head of a file; writing files whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zoo.errors import ReaderError, UsageError, ZooError
from zoo.hidden import hidden_beside, hold

__all__ = ["atomic_write", "check_whole", "read_head", "refuse_existing"]


_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


_LARGE = 64 << 20


def read_head(path: Path, count: int, error: type[ZooError], what: str) -> bytes:
    """The first bytes of a file, from which its format is known.

    Parameters
    ----------
    path : Path
    count : int
        At most so many bytes.
    error : type
        What is raised if there is no such file, or none that can be read.
    what : str
        What the file should be, for the message: "a checkpoint".

    Raises
    ------
    ZooError
        Of the type ``error``.
    ReaderError
        If the file is empty.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(count)
    except FileNotFoundError:
        raise error(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise error(f"{str(path)!r} is a folder, not {what}") from None
    except OSError as problem:
        raise error(f"{str(path)!r} cannot be read: {problem.strerror}") from None
    if not head:
        raise ReaderError(f"{str(path)!r} is empty; fetch or convert it again")
    return head


def check_whole(path: Path, error: type[ZooError], what: str) -> None:
    """Refuse to read a file whole that has no end, holes, or no room in memory.

    Raises
    ------
    ZooError
        Of the type ``error``.
    """
    from zoo.machine.memory import amount, available_memory

    try:
        facts = os.stat(path)
    except (OSError, ValueError):
        return  # opening it says what is wrong
    if stat.S_ISDIR(facts.st_mode):
        return
    if not stat.S_ISREG(facts.st_mode):
        raise error(f"{str(path)!r} is a device or a pipe; give {what} as a file")
    held = getattr(facts, "st_blocks", None)
    if held is not None and facts.st_size > _LARGE and 512 * held < facts.st_size // 8:
        raise error(
            f"{str(path)!r} says {amount(facts.st_size)} and holds {amount(512 * held)} "
            f"on the disk; it was not fetched to its end"
        )
    free = available_memory()
    if facts.st_size > max(free, _LARGE):
        raise error(
            f"{str(path)!r} has {amount(facts.st_size)}, and {amount(free)} of memory "
            f"are free; it does not fit"
        )


def refuse_existing(path: Path) -> None:
    """Raise UsageError if there is something of that name already."""
    if path.exists():
        raise UsageError(f"{str(path)!r} exists; --force overwrites it")


@contextmanager
def atomic_write(path: str | Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under ``path`` when the block succeeds.

    If the block raises anything, KeyboardInterrupt included, ``path`` stays as it
    was. Where the system can do it (Linux) the file has no name until it is whole,
    so that nothing is left behind even if the process is killed; elsewhere it has a
    short hidden one, and what a killed process left is removed by the next.

    Parameters
    ----------
    path : str or Path
        What to write. A regular file that exists is replaced by one with its mode
        and, where that is permitted, its owner. A link is followed.
    sync : bool
        Wait until the data are on the disk, for files that cannot be made again.

    Raises
    ------
    ZooError
        If there is something that is no regular file, or the folder cannot be
        written to, does not exist, or the disk is full.

    Examples
    --------
    >>> with atomic_write("edsr_x2.cfg") as file:
    ...     file.write(b"[net]")
    """
    try:
        # Renaming onto a link would replace the link, not the file behind it.
        target = Path(os.path.realpath(path))
        old = _replaceable(path, target)
        handle, name = _create(target, 0o666 if old is None else 0o600)
    except (OSError, ValueError) as error:
        raise _write_error(path, error) from None
    done = False
    try:
        with os.fdopen(handle, "w+b") as file:
            try:
                yield file
            except OSError as error:
                # A full disk shows here; an error about another file stays as it is.
                if error.filename is not None:
                    raise
                raise _write_error(path, error) from error
            try:
                file.flush()
                if old is not None:
                    _take_over(file.fileno(), old)
                if sync:
                    os.fsync(file.fileno())
                if name is None:
                    name = _give_name(file.fileno(), target)
                    done = name is None
            except OSError as error:
                raise _write_error(path, error) from error
        if name is not None:
            try:
                os.replace(name, target)
            except OSError as error:
                raise _write_error(path, error) from error
            done = True
    finally:
        if not done and name is not None:
            with suppress(OSError):
                os.unlink(name)


def _replaceable(path: str | Path, target: Path) -> os.stat_result | None:
    """What is known of the file to be replaced, or None if there is none."""
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise ZooError(f"{str(path)!r} is a folder; give the name of a file")
    if not stat.S_ISREG(old.st_mode):
        raise ZooError(
            f"{str(path)!r} is a device or a pipe, which is never replaced; "
            f"give the name of a file, or - for standard output"
        )
    return old


def _create(target: Path, mode: int) -> tuple[int, str | None]:
    """A new file in the folder of ``target``: without a name if that can be."""
    unnamed = getattr(os, "O_TMPFILE", 0)
    if unnamed and os.path.isdir("/proc/self/fd"):
        try:
            return os.open(target.parent, unnamed | os.O_RDWR | _CLOEXEC, mode), None
        except OSError as error:
            # Kernels and file systems that cannot do it say so in several ways.
            if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EROFS):
                raise
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | _CLOEXEC | getattr(os, "O_BINARY", 0)
    name = hidden_beside(target)
    handle = os.open(name, flags, mode)
    hold(handle)
    return handle, name


def _take_over(handle: int, old: os.stat_result) -> None:
    """Give a file the mode and the owner of another."""
    if not hasattr(os, "fchmod"):  # Windows
        return
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(handle, old.st_uid, old.st_gid)
        except OSError:  # only root may give files away; the group may still go
            with suppress(OSError):
                os.fchown(handle, -1, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _give_name(handle: int, target: Path) -> str | None:
    """Name a file without one like ``target``.

    Returns
    -------
    str or None
        None if it has that name now; else the one it got because there is a file
        of that name, which only renaming can replace.
    """
    source = f"/proc/self/fd/{handle}"
    hold(handle)
    for name in (str(target), hidden_beside(target)):
        folder = os.open(target.parent, os.O_RDONLY | _CLOEXEC)
        try:
            # Python follows links only if it is also given a folder.
            os.link(source, name, src_dir_fd=folder, follow_symlinks=True)
        except FileExistsError:
            continue
        finally:
            os.close(folder)
        return None if name == str(target) else name
    raise FileExistsError(errno.EEXIST, "a hidden file of a random name exists")


def _write_error(path: str | Path, error: Exception) -> ZooError:
    """One sentence for a failure to write."""
    reason = getattr(error, "strerror", None) or str(error)
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError):
        return ZooError(f"{str(path)!r} cannot be written: there is no folder {folder}")
    if isinstance(error, PermissionError):
        return ZooError(
            f"{str(path)!r} cannot be written: no permission to write in {folder}"
        )
    return ZooError(f"{str(path)!r} cannot be written: {reason}")
