"""Fax compression of TIFF: Modified Huffman, Group 3 and Group 4.

ITU-T T.4 and T.6. A row is a list of places where the colour changes, white first.
Rows are coded by lengths of runs, or by how their changes differ from those of the
row above. libtiff decodes damaged rows as it can and only some versions of OpenCV
let it say so; here what is no code is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.images.broken import Broken

__all__ = ["decode"]

# Codes of T.4, tables 2 and 3: terminating codes of 0 to 63, then make-up codes of
# 64, 128, ... 1728; table 3b: make-up codes of 1792 to 2560 of both colours.
_WHITE = [
    "00110101",
    "000111",
    "0111",
    "1000",
    "1011",
    "1100",
    "1110",
    "1111",
    "10011",
    "10100",
    "00111",
    "01000",
    "001000",
    "000011",
    "110100",
    "110101",
    "101010",
    "101011",
    "0100111",
    "0001100",
    "0001000",
    "0010111",
    "0000011",
    "0000100",
    "0101000",
    "0101011",
    "0010011",
    "0100100",
    "0011000",
    "00000010",
    "00000011",
    "00011010",
    "00011011",
    "00010010",
    "00010011",
    "00010100",
    "00010101",
    "00010110",
    "00010111",
    "00101000",
    "00101001",
    "00101010",
    "00101011",
    "00101100",
    "00101101",
    "00000100",
    "00000101",
    "00001010",
    "00001011",
    "01010010",
    "01010011",
    "01010100",
    "01010101",
    "00100100",
    "00100101",
    "01011000",
    "01011001",
    "01011010",
    "01011011",
    "01001010",
    "01001011",
    "00110010",
    "00110011",
    "00110100",
    "11011",
    "10010",
    "010111",
    "0110111",
    "00110110",
    "00110111",
    "01100100",
    "01100101",
    "01101000",
    "01100111",
    "011001100",
    "011001101",
    "011010010",
    "011010011",
    "011010100",
    "011010101",
    "011010110",
    "011010111",
    "011011000",
    "011011001",
    "011011010",
    "011011011",
    "010011000",
    "010011001",
    "010011010",
    "011000",
    "010011011",
]
_BLACK = [
    "0000110111",
    "010",
    "11",
    "10",
    "011",
    "0011",
    "0010",
    "00011",
    "000101",
    "000100",
    "0000100",
    "0000101",
    "0000111",
    "00000100",
    "00000111",
    "000011000",
    "0000010111",
    "0000011000",
    "0000001000",
    "00001100111",
    "00001101000",
    "00001101100",
    "00000110111",
    "00000101000",
    "00000010111",
    "00000011000",
    "000011001010",
    "000011001011",
    "000011001100",
    "000011001101",
    "000001101000",
    "000001101001",
    "000001101010",
    "000001101011",
    "000011010010",
    "000011010011",
    "000011010100",
    "000011010101",
    "000011010110",
    "000011010111",
    "000001101100",
    "000001101101",
    "000011011010",
    "000011011011",
    "000001010100",
    "000001010101",
    "000001010110",
    "000001010111",
    "000001100100",
    "000001100101",
    "000001010010",
    "000001010011",
    "000000100100",
    "000000110111",
    "000000111000",
    "000000100111",
    "000000101000",
    "000001011000",
    "000001011001",
    "000000101011",
    "000000101100",
    "000001011010",
    "000001100110",
    "000001100111",
    "0000001111",
    "000011001000",
    "000011001001",
    "000001011011",
    "000000110011",
    "000000110100",
    "000000110101",
    "0000001101100",
    "0000001101101",
    "0000001001010",
    "0000001001011",
    "0000001001100",
    "0000001001101",
    "0000001110010",
    "0000001110011",
    "0000001110100",
    "0000001110101",
    "0000001110110",
    "0000001110111",
    "0000001010010",
    "0000001010011",
    "0000001010100",
    "0000001010101",
    "0000001011010",
    "0000001011011",
    "0000001100100",
    "0000001100101",
]
_LONG = [
    "00000001000",
    "00000001100",
    "00000001101",
    "000000010010",
    "000000010011",
    "000000010100",
    "000000010101",
    "000000010110",
    "000000010111",
    "000000011100",
    "000000011101",
    "000000011110",
    "000000011111",
]
_PASS, _HORIZONTAL = -100, -101
# T.4, table 4: vertical modes by the distance of a1 from b1.
_MODES = {
    "0001": _PASS,
    "001": _HORIZONTAL,
    "1": 0,
    "011": 1,
    "000011": 2,
    "0000011": 3,
    "010": -1,
    "000010": -2,
    "0000010": -3,
}
_WINDOW = 13
_END_OF_LINE = 12  # bits of 000000000001

_Table = list[tuple[int, int]]


def _table(codes: dict[str, int]) -> _Table:
    """Bits and meaning of the code that a window of 13 bits begins with."""
    table = [(0, 0)] * (1 << _WINDOW)
    for code, meaning in codes.items():
        free = _WINDOW - len(code)
        first = int(code, 2) << free
        table[first : first + (1 << free)] = [(len(code), meaning)] * (1 << free)
    return table


def _runs(codes: Sequence[str]) -> _Table:
    lengths = [*range(64), *range(64, 1729, 64)]
    pairs = dict(zip(codes, lengths, strict=True))
    pairs |= dict(zip(_LONG, range(1792, 2561, 64), strict=True))
    return _table(pairs)


_RUNS = (_runs(_WHITE), _runs(_BLACK))
_TWO_DIMENSIONAL = _table(_MODES)


def decode(
    data: bytes, width: int, height: int, compression: int, options: int = 0
) -> bytes:
    """Decode a strip.

    Parameters
    ----------
    data : bytes
        The first bit of a row is the highest of a byte.
    width, height : int
    compression : {2, 3, 4}
        The TIFF tag: Modified Huffman, Group 3, Group 4.
    options : int
        The tag T4Options: bit 0 says that rows may be coded in two dimensions.

    Returns
    -------
    bytes
        Packed rows, black 1.

    Raises
    ------
    Broken
        With the rows before the fault.
    """
    reader = _Bits(data)
    rows = np.zeros((height, -(-width // 8)), np.uint8)
    above: list[int] = []
    done = 0
    try:
        for done in range(height):
            if compression == 4:
                above = _row_in_two(reader, above, width)
            elif compression == 2:
                reader.position = -(-reader.position // 8) * 8
                above = _row_in_one(reader, width)
            else:
                reader.skip_end_of_line()
                is_plain = not options & 1 or reader.take(1)
                above = (
                    _row_in_one(reader, width)
                    if is_plain
                    else _row_in_two(reader, above, width)
                )
            rows[done] = _packed(above, width)
    except _NoCode:
        partial = rows[:done].tobytes()
        raise Broken(partial, f"its fax data make no sense in row {done}") from None
    return rows.tobytes()


class _NoCode(Exception):
    """The bits are none of the codes that may stand there."""


class _Bits:
    """Bits of a strip, read one code at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = data + bytes(4)
        self._end = 8 * len(data)
        self.position = 0

    def window(self, bits: int) -> int:
        """The next bits, as a number, without taking them."""
        first = self.position >> 3
        whole = int.from_bytes(self._data[first : first + 4], "big")
        return whole >> (32 - (self.position & 7) - bits) & ((1 << bits) - 1)

    def take(self, bits: int) -> int:
        """The next bits as a number."""
        value = self.window(bits)
        self.position += bits
        if self.position > self._end:
            raise _NoCode
        return value

    def code(self, table: _Table) -> int:
        """The meaning of the next code."""
        bits, meaning = table[self.window(_WINDOW)]
        self.position += bits
        if not bits or self.position > self._end:
            raise _NoCode
        return meaning

    def skip_end_of_line(self) -> None:
        """Pass over zeros and the 1 of an end-of-line code, if there is one."""
        if self.window(_END_OF_LINE - 1):
            return
        while self.take(1) == 0:
            pass

    def run(self, color: int) -> int:
        """The length of a run: make-up codes and one terminating code."""
        total = 0
        while True:
            length = self.code(_RUNS[color])
            total += length
            if length < 64:
                return total


