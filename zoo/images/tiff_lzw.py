"""LZW of TIFF (TIFF 6.0, section 13), in array operations.

A code stands for the string of an earlier code and the byte after it. Strings lie
in the output one after the other, so a code is a copy of earlier output, one byte
longer than the string of the code it refers to; and where each code begins in the
bits depends only on its number since the last clear code. So codes are read,
lengths found and bytes copied for a whole table at a time, by pointer doubling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.images.broken import Broken

__all__ = ["decode"]

_CLEAR, _END = 256, 257
_FULL = 4096
_STEP = 4096

Numbers = NDArray[np.int64]


def decode(data: bytes, size: int) -> bytes:
    """Decode a strip or tile.

    Parameters
    ----------
    data : bytes
    size : int
        Enough bytes; decoding may stop there.

    Raises
    ------
    Broken
        With what was decoded before the fault.
    """
    source = np.zeros(len(data) + 3, np.uint8)
    source[: len(data)] = np.frombuffer(data, np.uint8)
    end = 8 * len(data)
    parts: list[bytes] = []
    length = position = 0
    while length < size:
        codes, position, stop = _codes(source, position, end)
        part, fault = _strings(codes, size - length)
        parts.append(part)
        length += len(part)
        if fault:
            raise Broken(b"".join(parts), "its LZW data make no sense")
        if stop != _CLEAR:
            break
    return b"".join(parts)


def _codes(
    source: NDArray[np.uint8], position: int, end: int
) -> tuple[Numbers, int, int]:
    """Codes up to the next clear or end code.

    Returns
    -------
    codes : ndarray
    position : int
        Of the bit after the code that ended them.
    stop : int
        That code; -1 where the data end without one.
    """
    count = _STEP
    while True:
        starts, widths = _places(count)
        starts = starts + position
        inside = int(np.searchsorted(starts + widths, end, side="right"))
        starts, widths = starts[:inside], widths[:inside]
        at = starts >> 3
        window = (
            source[at].astype(np.int64) << 16
            | source[at + 1].astype(np.int64) << 8
            | source[at + 2]
        )
        codes = window >> (24 - (starts & 7) - widths) & ((1 << widths) - 1)
        special = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if len(special):
            first = int(special[0])
            after = int(starts[first] + widths[first])
            return codes[:first], after, int(codes[first])
        if inside < count:
            return codes, end, -1
        count *= 2  # an encoder that goes on with a full table


def _places(count: int) -> tuple[Numbers, Numbers]:
    """First bit and width of each code after a clear code."""
    number = np.arange(count)
    # After code i the table has 258 + i entries; one early, a code gets wider.
    widths = 9 + (number > 253).astype(np.int64) + (number > 765) + (number > 1789)
    return np.cumsum(widths) - widths, widths


def _strings(codes: Numbers, limit: int) -> tuple[bytes, bool]:
    """What codes mean, up to the first that means nothing; whether there is one.

    Codes that begin behind ``limit`` bytes are left out.
    """
    number = np.arange(len(codes))
    refers = codes > _END
    newest = np.minimum(257 + number, _FULL - 1)
    wrong = np.flatnonzero(refers & (codes > newest))
    fault = len(wrong) > 0
    if fault:
        good = int(wrong[0])
        codes, number, refers = codes[:good], number[:good], refers[:good]
    if not len(codes):
        return b"", fault
    source = np.where(refers, codes - 258, number)
    lengths = 1 + _depth(source)
    starts = np.cumsum(lengths) - lengths
    used = int(np.searchsorted(starts, limit, side="right"))
    if used < len(codes):
        fault = False
        codes, refers = codes[:used], refers[:used]
        source, lengths, starts = source[:used], lengths[:used], starts[:used]
    total = int(lengths.sum())
    output = np.arange(total, dtype=np.int32)
    # Byte k of a code is byte k from the start of the code it refers to.
    origin = output - np.repeat((starts - starts[source]).astype(np.int32), lengths)
    while True:
        further = origin[origin]
        if np.array_equal(further, origin):
            break
        origin = further
    literals = np.zeros(total, np.uint8)
    plain = ~refers
    literals[starts[plain]] = codes[plain]
    return literals[origin].tobytes(), fault


def _depth(source: Numbers) -> Numbers:
    """How many references lead from each code to a literal one."""
    depth = (source != np.arange(len(source))).astype(np.int64)
    while depth[source].any():
        depth = depth + depth[source]
        source = source[source]
    return depth
