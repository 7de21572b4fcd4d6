"""A bound for what a few bytes of a file can ask for."""

from __future__ import annotations

__all__ = ["Room"]


class Room:
    """How many outputs all nodes with several may have together.

    A node of a few bytes can ask for thousands.

    Parameters
    ----------
    nodes : int
        Nodes of the file.
    """

    def __init__(self, nodes: int) -> None:
        self._left = 4096 + 4 * nodes

    def has(self, count: int) -> bool:
        """Whether there is room for so many more; if so, it is taken."""
        if not 1 <= count <= self._left:
            return False
        self._left -= count
        return True
