"""Darknet's class trees: a line ``name parent`` for each class, in order.

The parent is the number of an earlier line, or -1. Classes in a row with one parent are
a group, whose probabilities add up to that of the parent. (``read_tree`` of both
Darknets.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError

__all__ = ["ClassTree", "read_tree"]

_MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class ClassTree:
    """A tree of classes.

    Attributes
    ----------
    names : tuple of str
    parents : ndarray of int
        Number of each class's parent, -1 for none.
    groups : tuple of (int, int)
        First class and the one after the last, of each group.
    """

    names: tuple[str, ...]
    parents: NDArray[np.int64]
    groups: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.names)

    def absolute(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the classes from those within their groups (last axis)."""
        result = values.copy()
        for index, parent in enumerate(self.parents):
            if parent >= 0:
                result[..., index] *= result[..., parent]
        return result


def read_tree(path: str | Path) -> ClassTree:
    """Read a class tree.

    Raises
    ------
    ReaderError
        If the file is missing, or a line is not ``name parent``.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ReaderError(
            f"the class tree {str(path)!r} cannot be read: {error.strerror}; its path "
            f"is that of the cfg's key tree, seen from the current folder"
        ) from None
    if len(text) > _MOST_BYTES:
        raise ReaderError(f"{str(path)!r} is too large for a class tree")
    names: list[str] = []
    parents: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            name, parent = words[0], int(words[1])
        except (IndexError, ValueError):
            raise ReaderError(
                f"{path}:{number}: {line[:60]!r} is not a name and the number of its "
                f"parent; this is no class tree"
            ) from None
        if not -1 <= parent < len(names):
            raise ReaderError(
                f"{path}:{number}: the parent {parent} of {name[:60]!r} does not come "
                f"before it"
            )
        names.append(name)
        parents.append(parent)
    if not names:
        raise ReaderError(f"{str(path)!r} holds no classes")
    starts = [0, *(i for i in range(1, len(names)) if parents[i] != parents[i - 1])]
    groups = tuple(zip(starts, [*starts[1:], len(names)], strict=True))
    return ClassTree(tuple(names), np.array(parents, np.int64), groups)
