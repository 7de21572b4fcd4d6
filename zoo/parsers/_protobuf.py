"""The wire format of protocol buffers, as much of it as reading needs.

A message is a sequence of fields; a field is a key (its number and wire type,
as a varint) and a value: a varint, four or eight bytes, or a length and that
many bytes, which may be a message again. Nothing here knows a schema: a reader
walks the fields it knows, level by level, so depth is bounded by its own code,
and every byte is looked at once per level.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError

__all__ = ["BYTES", "FIXED32", "FIXED64", "VARINT", "Field", "Message"]

VARINT = 0
FIXED64 = 1
BYTES = 2
FIXED32 = 5

_CHUNK = 1 << 20


class Field(NamedTuple):
    """One field of a message.

    Attributes
    ----------
    number : int
    wire : int
        ``VARINT``, ``FIXED64``, ``BYTES`` or ``FIXED32``.
    value : int
        The value of a varint, unsigned; else 0.
    start, end : int
        Where the value's bytes are in the buffer.
    """

    number: int
    wire: int
    value: int
    start: int
    end: int


class Budget:
    """Counts fields, so that a file cannot ask for more work than it is large."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Message:
    """A message within a buffer; iterating gives its fields.

    Parameters
    ----------
    data : bytes
        The buffer.
    source : str
        What to call the buffer in messages to people.
    """

    __slots__ = ("_budget", "_data", "_end", "_source", "_start")

    def __init__(self, data: bytes, source: str) -> None:
        self._data = data
        self._source = source
        self._start = 0
        self._end = len(data)
        self._budget = Budget((1 << 20) + len(data) // 64)

    def __iter__(self) -> Iterator[Field]:
        at = self._start
        while at < self._end:
            begin = at
            key, at = self._varint(at)
            number, wire = key >> 3, key & 7
            value = 0
            if wire == VARINT:
                start = at
                value, at = self._varint(at)
            elif wire == BYTES:
                size, start = self._varint(at)
                at = start + size
            elif wire in (FIXED32, FIXED64):
                start = at
                at += 4 if wire == FIXED32 else 8
            else:
                raise self.error(f"wire type {wire} is not used in such files", begin)
            if not 0 < number < 1 << 29:
                raise self.error(f"{number} is no field number", begin)
            if at > self._end:
                raise self.error(
                    f"field {number} ends {at - self._end} bytes after its message",
                    begin,
                )
            self._budget.left -= 1
            if self._budget.left < 0:
                raise self.error("the file has far too many fields for its size", begin)
            yield Field(number, wire, value, start, at)

    def error(self, reason: str, at: int | None = None) -> ReaderError:
        """Make an error that names the file and the offset."""
        where = self._start if at is None else at
        return ReaderError(f"{self._source}: {reason} (at byte {where})")

    # -- values of fields ----------------------------------------------------

    def message(self, field: Field) -> Message:
        """Return the message in a field."""
        self._expect(field, BYTES)
        inner = Message.__new__(Message)
        inner._data = self._data
        inner._source = self._source
        inner._start = field.start
        inner._end = field.end
        inner._budget = self._budget
        return inner

    def bytes(self, field: Field) -> bytes:
        """Return a copy of the bytes of a field."""
        self._expect(field, BYTES)
        return self._data[field.start : field.end]

    def text(self, field: Field, limit: int = 4096) -> str:
        """Return the text of a field.

        Raises
        ------
        ReaderError
            If it is longer than ``limit`` bytes or not UTF-8.
        """
        self._expect(field, BYTES)
        if field.end - field.start > limit:
            raise self.error(f"a name has more than {limit} bytes", field.start)
        try:
            return self._data[field.start : field.end].decode()
        except UnicodeDecodeError:
            raise self.error("a name is not UTF-8", field.start) from None

    def signed(self, field: Field) -> int:
        """Return the value of an int32, int64 or enum field."""
        self._expect(field, VARINT)
        return field.value - (1 << 64) if field.value >> 63 else field.value

    def floating(self, field: Field) -> float:
        """Return the value of a float field."""
        self._expect(field, FIXED32)
        return float(struct.unpack_from("<f", self._data, field.start)[0])

    def array(self, field: Field, dtype: str) -> NDArray[Any]:
        """Return the numbers of a packed field of fixed width, or a single one.

        Parameters
        ----------
        field : Field
        dtype : {"<f4", "<f8"}

        Returns
        -------
        ndarray, 1-D, read-only
        """
        kind = np.dtype(dtype)
        size = field.end - field.start
        if field.wire != BYTES:
            self._expect(field, FIXED32 if kind.itemsize == 4 else FIXED64)
        if size % kind.itemsize:
            raise self.error(f"{size} bytes are no whole number of values", field.start)
        return np.frombuffer(self._data, kind, size // kind.itemsize, field.start)

    def varints(self, field: Field, most: int) -> NDArray[np.int64]:
        """Return the numbers of a packed field of varints, or a single one.

        Parameters
        ----------
        field : Field
        most : int
            Values that there may be; bounds the memory.

        Returns
        -------
        ndarray of int64, 1-D
        """
        if field.wire != BYTES:
            return np.array([self.signed(field)], np.int64)
        data = np.frombuffer(self._data, np.uint8, field.end - field.start, field.start)
        count = int(np.count_nonzero(data < 0x80))
        if count > most:
            raise self.error(f"{count} values are given where {most} fit", field.start)
        values = np.zeros(count, np.uint64)
        done = at = 0
        while at < data.size:
            chunk = data[at : at + _CHUNK]
            ends = np.flatnonzero(chunk < 0x80)
            if ends.size == 0:
                raise self.error("a varint has no end", field.start + at)
            starts = np.concatenate(([0], ends[:-1] + 1))
            lengths = ends - starts + 1
            if lengths.max() > 10:
                raise self.error("a varint is longer than 10 bytes", field.start + at)
            part = values[done : done + ends.size]
            for index in range(int(lengths.max())):
                longer = lengths > index
                byte = chunk[starts[longer] + index].astype(np.uint64) & np.uint64(127)
                part[longer] |= byte << np.uint64(7 * index)
            done += ends.size
            at += int(ends[-1]) + 1
        return values.view(np.int64)

    # -- helpers -------------------------------------------------------------

    def _varint(self, at: int) -> tuple[int, int]:
        data, value, shift = self._data, 0, 0
        while at < self._end:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    raise self.error("a varint exceeds 64 bits", at)
                return value, at
            shift += 7
            if shift > 63:
                raise self.error("a varint is longer than 10 bytes", at)
        raise self.error("the message ends within a number", at)

    def _expect(self, field: Field, wire: int) -> None:
        if field.wire != wire:
            raise self.error(
                f"field {field.number} has wire type {field.wire}, not {wire}",
                field.start,
            )
