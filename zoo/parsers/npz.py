"""NumPy's archives (``.npz``): a zip of arrays, each with its name."""

from __future__ import annotations

import io
from pathlib import Path
from tokenize import TokenError
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted
from zoo.parsers._zip import BoundedZip
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["NpzReader"]

_ZIP: Final = b"PK\x03\x04"
_ARRAY: Final = b"\x93NUMPY"
_MAX_HEADER: Final = 10_000
# What NumPy raises for headers that are none.
_FAILURES: Final = (
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    SyntaxError,
    TokenError,
    RecursionError,
    MemoryError,
)


class NpzReader(Reader):
    """Reads arrays of numbers; tensors have the archive's names without ``.npy``."""

    name: ClassVar[str] = "npz"
    suffixes: ClassVar[tuple[str, ...]] = (".npz",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is a zip whose first entry is an array of NumPy."""
        if not head.startswith(_ZIP) or len(head) < 30:
            return False
        size = int.from_bytes(head[26:28], "little")
        return head[30 : 30 + size].endswith(b".npy")

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read all arrays.

        Raises
        ------
        ReaderError
            If the archive is damaged, inflates beyond reason, or an array holds
            Python objects, which would have to be unpickled.
        """
        archive = BoundedZip(path)
        try:
            tensors = {
                name.removesuffix(".npy"): _array(archive.read(name), name, path)
                for name in archive.sizes()
                if not name.endswith("/")
            }
        finally:
            archive.close()
        if not tensors:
            raise ReaderError(f"{path}: there are no arrays in it")
        return Checkpoint(cls.name, tensors)


def _array(data: bytes, name: str, path: Path) -> NDArray[Any]:
    """Read one ``.npy``; its header is a literal, parsed by NumPy without running it."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read(file, max_header_size=_MAX_HEADER)
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:100]
        raise ReaderError(
            f"{path}: {quoted(name)} is no array of NumPy, or damaged ({reason})"
        ) from None
    if dtype.kind not in "fiub" or dtype.hasobject:
        raise ReaderError(
            f"{path}: {quoted(name)} holds {str(dtype)[:40]}, not numbers; nothing is "
            f"unpickled"
        )
    count = 1
    for side in shape:
        count *= side
    left = len(data) - file.tell()
    if min(shape, default=0) < 0 or count * dtype.itemsize != left:
        raise ReaderError(
            f"{path}: {quoted(name)} of shape {shape} takes {count * dtype.itemsize} "
            f"bytes and has {left}; the archive is damaged"
        )
    values = np.frombuffer(data, dtype, count, file.tell())
    native = values.astype(dtype.newbyteorder("="), copy=False)
    return native.reshape(shape, order="F" if fortran else "C")
