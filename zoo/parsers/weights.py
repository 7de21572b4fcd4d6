"""Darknet's .weights format: a short header, then float32 numbers without names.

=====  ===============  ==================================================
bytes  type             meaning
=====  ===============  ==================================================
4      int32            major version
4      int32            minor version
4      int32            revision
8 / 4  uint64 / uint32  images seen in training; 64 bits from version 0.2
...    float32          the parameters of all layers, in the order of the cfg
=====  ===============  ==================================================

All little endian. Which number belongs to which layer only the network knows
(:mod:`zoo.checkpoints.darknet`); nothing here does.

Sources: ``load_weights_upto`` and ``save_weights_upto`` of AlexeyAB/darknet
(writes 0.2.5) and pjreddie/darknet (writes 0.2.0).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.files import atomic_write
from zoo.parsers.base import Checkpoint, Reader

__all__ = [
    "DarknetReader",
    "DarknetStream",
    "Header",
    "open_weights",
    "read_header",
    "write_weights",
]


@dataclass(frozen=True)
class Header:
    """What stands before the numbers.

    Attributes
    ----------
    major, minor, revision : int
        Version of the format.
    seen : int
        Images seen in training.
    """

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0

    @property
    def has_wide_count(self) -> bool:
        """Whether ``seen`` takes 64 bits.

        The rule of pjreddie/darknet. AlexeyAB/darknet leaves out the bounds of
        1000, which only the oldest files exceed.
        """
        return (
            self.major * 10 + self.minor >= 2
            and self.major < 1000
            and self.minor < 1000
        )

    @property
    def is_transposed(self) -> bool:
        """Whether matrices of [connected] are stored transposed (very old files)."""
        return self.major > 1000 or self.minor > 1000

    @property
    def size(self) -> int:
        """Length in bytes."""
        return 20 if self.has_wide_count else 16

    def pack(self) -> bytes:
        """The header as stored."""
        return struct.pack(
            "<iiiQ" if self.has_wide_count else "<iiiI",
            self.major,
            self.minor,
            self.revision,
            self.seen,
        )


def read_header(head: bytes, source: str = "<bytes>") -> Header:
    """Read the header from the first 20 bytes of a file (16 may do).

    Raises
    ------
    ReaderError
        If there are fewer bytes than the header takes.
    """
    if len(head) >= 16:
        header = Header(*struct.unpack("<iii", head[:12]))
        if len(head) >= header.size:
            layout = "<Q" if header.has_wide_count else "<I"
            (seen,) = struct.unpack(layout, head[12 : header.size])
            return Header(header.major, header.minor, header.revision, seen)
    raise ReaderError(
        f"{source!r} has {len(head)} bytes, less than the header of a Darknet "
        f".weights file; it is truncated or something else"
    )


@contextmanager
def open_weights(path: str | Path) -> Iterator[DarknetStream]:
    """Open a .weights file as a stream of numbers.

    Raises
    ------
    ReaderError
        If the file cannot be read or ends within the header or a number.
    """
    try:
        with open(path, "rb") as file:
            yield DarknetStream(file, str(path))
    except FileNotFoundError:
        raise ReaderError(f"there is no file {str(path)!r}") from None
    except OSError as error:
        raise ReaderError(f"{str(path)!r} cannot be read: {error.strerror}") from None


class DarknetStream:
    """The numbers of a .weights file, to be taken in order.

    Parameters
    ----------
    file : binary file
        One that can seek, at its begin.
    source : str
        Its name in messages.

    Attributes
    ----------
    header : Header
    total : int
        Floats in the file.
    position : int
        Floats taken so far.

    Raises
    ------
    ReaderError
        If the file ends within the header or a number.
    """

    def __init__(self, file: BinaryIO, source: str = "<bytes>") -> None:
        self.source = source
        self.position = 0
        self._file = file
        self._head = file.read(20)
        self.header = read_header(self._head, source)
        self._size = file.seek(0, os.SEEK_END)
        self.assume_header(self.header.size)

    def assume_header(self, width: int) -> None:
        """Start again after a header of 16 or 20 bytes, whatever the version says.

        Raises
        ------
        ReaderError
            If the file ends before, or within a number.
        """
        source = self.source
        if self._size < width:
            read_header(self._head[:0], source)  # says that it is too short
        self._begin = width
        self.position = 0
        self._file.seek(width)
        self.total, rest = divmod(self._size - width, 4)
        if rest:
            raise ReaderError(
                f"{source!r} ends {rest} bytes into a number; it is truncated, "
                f"or no Darknet .weights file"
            )

    @property
    def byte_position(self) -> int:
        """Bytes of the file before the next number."""
        return self._begin + 4 * self.position

    def peek(self, start: int, stop: int) -> NDArray[np.float32]:
        """Numbers [start, stop), without taking any."""
        self._file.seek(self._begin + 4 * start)
        data = self._file.read(4 * (stop - start))
        self._file.seek(self.byte_position)
        return np.frombuffer(data, "<f4")

    @property
    def remaining(self) -> int:
        """Floats not taken yet."""
        return self.total - self.position

    def take(self, count: int, what: str) -> NDArray[np.float32]:
        """Take the next numbers.

        Parameters
        ----------
        count : int
        what : str
            What they are for, for the message.

        Raises
        ------
        ReaderError
            If there are fewer left; nothing is allocated then.
        """
        if count > self.remaining:
            raise ReaderError(
                f"{self.source!r} ends too early: {what} takes {count} floats and "
                f"{self.remaining} of {self.total} are left, "
                f"{count - self.remaining} too few"
            )
        values = np.empty(count, "<f4")
        if self._file.readinto(values.view(np.uint8)) < values.nbytes:  # type: ignore[attr-defined]
            raise ReaderError(f"{self.source!r} became shorter while it was read")
        self.position += count
        return values.astype(np.float32, copy=False)


class DarknetReader(Reader):
    """Reads a .weights file as one tensor ``data``; metadata holds the header."""

    name: ClassVar[str] = "weights"
    suffixes: ClassVar[tuple[str, ...]] = (".weights",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether the header is one that a Darknet wrote: version 0.1 or 0.2."""
        if len(head) < 16:
            return False
        header = Header(*struct.unpack("<iii", head[:12]))
        return (
            header.major == 0 and header.minor in (1, 2) and 0 <= header.revision <= 99
        )

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read all numbers.

        Raises
        ------
        ReaderError
            If the file cannot be read or ends within the header or a number.
        """
        with open_weights(path) as stream:
            header = stream.header
            metadata: dict[str, Any] = {
                "major": header.major,
                "minor": header.minor,
                "revision": header.revision,
                "seen": header.seen,
                "transposed": header.is_transposed,
            }
            data = stream.take(stream.total, "the file")
        return Checkpoint(cls.name, {"data": data}, metadata)


def write_weights(
    path: str | Path,
    arrays: Iterable[NDArray[np.float32]],
    header: Header | None = None,
) -> None:
    """Write a .weights file.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists, once everything is written.
    arrays : iterable of ndarray
        Written one after the other in row-major order, as float32.
    header : Header, optional
        Version 0.2.5 by default, which both Darknets read.

    Raises
    ------
    ZooError
        If the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write((header or Header()).pack())
        for array in arrays:
            file.write(np.ascontiguousarray(array, "<f4").data)
