"""How windows move over an image, and how its borders and channels are arranged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

__all__ = [
    "ConvGeometry",
    "PadMode",
    "Padding",
    "PoolGeometry",
    "ShuffleOrder",
    "Taps",
]

PadMode = Literal["zero", "symmetric", "edge"]
"""What is added: zeros, the mirrored border (b a | a b c), or its last pixel."""
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
