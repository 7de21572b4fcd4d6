"""The directory structure that TIFF and EXIF share.

A file is a header and a chain of directories (IFD); a directory is a list of
entries, each a tag, a type, a count and the values or their offset. TIFF 6.0,
section 2; BigTIFF widens counts and offsets to 8 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from zoo.errors import ImageError

__all__ = [
    "Directory",
    "Entry",
    "TiffHeader",
    "rational",
    "read_directory",
    "read_header",
]

# Bytes of one value, by type: BYTE ASCII SHORT LONG RATIONAL SBYTE UNDEFINED
# SSHORT SLONG SRATIONAL FLOAT DOUBLE IFD LONG8 SLONG8 IFD8.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d"}
_CODES |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_ENTRIES = 4096
_MAX_VALUES = 1 << 20  # a palette of 16 bits has 196,608
_SLACK = 1 << 16  # writers let a few small values share a place


class TiffHeader(NamedTuple):
    """How numbers are stored: "<" or ">", and whether the file is a BigTIFF."""

    order: Literal["<", ">"]
    is_big: bool = False


@dataclass(frozen=True)
class Entry:
    """One entry: its values, somewhere in the file, and where it stands itself.

    Values are only taken out of the file when they are asked for: a hostile
    directory can claim the whole file again in each of its entries.
    """

    type: int
    count: int
    source: bytes
    start: int
    length: int
    position: int

    @property
    def data(self) -> bytes:
        """The bytes of the values, as they are stored."""
        return bytes(self.source[self.start : self.start + self.length])

    def values(self, header: TiffHeader) -> tuple[Any, ...]:
        """The values as numbers; rationals as pairs.

        Raises
        ------
        ImageError
            If there are more than any tag but those of strips has.
        """
        if self.count > _MAX_VALUES:
            raise ImageError(f"is damaged: a TIFF tag has {self.count} values")
        if self.type in (5, 10):
            code = "I" if self.type == 5 else "i"
            flat = struct.unpack(f"{header.order}{2 * self.count}{code}", self.data)
            return tuple(zip(flat[::2], flat[1::2], strict=True))
        if self.type in _CODES:
            return struct.unpack(
                f"{header.order}{self.count}{_CODES[self.type]}", self.data
            )
        return tuple(self.data)


Directory = dict[int, Entry]


def rational(value: tuple[int, int]) -> float:
    """A fraction as a number; 0 where the denominator is."""
    return value[0] / value[1] if value[1] else 0.0


def read_header(data: bytes) -> tuple[TiffHeader, int]:
    """Byte order and offset of the first directory.

    Raises
    ------
    ImageError
        If this is no TIFF structure.
    """
    if data[:2] not in (b"II", b"MM") or len(data) < 8:
        raise ImageError("has no valid TIFF header")
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    magic, offset = struct.unpack_from(f"{order}HI", data, 2)
    if magic == 42:
        return TiffHeader(order), offset
    if magic == 43 and len(data) >= 16:
        size, zero, offset = struct.unpack_from(f"{order}HHQ", data, 4)
        if size == 8 and zero == 0:
            return TiffHeader(order, True), offset
    raise ImageError("has no valid TIFF header")


def read_directory(
    data: bytes, offset: int, header: TiffHeader, *, strict: bool = False
) -> tuple[Directory, int]:
    """Read one directory.

    Entries of unknown types are left out.

    Parameters
    ----------
    data : bytes
        The whole file.
    offset : int
        Where the directory is.
    header : TiffHeader
    strict : bool
        Refuse values that lie beyond the data; else they are left out.

    Returns
    -------
    entries : dict of int to Entry
        By tag.
    next_offset : int
        Of the next directory, 0 for none.

    Raises
    ------
    ImageError
        If the directory itself lies beyond the data, or ``strict`` and values do.
    """
    order, is_big = header
    head, step, inline = ("Q", 20, 8) if is_big else ("H", 12, 4)
    form = f"{order}HHQ" if is_big else f"{order}HHI"
    word = "Q" if is_big else "I"
    if offset > len(data):  # struct would not say it kindly of 64-bit offsets
        raise ImageError("is truncated: its TIFF directory is missing")
    try:
        (count,) = struct.unpack_from(f"{order}{head}", data, offset)
        start = offset + struct.calcsize(head)
        if count > _MAX_ENTRIES:
            raise ImageError("is damaged: its TIFF directory is too long")
        (following,) = struct.unpack_from(f"{order}{word}", data, start + count * step)
    except struct.error:
        raise ImageError("is truncated: its TIFF directory is missing") from None
    entries: Directory = {}
    # Values that do not overlap are no longer than the file.
    budget = len(data) + _SLACK
    for index in range(count):
        position = start + index * step
        tag, kind, number = struct.unpack_from(form, data, position)
        length = _SIZES.get(kind, 0) * number
        where = position + step - inline
        if length > inline:
            (where,) = struct.unpack_from(f"{order}{word}", data, where)
        if where + length > len(data):
            if strict:
                raise ImageError(f"is truncated: TIFF tag {tag} is missing")
        elif kind in _SIZES and tag not in entries:
            budget -= length
            if budget < 0:
                raise ImageError("is damaged: values of its TIFF tags overlap")
            entries[tag] = Entry(kind, number, data, where, length, position)
    return entries, following
