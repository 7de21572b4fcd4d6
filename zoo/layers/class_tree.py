"""Softmax over the groups of a class tree, for the layers that have one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer
from zoo.parsers.tree import ClassTree, read_tree

__all__ = ["TREE_KEY", "TreeLayer", "group_softmax"]

TREE_KEY = Key(
    "tree", "str", "", "file of Darknet's class tree, seen from the current folder"
)


class TreeLayer(Layer):
    """A layer with the key ``tree``; the file is read when it is first needed."""

    tree: str

    @property
    def class_tree(self) -> ClassTree:
        """The tree.

        Raises
        ------
        ReaderError
            If the file is missing or no tree.
        """
        return _tree(self.tree)

    def groups_of(self, classes: int) -> tuple[tuple[int, int], ...]:
        """First class and the one after the last, of each group.

        Raises
        ------
        ShapeError
            If the tree has another number of classes.
        """
        if len(self.class_tree) != classes:
            raise ShapeError(
                f"the class tree {self.tree!r} has {len(self.class_tree)} classes, and "
                f"the layer {classes}"
            )
        return self.class_tree.groups


@lru_cache(maxsize=4)
def _tree(path: str) -> ClassTree:
    return read_tree(path)


def group_softmax(x: Array, groups: tuple[tuple[int, int], ...]) -> Array:
    """Softmax over each group of the last axis."""
    y = np.empty_like(x)
    for first, last in groups:
        part = x[..., first:last]
        powers = np.exp(part - part.max(axis=-1, keepdims=True))
        y[..., first:last] = powers / powers.sum(axis=-1, keepdims=True)
    return y
