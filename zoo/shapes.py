"""What flows between layers: arrays, and their sizes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Shape"]

Array = NDArray[np.floating[Any]]
"""Real numbers: float32, or float64 where gradients are checked."""


class Shape(NamedTuple):
    """Height, width and channels of one image; the batch axis is left out."""

    height: int
    width: int
    channels: int

    @property
    def size(self) -> int:
        """Number of values in one image."""
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"
