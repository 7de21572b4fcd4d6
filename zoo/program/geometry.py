"""How windows move over an image, and how its borders and channels are arranged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "PAD_MODES",
    "ConvGeometry",
    "PadMode",
    "Padding",
    "PoolGeometry",
    "ShuffleOrder",
    "Taps",
    "Window",
    "source_cells",
]

PadMode = Literal["zero", "symmetric", "edge", "reflect"]
"""What is added: zeros, the mirrored border with its last pixel (b a | a b c) or
without (c b | a b c; reflect), or its last pixel alone (edge)."""
PAD_MODES: tuple[PadMode, ...] = get_args(PadMode)
ShuffleOrder = Literal["crd", "dcr"]
"""Which channel holds which pixel: see :meth:`zoo.plugins.base.Kernels.depth_to_space`."""
Taps = Sequence[Sequence[tuple[int, float]]]
"""For every result along an axis, the places it is made of, and their weights."""


class Padding(NamedTuple):
    """Rows and columns added around an image."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


class ConvGeometry(NamedTuple):
    """How a convolution moves over the image; pairs are (vertical, horizontal)."""

    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: Padding = Padding()
    pad_mode: PadMode = "zero"
    groups: int = 1


class PoolGeometry(NamedTuple):
    """How a pooling window moves over the image; pairs are (vertical, horizontal)."""

    size: tuple[int, int]
    stride: tuple[int, int]
    padding: Padding = Padding()


class Window(NamedTuple):
    """A part of a picture: first and last + 1 of its rows, and of its columns."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def slices(self) -> tuple[slice, slice]:
        """As an index of a whole picture."""
        return slice(*self.rows), slice(*self.columns)

    def within(self, outer: Window) -> tuple[slice, slice]:
        """As an index of a larger window."""
        (top, _), (left, _) = outer
        rows, columns = self
        return (
            slice(rows[0] - top, rows[1] - top),
            slice(columns[0] - left, columns[1] - left),
        )


def source_cells(first: int, last: int, length: int, mode: PadMode) -> NDArray[np.intp]:
    """Image cells that the padded positions [first, last) show; -1 is a zero.

    Mirrors are mirrored again where the border is longer than the image.
    """
    cells = np.arange(first, last, dtype=np.intp)
    if mode == "zero":
        return np.where((cells >= 0) & (cells < length), cells, -1)
    if mode == "edge":
        return np.clip(cells, 0, length - 1)
    if mode == "symmetric":
        # ... 1 0 | 0 1 2 | 2 1 0 | 0 ...: the period is twice the length.
        cells = np.mod(cells, 2 * length)
        return np.minimum(cells, 2 * length - 1 - cells)
    cells = np.mod(cells, max(2 * length - 2, 1))
    return np.minimum(cells, 2 * length - 2 - cells)
