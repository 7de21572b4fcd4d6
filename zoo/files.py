"""Reading the head of a file; writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zoo.errors import ReaderError, UsageError, ZooError

__all__ = ["atomic_path", "atomic_write", "read_head", "refuse_existing"]


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


def refuse_existing(path: Path) -> None:
    """Raise UsageError if there is something of that name already."""
    if path.exists():
        raise UsageError(f"{str(path)!r} exists; --force overwrites it")


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


@contextmanager
def atomic_path(path: str | Path, *, sync: bool = False) -> Iterator[Path]:
    """Give a temporary name beside ``path`` and rename it when the block succeeds.

    For libraries that open files themselves. The temporary file exists, is empty
    and hidden, and keeps the suffix of ``path``. If the block raises anything,
    KeyboardInterrupt included, it is removed and ``path`` stays as it was.

    Parameters
    ----------
    path : str or Path
        What to write; replaced if it exists. A link is followed.
    sync : bool
        Wait until the data are on the disk, for files that cannot be made again.

    Raises
    ------
    ZooError
        If the folder cannot be written to, does not exist, or the disk is full.
    """
    try:
        # Renaming onto a link would replace the link, not the file behind it.
        target = Path(os.path.realpath(path))
        if target.is_dir():
            raise ZooError(f"{str(path)!r} is a folder; give the name of a file")
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:100]}.",
            suffix=target.suffix[:50],
            dir=target.parent,
        )
        os.close(handle)
    except (OSError, ValueError) as error:
        raise _write_error(path, error) from None
    temporary = Path(name)
    done = False
    try:
        try:
            yield temporary
        except OSError as error:
            # A full disk shows here; an error about another file stays as it is.
            if error.filename not in (None, name, temporary):
                raise
            raise _write_error(path, error) from error
        try:
            # mkstemp makes files that only the owner can read.
            os.chmod(temporary, 0o666 & ~_umask())
            if sync:
                with open(temporary, "rb+") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, target)
        except OSError as error:
            raise _write_error(path, error) from error
        done = True
    finally:
        if not done:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def atomic_write(path: str | Path, *, sync: bool = False) -> Iterator[IO[bytes]]:
    """Open a binary file that appears under ``path`` when the block succeeds.

    See :func:`atomic_path`, whose parameters and errors it shares.

    Examples
    --------
    >>> with atomic_write("edsr_x2.cfg") as file:
    ...     file.write(b"[net]")
    """
    with atomic_path(path, sync=sync) as temporary, open(temporary, "wb") as file:
        yield file


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
