"""Memory of large results, used again when nobody holds them any more.

The system zeroes fresh memory: for a 3x3 convolution of 3 channels to 100 on four images
of 256x256 (105 MB) that took longer than the convolution itself.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["empty"]

_LARGE = 1 << 22
_MOST = 1 << 29
"""Bytes that are watched: so much may wait for a next result."""
_SLACK = 1.25  # times the size that is needed

_lock = threading.Lock()
_watched: list[NDArray[np.uint8]] = []


def empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """As ``numpy.empty``; of a large result the memory is used again later.

    Every array that looks into a block of memory holds a reference to it, so a block
    without others than this module's is free.
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if not _LARGE <= size <= _MOST:
        return np.empty(shape, dtype)
    with _lock:
        block = _block(size)
        return block[:size].view(dtype).reshape(shape)


def _block(size: int) -> NDArray[np.uint8]:
    for index, count in enumerate(_references(_watched)):
        if count == _FREE and size <= _watched[index].size <= _SLACK * size:
            return _watched[index]
    while sum(block.size for block in _watched) + size > _MOST:
        free = [i for i, n in enumerate(_references(_watched)) if n == _FREE]
        if not free:
            return np.empty(size, np.uint8)
        del _watched[free[0]]
    _watched.append(np.empty(size, np.uint8))
    return _watched[-1]


def _references(blocks: list[NDArray[np.uint8]]) -> list[int]:
    return [sys.getrefcount(block) for block in blocks]


# As this Python counts those of a list and of the loop.
_FREE = _references([np.empty(1, np.uint8)])[0]
