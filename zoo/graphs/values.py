"""What flows along a graph while it is traced: constants, and views of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.axes import Axes, length
from zoo.graphs.draft import Step
from zoo.graphs.errors import Damaged

__all__ = ["Const", "PictureView", "Unknown", "Value"]

LARGEST = 1 << 28
"""Values of a picture at the sizes that are tried."""


@dataclass(frozen=True)
class Const:
    """An array that does not depend on the picture.

    Attributes
    ----------
    array : ndarray
    origins : frozenset of str
        Constants of the graph that it was computed of.
    """

    array: NDArray[Any]
    origins: frozenset[str] = frozenset()

    @property
    def single(self) -> float | None:
        """The number it holds, if all its values are one number."""
        flat = self.array.reshape(-1)
        if flat.size and (flat.size == 1 or (flat == flat[0]).all()):
            return float(flat[0])
        return None


@dataclass(frozen=True)
class PictureView:
    """A picture through axes of the graph: a view in NumPy's sense, nothing moves.

    Attributes
    ----------
    step : Step
    axes : tuple of tuple of Atom
    """

    step: Step
    axes: Axes

    def __post_init__(self) -> None:
        if math.prod(self.shape) > LARGEST:
            raise Damaged("it asks for far more values than a picture has")

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(length(axis) for axis in self.axes)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def like(self) -> NDArray[np.float32]:
        """An array of its shape that takes no memory."""
        return np.broadcast_to(np.float32(0), self.shape)


@dataclass(frozen=True)
class Unknown:
    """What a node makes that has no translation."""


Value = Const | PictureView | Unknown
