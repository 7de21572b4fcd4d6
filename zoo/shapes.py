"""Sizes of what flows between layers."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Shape"]


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
