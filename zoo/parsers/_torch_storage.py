"""From records of tensors to arrays: bounds checked, nothing outside a storage."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import Global, quoted
from zoo.parsers._torch_objects import (
    BFLOAT16,
    NestedStorage,
    StorageRef,
    TensorRef,
    element_size,
    element_type,
    foreign_size,
)

__all__ = ["Storages", "decode", "persistent_storage"]

_SLACK = 16 << 20


def persistent_storage(pid: Any) -> StorageRef | Global:
    """Take down a persistent id: ("storage", class, key, device, count[, view]).

    Pickled modules of old also have ("module", class, file, source code), which
    means the class; the code is left alone.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(pid, str):
        pid = _spelled(pid)
    if isinstance(pid, tuple) and len(pid) == 4 and isinstance(pid[1], Global):
        return pid[1]
    if not isinstance(pid, tuple) or not 5 <= len(pid) <= 6:
        raise ValueError("a persistent id is no tuple of five or six")
    kind, storage_class, key, _, count = pid[:5]
    if kind not in ("storage", b"storage"):
        raise ValueError("a persistent id names no storage")
    if isinstance(key, int) and abs(key) < 1 << 64:
        key = str(key)
    if not isinstance(key, str) or type(count) is not int or not 0 <= count < 1 << 48:
        raise ValueError("a storage has no key or no size that can be meant")
    view = None
    if len(pid) == 6 and pid[5] is not None:
        meta = pid[5]
        if not isinstance(meta, tuple) or len(meta) != 3:
            raise ValueError("a view of a storage is no tuple of three")
        _, start, length = meta
        if (
            type(start) is not int
            or type(length) is not int
            or not 0 <= start <= start + length <= count
        ):
            raise ValueError("a view of a storage leaves the storage")
        view = (start, length)
    try:
        return StorageRef(key, element_type(storage_class), count, view)
    except ValueError as error:
        foreign = foreign_size(storage_class)
        if foreign is None:
            raise
        return StorageRef(key, f"?{foreign}", count, view, str(error))


# Protocol 0 writes a persistent id as the text of the tuple that it is.
_SPELLED = re.compile(
    r"\('storage', <class '(torch(?:\.\w+)*)\.(\w+)'>, '(\w{1,40})', '[\w:]{1,40}', "
    r"(\d{1,15})(?:, None)?\)"
)


def _spelled(text: str) -> tuple[Any, ...]:
    """The tuple whose text protocol 0 wrote."""
    found = _SPELLED.fullmatch(text)
    if found is None:
        raise ValueError("a persistent id in text form names no storage")
    module, kind, key, count = found.groups()
    return ("storage", Global(module, kind), key, "cpu", int(count))


def decode(data: bytes, dtype: str, big_endian: bool = False) -> NDArray[Any]:
    """Turn a storage's bytes into an array in native order.

    Floats of every width become float32; whole numbers and bool stay.

    Returns
    -------
    ndarray, 1-D
    """
    kind = np.dtype("<u2" if dtype == BFLOAT16 else dtype)
    if big_endian:
        kind = kind.newbyteorder(">")
    array: NDArray[Any] = np.frombuffer(data, kind)
    if dtype == BFLOAT16:
        wide = array.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(array, np.float32)
    if kind.kind == "b":
        return np.frombuffer(data, np.uint8) != 0
    return np.asarray(array, kind.newbyteorder("="))


class Storages(ABC):
    """The storages of one file, decoded when first used.

    Parameters
    ----------
    source : str
        What to call the file in messages.
    file_size : int
        Bounds what all storages and tensors together may hold: sixteen times
        this, and 16 MiB.
    """

    def __init__(self, source: str, file_size: int) -> None:
        self.source = source
        self.big_endian = False
        self._decoded: dict[tuple[str, str], NDArray[Any]] = {}
        self._nested: dict[int, NDArray[Any]] = {}
        # A float16 file needs four times its size (storages and tensors), and some
        # tensors may honestly share a storage, but not ever so many.
        self._budget = _SLACK + 16 * file_size

    @abstractmethod
    def raw(self, key: str) -> bytes:
        """Return the bytes of a storage.

        Raises
        ------
        ReaderError
            If the file has no such storage.
        """

    def close(self) -> None:
        """Let the file go."""

    def nested(self, storage: NestedStorage) -> tuple[bytes, str]:
        """Return the bytes and element type of a storage pickled as bytes."""
        raise ReaderError(f"{self.source}: a storage within a storage is refused")

    def tensor(self, name: str, ref: TensorRef) -> NDArray[Any]:
        """Read a tensor.

        Returns
        -------
        ndarray
            C-contiguous, float32 if it was any kind of float; it may be
            read-only.

        Raises
        ------
        ReaderError
            If it leaves its storage, repeats elements without bound, or the
            storage is missing or of another size.
        """
        reason = getattr(ref.storage, "reason", "")
        if reason:
            raise ReaderError(f"{self.source}: tensor {quoted(name)}: {reason}")
        storage = self._storage(name, ref)
        count = math.prod(ref.size)
        if count == 0:
            return np.zeros(ref.size, storage.dtype)
        reach = ref.offset + 1
        for size, stride in zip(ref.size, ref.stride, strict=True):
            reach += (size - 1) * stride
        if reach > storage.size:
            raise ReaderError(
                f"{self.source}: tensor {quoted(name)} reaches element {reach - 1} of a "
                f"storage of {storage.size}; the file is damaged"
            )
        # More elements than the storage has are an expanded tensor's, which repeats
        # them; like every tensor it is charged for what it becomes.
        self.charge(name, count * storage.itemsize)
        view = as_strided(
            storage[ref.offset :],
            ref.size,
            tuple(stride * storage.itemsize for stride in ref.stride),
            writeable=False,
        )
        return np.ascontiguousarray(view).reshape(ref.size)

    def charge(self, name: str, size: int) -> None:
        """Count bytes that are built for a tensor against the bound."""
        self._budget -= size
        if self._budget < 0:
            raise ReaderError(
                f"{self.source}: the tensors up to {quoted(name)} hold far more than the "
                f"file does (expanded or shared ones); save contiguous copies"
            )

    def _storage(self, name: str, ref: TensorRef) -> NDArray[Any]:
        where = ref.storage
        if isinstance(where, NestedStorage):
            if id(where) not in self._nested:
                data, dtype = self.nested(where)
                self.charge(name, 4 * len(data))
                self._nested[id(where)] = decode(data, dtype)
            return self._nested[id(where)]
        dtype = ref.dtype or where.dtype
        if (where.key, dtype) not in self._decoded:
            data = self.raw(where.key)
            if len(data) != where.count * element_size(where.dtype):
                raise ReaderError(
                    f"{self.source}: storage {quoted(where.key)} of tensor {quoted(name)} has "
                    f"{len(data)} bytes where {where.count} elements of "
                    f"{element_size(where.dtype)} bytes are announced"
                )
            if len(data) % element_size(dtype):
                raise ReaderError(
                    f"{self.source}: storage {quoted(where.key)} of tensor {quoted(name)} is no "
                    f"whole number of elements"
                )
            self.charge(name, 2 * len(data))
            self._decoded[where.key, dtype] = decode(data, dtype, self.big_endian)
        storage = self._decoded[where.key, dtype]
        if where.view is not None:
            start, length = where.view
            storage = storage[start : start + length]
        return storage
