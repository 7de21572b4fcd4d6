"""HDF5 from strangers: plain arrays within the file, of a size that fits it.

The format can do more than hold arrays: point to other files, build one array of
pieces of many, inflate little to much, or declare sizes that no byte stands behind.
Nothing of this is in a file of weights, and nothing of it is followed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.extras import how_to_install
from zoo.parsers._pickle_values import quoted

__all__ = ["SIGNATURE", "BoundedHdf5", "open_hdf5"]

SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"

_MAX_PARTS: Final = 1 << 16
_MAX_DEPTH: Final = 32
# gzip, shuffle and checksums; others are plugins that HDF5 would load.
_FILTERS: Final = (1, 2, 3)


@contextmanager
def open_hdf5(path: Path) -> Iterator[BoundedHdf5]:
    """Open a file for reading.

    Raises
    ------
    ReaderError
        If h5py is not installed, or anything is wrong with the file.
    """
    try:
        import h5py
    except ImportError:
        raise ReaderError(
            f"{path}: Keras's HDF5 files are read with h5py, which is not installed; "
            f"{how_to_install('keras')}"
        ) from None
    try:
        with h5py.File(path, "r", locking=False) as file:
            yield BoundedHdf5(file, path, h5py)
    except ReaderError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ReaderError(
            f"{path}: the HDF5 file is damaged or truncated ({reason})"
        ) from None
    except MemoryError:
        raise ReaderError(
            f"{path}: the HDF5 file is damaged: it asks for far too much memory"
        ) from None


class BoundedHdf5:
    """Reads groups, attributes and arrays; all arrays together are bounded.

    They may take 16 MiB and sixteen times the file's size.

    Parameters
    ----------
    file : h5py.File
    path : Path
    h5py : module
    """

    def __init__(self, file: Any, path: Path, h5py: Any) -> None:
        self.root = file
        self._path = path
        self._h5py = h5py
        self._size = os.stat(path).st_size
        self._budget = (16 << 20) + 16 * self._size
        self._parts = _MAX_PARTS

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the file."""
        return ReaderError(f"{self._path}: {reason}")

    def child(self, group: Any, path: str) -> Any:
        """Follow a path of names within the file.

        Raises
        ------
        ReaderError
            If there is nothing, or a link that leads elsewhere.
        """
        for name in filter(None, path.split("/")):
            if not isinstance(group, self._h5py.Group) or name == "..":
                raise self.error(f"there is no {quoted(path)} in it")
            link = group.get(name, getlink=True)
            if link is None:
                raise self.error(f"there is no {quoted(path)} in it; it is incomplete")
            if not isinstance(link, self._h5py.HardLink):
                raise self.error(
                    f"{quoted(path)} is a link to elsewhere, which is not followed; "
                    f"save the weights in one file"
                )
            self._parts -= 1
            if self._parts < 0:
                raise self.error(f"it has more than {_MAX_PARTS} parts")
            group = group[name]
        return group

    def texts(self, owner: Any, name: str) -> list[str] | None:
        """An attribute that lists texts; None if it is not there.

        Keras cuts long lists into NAME0, NAME1 and so on.
        """
        if name in owner.attrs:
            return self._texts(owner, name)
        found: list[str] = []
        for index in range(_MAX_PARTS):
            if f"{name}{index}" not in owner.attrs:
                return found if index else None
            found += self._texts(owner, f"{name}{index}")
        return found

    def text(self, owner: Any, name: str) -> str | None:
        """An attribute that is a text; None if it is not there."""
        values = self.texts(owner, name)
        return values[0] if values else None

    def _texts(self, owner: Any, name: str) -> list[str]:
        attribute = owner.attrs.get_id(name)
        count = int(np.prod(attribute.shape or (), dtype=object))
        if count * attribute.dtype.itemsize > self._size:
            raise self.error(f"its attribute {quoted(name)} is larger than the file")
        value = owner.attrs[name]
        if isinstance(value, self._h5py.Empty):
            return []
        items = [value] if isinstance(value, (str, bytes)) else np.ravel(value).tolist()
        return [
            item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)
            for item in items
        ]

    def array(self, item: Any, name: str) -> NDArray[Any]:
        """The numbers of a dataset.

        Raises
        ------
        ReaderError
            If it is none, is not plain numbers within this file, or too large.
        """
        if not isinstance(item, self._h5py.Dataset):
            raise self.error(f"{quoted(name)} is no array")
        layout = item.id.get_create_plist()
        filters = {layout.get_filter(i)[0] for i in range(layout.get_nfilters())}
        if item.is_virtual or item.external:
            raise self.error(
                f"the numbers of {quoted(name)} are in other files, which are not "
                f"followed; save the weights in one file"
            )
        if filters - set(_FILTERS):
            raise self.error(
                f"{quoted(name)} is packed by a filter ({max(filters)}) that zoo does "
                f"not run; save the weights without compression"
            )
        if item.dtype.kind not in "fiub" or item.shape is None:
            raise self.error(f"{quoted(name)} holds no numbers")
        size = int(np.prod(item.shape, dtype=object)) * item.dtype.itemsize
        self._budget -= size
        if self._budget < 0:
            raise self.error(
                f"{quoted(name)} of shape {item.shape} takes {size} bytes, far more "
                f"than the file has"
            )
        if size and not item.id.get_storage_size():
            raise self.error(f"{quoted(name)} was never filled; it is incomplete")
        values: NDArray[Any] = np.asarray(item[()])
        return values

    def walk(self, group: Any, prefix: str = "", depth: int = 0) -> Iterator[str]:
        """Paths of all datasets below a group; links elsewhere are refused."""
        if depth > _MAX_DEPTH:
            raise self.error("its groups are nested too deep")
        for name in group:
            path = f"{prefix}{name}"
            item = self.child(group, name)
            if isinstance(item, self._h5py.Group):
                yield from self.walk(item, f"{path}/", depth + 1)
            elif isinstance(item, self._h5py.Dataset):
                yield path
