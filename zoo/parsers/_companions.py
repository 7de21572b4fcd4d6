"""Files that belong to another, found beside it and nowhere else.

What a file says of the place of its weights is not trusted: nothing outside its
folder is read, neither by an absolute path, by ``..``, nor through a link - unless
the file itself is a link to where the other lies, as in the caches of downloaders,
whose files are links into one folder.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["beside", "read_bytes", "read_text"]


def read_bytes(
    path: Path, most: int | None = None, what: str = "a checkpoint"
) -> bytes:
    """Read a file whole.

    Parameters
    ----------
    path : Path
    most : int, optional
        Bytes that it may have.
    what : str
        What it should be, for the message.

    Raises
    ------
    ReaderError
        If it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            data = file.read() if most is None else file.read(most + 1)
    except OSError as error:
        raise ReaderError(f"{path}: {error.strerror or error}") from None
    if most is not None and len(data) > most:
        raise ReaderError(f"{path}: with more than {most >> 20} MiB, it is not {what}")
    return data


def read_text(path: Path, most: int, what: str) -> str:
    """Read a text file whole.

    Raises
    ------
    ReaderError
        If it cannot be read, is larger than ``most`` bytes or is not UTF-8.
    """
    data = read_bytes(path, most, what)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReaderError(
            f"{path}: it is not {what}: byte {error.start} is no text"
        ) from None


def beside(owner: Path, name: str) -> Path:
    """Find the file that ``owner`` calls ``name``.

    Parameters
    ----------
    owner : Path
    name : str
        A relative path, within the owner's folder.

    Raises
    ------
    ReaderError
        If the name leads out of the folder, or there is no such file.
    """
    parts = PurePosixPath(name).parts
    windows = PureWindowsPath(name)
    if not parts or "\0" in name:
        raise ReaderError(f"{owner}: it names no file for its weights")
    outside = (
        ".." in (*parts, *windows.parts) or name[:1] in "/\\" or windows.drive != ""
    )
    path = owner.parent.joinpath(*parts)
    if not outside:
        folder = os.path.realpath(owner.parent)
        real = os.path.realpath(path)
        # A cache of downloads: both are links into one folder.
        cache = os.path.dirname(os.path.realpath(owner))
        outside = not (
            real.startswith(os.path.join(folder, ""))
            or (owner.is_symlink() and os.path.dirname(real) == cache)
        )
    if outside:
        raise ReaderError(
            f"{owner}: its weights are in {quoted(name)}, outside its folder; put them "
            f"beside it"
        )
    if not path.is_file():
        raise ReaderError(
            f"{owner}: its weights are in {quoted(name)}, which is not beside it; put "
            f"the file there"
        )
    return path