def _row_in_one(reader: _Bits, width: int) -> list[int]:
    """Changes of a row that is coded by its runs."""
    changes: list[int] = []
    at = color = 0
    while at < width:
        at += reader.run(color)
        if at > width:
            raise _NoCode
        changes.append(at)
        color ^= 1
    return changes


def _row_in_two(reader: _Bits, above: list[int], width: int) -> list[int]:
    """Changes of a row that is coded by its differences from the one above."""
    changes: list[int] = []
    # a0 begins before the first pixel; index is that of b1 in the row above.
    at, color, index = -1, 0, 0
    while at < width:
        # b1: the first change above, right of a0, to the colour that a0 has not.
        while index > 0 and above[index - 1] > at:
            index -= 1
        while index < len(above) and (above[index] <= at or index % 2 != color):
            index += 1
        b1 = above[index] if index < len(above) else width
        mode = reader.code(_TWO_DIMENSIONAL)
        if mode == _PASS:
            at = above[index + 1] if index + 1 < len(above) else width
            if b1 >= width:
                raise _NoCode
        elif mode == _HORIZONTAL:
            start = max(at, 0)
            first = start + reader.run(color)
            at = first + reader.run(color ^ 1)
            if at > width:
                raise _NoCode
            changes += (first, at)
        else:
            new = b1 + mode
            if new < max(at, 0) or new > width:
                raise _NoCode
            at = new
            changes.append(at)
            color ^= 1
    return changes


def _packed(changes: Sequence[int], width: int) -> NDArray[np.uint8]:
    """A row as bits: black from every odd change to the next."""
    edges = np.zeros(width + 1, np.uint8)
    # Two changes at one place are none.
    np.add.at(edges, np.asarray(changes, np.intp), 1)
    return np.packbits(np.add.accumulate(edges[:width], dtype=np.uint8) & 1)
