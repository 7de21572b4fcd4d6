"""How decoders say that data are broken, and what they got of them."""

from __future__ import annotations

import zlib

__all__ = ["Broken", "inflated"]

_PIECE = 4096


class Broken(Exception):
    """Data that cannot be decoded to their end.

    Parameters
    ----------
    partial : bytes
        What was decoded before the fault.
    reason : str
        As in "is damaged: REASON".
    """

    def __init__(self, partial: bytes, reason: str) -> None:
        super().__init__(reason)
        self.partial = partial
        self.reason = reason


def inflated(data: bytes, size: int) -> bytes:
    """As many bytes, of so many wanted, as can be had of damaged deflated data."""
    stream = zlib.decompressobj()
    result = bytearray()
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        before = stream.copy()
        try:
            result += stream.decompress(piece, max(1, size - len(result)))
        except zlib.error:
            result += _bytewise(before, piece)
            break
        if len(result) >= size:
            break
    return bytes(result[:size])


def _bytewise(stream: zlib._Decompress, piece: bytes) -> bytes:
    """What comes before the byte that is wrong."""
    result = bytearray()
    for index in range(len(piece)):
        try:
            result += stream.decompress(piece[index : index + 1])
        except zlib.error:
            break
    return bytes(result)
