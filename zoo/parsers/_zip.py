"""Zip archives from strangers: bounded, and with one kind of error."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["BoundedZip"]

_FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def _short(error: Exception) -> str:
    """What is wrong, without the bytes of the archive that it may quote."""
    text = str(error)
    return text if len(text) < 120 else f"{text[:117]}..."


class BoundedZip:
    """Reads entries of a zip archive; what it hands out is bounded in all.

    Entries may be stored or deflated. All entries read together may inflate to
    16 MiB and sixteen times the archive's size, no more, so that neither a
    compressed bomb nor many entries over the same bytes exhaust the memory.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ReaderError
        If the archive is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._budget = (16 << 20) + 16 * path.stat().st_size
            self._zip = zipfile.ZipFile(path)
        except _FAILURES as error:
            raise ReaderError(
                f"{path}: the zip archive is damaged ({_short(error)})"
            ) from None
        self._sizes = {info.filename: info.file_size for info in self._zip.infolist()}

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()

    def sizes(self) -> dict[str, int]:
        """Return the size in bytes that each entry has once inflated, by name."""
        return dict(self._sizes)

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry, its checksum verified.

        Raises
        ------
        ReaderError
            If there is no such entry, it is damaged, encrypted or compressed in
            another way, or the archive inflates to more than it may.
        """
        size = self._sizes.get(name)
        if size is None:
            raise ReaderError(f"{self._path}: the archive has no entry {quoted(name)}")
        info = self._zip.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ReaderError(
                f"{self._path}: entry {quoted(name)} is compressed by method "
                f"{info.compress_type}; pack the archive again, stored or deflated"
            )
        self._budget -= size
        if self._budget < 0:
            raise ReaderError(
                f"{self._path}: entry {quoted(name)} of {size} bytes inflates the archive "
                f"beyond 16 times its size; it is refused"
            )
        try:
            with self._zip.open(info) as stream:
                if info.CRC == 0:
                    # PyTorch can be told to write no checksum, which is this value;
                    # the archive has nothing to check the entry against then.
                    stream._expected_crc = None  # type: ignore[attr-defined]
                data = stream.read(size + 1)
        except _FAILURES as error:
            raise ReaderError(
                f"{self._path}: entry {quoted(name)} is damaged ({_short(error)})"
            ) from None
        if len(data) != size:
            raise ReaderError(
                f"{self._path}: entry {quoted(name)} holds {len(data)} bytes "
                f"where the archive says {size}"
            )
        return data
