"""Tensors of a file that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LazyTensors", "shape_of"]


class LazyTensors(Mapping[str, NDArray[Any]]):
    """A mapping whose arrays are made when first used, and kept.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Of every tensor, known without reading it.
    read : callable
        Makes the array of a name; raises ReaderError if it cannot.
    """

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        read: Callable[[str], NDArray[Any]],
    ) -> None:
        self.shapes = dict(shapes)
        self._read = read
        self._known: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._known:
            if name not in self.shapes:
                raise KeyError(name)
            self._known[name] = self._read(name)
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def shape_of(tensors: Mapping[str, NDArray[Any]], name: str) -> tuple[int, ...]:
    """The shape of one tensor; a lazy one is not read for it."""
    if isinstance(tensors, LazyTensors):
        return tensors.shapes[name]
    return tuple(np.shape(tensors[name]))
