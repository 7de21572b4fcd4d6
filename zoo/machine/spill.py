"""Arrays that may be larger than the memory that they should take.

A huge result is made once from top to bottom and written once: where it lies in a file,
its pages need not stay in memory between the two.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["release", "roomy"]

_LARGE = 1 << 27


def roomy(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array, not initialised, which lies in a file if it is huge.

    The file has no name and is in the folder for temporary files (``TMPDIR``). Its room
    is taken at once: a disk that is full shows here, where the array then is in memory.

    Parameters
    ----------
    shape : tuple of int
    dtype : data type
    """
    size = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if size < _LARGE or not hasattr(mmap, "MADV_DONTNEED"):
        return np.empty(shape, dtype)
    try:
        with tempfile.TemporaryFile() as file:
            os.posix_fallocate(file.fileno(), 0, size)
            pages = mmap.mmap(file.fileno(), size)
    except (OSError, AttributeError):
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, pages)


def release(array: NDArray[Any]) -> None:
    """Let the pages of an array go that lies in a file; others stay as they are.

    Values stay too: they are read again when they are looked at.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, memoryview):
        owner = owner.obj
    if isinstance(owner, mmap.mmap):
        owner.madvise(mmap.MADV_DONTNEED)
