"""Find the reader for a checkpoint by what the file holds."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Final

from zoo.errors import PluginError, ReaderError
from zoo.files import read_head
from zoo.parsers.base import Checkpoint, Reader
from zoo.registry import registry

__all__ = ["NAMELESS", "read_checkpoint", "reader_of"]

NAMELESS: Final = ("weights",)
"""Formats without names of layers: what they mean, only a cfg can tell."""

_HEAD_BYTES = 4096

# The first four bytes of weights in ncnn's .bin: half floats, 8-bit integers, and
# floats with scales. Plain floats begin with four zeros.
_NCNN_TAGS = (b"\x47\x6b\x30\x01", b"\x38\x4b\x0d\x00", b"\x56\xc0\x02\x00")


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
        If the file cannot be opened, is empty, or no reader knows it.
    """
    path = Path(path)
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
    names = ", ".join(sorted(reader.name for reader in readers))
    foreign = _foreign_format(path, head)
    if foreign is not None:
        raise ReaderError(
            f"{str(path)!r} is {foreign}, which zoo does not read; give a checkpoint "
            f"of a format that it does ({names})"
        )
    if by_name:
        return by_name[0]  # its complaint about the content says most
    raise ReaderError(
        f"{str(path)!r} is of no checkpoint format that zoo reads ({names})"
    )


def _foreign_format(path: Path, head: bytes) -> str | None:
    """What a file is whose content no reader knows, where its name does not tell.

    ``.bin`` is an ending of PyTorch's files, but of many others as well.
    """
    if path.suffix != ".bin" or head[:2] == b"PK":  # a damaged zip is PyTorch's
        return None
    beside = path.with_suffix(".param").is_file()
    if head[:4] in _NCNN_TAGS or (beside and head[:4] == bytes(4)):
        return "the .bin of an ncnn network"
    return "a .bin of unknown content"


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
