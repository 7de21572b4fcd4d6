"""ncnn's numbers (``.bin``): arrays one after the other, without names or sizes.

What comes next, and how long it is, only the ``.param`` tells. Weights begin with a
tag of four bytes:

==========  =========================================================
0x01306b47  half floats, padded to a multiple of four bytes
0x000d4b38  8-bit integers
0x0002c056  floats
0           floats
other       256 floats, then a byte per weight that picks one of them
==========  =========================================================

Biases, slopes and constants are floats without a tag.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError

__all__ = ["TAGS", "NcnnNumbers"]

_HALF = b"\x47\x6b\x30\x01"
_INT8 = b"\x38\x4b\x0d\x00"
_FLOAT = b"\x56\xc0\x02\x00"

TAGS = (_HALF, _INT8, _FLOAT)
"""How the weights of a first convolution may begin, besides with four zeros."""


class NcnnNumbers:
    """The numbers of a ``.bin`` file, to be taken in order.

    Parameters
    ----------
    data : bytes
    source : str
        The file's name in messages.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._at = 0
        self.source = source

    @property
    def remaining(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def floats(self, count: int, what: str) -> NDArray[np.float32]:
        """Take ``count`` floats without a tag.

        Raises
        ------
        ReaderError
            If there are fewer left.
        """
        return self._take(count, "<f4", what)

    def weights(self, count: int, what: str) -> NDArray[np.float32]:
        """Take ``count`` weights, in whatever form their tag says.

        Raises
        ------
        ReaderError
            If there are fewer left, or they are 8-bit integers, whose factors go
            with quantised activations.
        """
        tag = self._take(4, "|u1", what).tobytes()
        if tag == _INT8:
            raise ReaderError(
                f"{self.source}: {what} are 8-bit integers, made for quantised "
                f"arithmetic, which zoo has not; give the float16 or float32 model"
            )
        if tag == _HALF:
            values = self._take(count, "<f2", what)
            if count % 2:
                self._take(2, "|u1", what)
            return values.astype(np.float32)
        if tag in (_FLOAT, bytes(4)):
            return self._take(count, "<f4", what)
        table = self._take(256, "<f4", what)
        picks = self._take(count, "|u1", what)
        self._take(-count % 4, "|u1", what)
        return table[picks]

    def _take(self, count: int, dtype: str, what: str) -> NDArray[np.float32]:
        size = count * np.dtype(dtype).itemsize
        if count < 0 or size > self.remaining:
            raise ReaderError(
                f"{self.source} ends too early: {what} take {size} bytes at byte "
                f"{self._at} and {self.remaining} are left; it is truncated, or "
                f"belongs to another .param"
            )
        values = np.frombuffer(self._data, dtype, count, self._at)
        self._at += size
        return values
