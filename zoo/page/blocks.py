"""Values as they are stored, packed for a page; zoo/page/decode.js unpacks them.

Numbers of up to 32 bits become differences to the one a pixel before, modulo their
range; then bytes of one place lie together, and zlib packs them. Nothing is lost.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError
from zoo.tables import mebibytes

__all__ = ["MOST_BYTES", "Blocks", "PageFull", "packed", "storable"]

MOST_BYTES = 256 << 20
"""Bytes of values, not compressed, that one page may hold: browsers hold a text of half
a gigabyte, and photographs in base64 take little less than their bytes."""


class PageFull(ZooError):
    """A page would hold more than it may."""


_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
_OTHERS = {"float16": "float32", "bool": "uint8"}


def storable(values: NDArray[Any]) -> NDArray[Any]:
    """The same values in a type that a page knows, little-endian, in C order.

    Those of 64 bits that whole numbers of 32 do not hold become float64, which is
    exact up to 2^53.
    """
    name = values.dtype.name
    if name not in _TYPES:
        name = _OTHERS.get(name, "float64")
        if values.dtype.kind in "iu" and values.size:
            low, high = int(values.min()), int(values.max())
            if -(2**31) <= low and high < 2**31:
                name = "int32"
    return np.ascontiguousarray(values, np.dtype(name).newbyteorder("<"))


def packed(values: NDArray[Any], step: int) -> bytes:
    """The bytes of a block.

    Parameters
    ----------
    values : ndarray
        Of :func:`storable`.
    step : int
        Numbers in a pixel.
    """
    size = values.dtype.itemsize
    numbers = values.reshape(-1).view(f"<u{size}")
    if size <= 4:
        differences = numbers.copy()
        differences[step:] -= numbers[:-step]
        numbers = differences
    return zlib.compress(numbers.view(np.uint8).reshape(-1, size).T.tobytes(), 6)


class Blocks:
    """The blocks of one page."""

    def __init__(self) -> None:
        self._packed: list[str] = []
        self.size = 0

    def add(self, values: NDArray[Any], step: int) -> dict[str, Any]:
        """Pack values; what a script needs to find them again.

        Raises
        ------
        PageFull
            If the page would hold more than :data:`MOST_BYTES`.
        """
        plain = storable(values)
        self.require_room(plain.nbytes)
        self.size += plain.nbytes
        text = base64.b64encode(packed(plain, step)).decode("ascii")
        self._packed.append(text)
        return {"block": len(self._packed) - 1, "dtype": plain.dtype.name}

    def require_room(self, size: int) -> None:
        """Refuse so many bytes more than there are, if they are too many.

        Raises
        ------
        PageFull
            If the page would hold more than :data:`MOST_BYTES`.
        """
        if self.size + size > MOST_BYTES:
            raise PageFull(
                f"the page would hold {mebibytes(self.size + size)} MiB of pixels, and "
                f"may hold {mebibytes(MOST_BYTES)}; give fewer files or smaller ones"
            )

    def html(self) -> str:
        """Elements for the page, which are data and never run."""
        return "".join(
            f'<script type="application/octet-stream" id="block{number}">{text}</script>'
            for number, text in enumerate(self._packed)
        )
