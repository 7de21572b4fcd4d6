"""Find the reader for a checkpoint by what the file holds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from zoo.errors import PluginError, ReaderError
from zoo.files import check_whole, read_head
from zoo.parsers.base import Checkpoint, Reader
from zoo.parsers.neighbours import describe_neighbour
from zoo.registry import registry

__all__ = ["NAMELESS", "read_checkpoint", "reader_of"]

NAMELESS: Final = ("weights",)
"""Formats without names of layers: what they mean, only a cfg can tell."""

_HEAD_BYTES = 4096


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint of any known format.

    Raises
    ------
    ReaderError
        If it is unreadable, damaged, hostile or of no known format.
    """
    return reader_of(path).read(Path(path))


def reader_of(path: str | Path) -> type[Reader]:
    """Find the reader for a file, by its content; its name only breaks ties.

    Raises
    ------
    ReaderError
        If the file cannot be opened, is empty, or no reader knows it; what is
        something else, and often taken for a checkpoint, is named.
    """
    path = Path(path)
    check_whole(path, ReaderError, "a checkpoint")
    head = read_head(path, _HEAD_BYTES, ReaderError, "a checkpoint")
    readers = _readers()
    found = [reader for reader in readers if _recognizes(reader, path, head)]
    by_name = [reader for reader in readers if path.name.endswith(reader.suffixes)]
    for reader in found:
        if reader in by_name:
            return reader
    if found:
        # Nameless numbers begin with next to nothing that could be recognised.
        return min(found, key=lambda reader: reader.name in NAMELESS)
    neighbour = describe_neighbour(path, head)
    if neighbour is not None:
        raise ReaderError(f"{str(path)!r} is {neighbour}")
    names = ", ".join(sorted(reader.name for reader in readers))
    # .bin is an ending of PyTorch's files, but of many others as well.
    if by_name and (path.suffix != ".bin" or head[:2] == b"PK"):
        return by_name[0]  # its complaint about the content says most
    raise ReaderError(
        f"{str(path)!r} is of no checkpoint format that zoo reads ({names})"
    )


def _readers() -> list[type[Reader]]:
    known = registry("zoo.readers")
    readers = []
    for name in known.canonical():
        try:
            readers.append(known.load(name))
        except PluginError as error:
            warnings.warn(str(error), RuntimeWarning, stacklevel=3)
    return readers


def _recognizes(reader: type[Reader], path: Path, head: bytes) -> bool:
    """Ask a reader; a third party's that fails costs a warning, not the call."""
    try:
        return reader.recognizes(path, head)
    except Exception as error:  # noqa: BLE001 - a third party's code
        warnings.warn(
            f"reader {reader.name!r} failed to look at {str(path)!r} "
            f"({type(error).__name__}: {error})",
            RuntimeWarning,
            stacklevel=3,
        )
        return False
