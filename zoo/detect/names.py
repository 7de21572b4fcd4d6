"""Names of classes: a line each."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import ReaderError

__all__ = ["name_of", "read_names"]

_MOST_BYTES = 4 * 2**20


def read_names(path: str | Path) -> tuple[str, ...]:
    """Read a .names file: the name of class 0 in the first line, and so on.

    Raises
    ------
    ReaderError
        If it cannot be read, or holds no names.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ReaderError(
            f"the names {str(path)!r} cannot be read: {error.strerror}"
        ) from None
    names = [line.strip() for line in text.splitlines()]
    while names and not names[-1]:
        names.pop()
    if not names or len(text) > _MOST_BYTES or "\0" in text:
        raise ReaderError(
            f"{str(path)!r} is no list of names; it has a line for each class"
        )
    return tuple(names)


def name_of(names: tuple[str, ...] | None, index: int) -> str:
    """The name of a class, or its number."""
    if names is not None and index < len(names) and names[index]:
        return names[index]
    return f"class {index}"
