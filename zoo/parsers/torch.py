"""PyTorch checkpoints, read without PyTorch and without running anything.

A checkpoint is a pickle beside raw storages. The pickle is interpreted by
:mod:`zoo.parsers._pickle`, which can execute nothing; storages are read by
:mod:`zoo.parsers._torch_containers`, what was saved is listed by
:mod:`zoo.parsers._torch_walk`.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import Opaque, quoted
from zoo.parsers._torch_containers import is_legacy, is_tar, open_container
from zoo.parsers._torch_objects import NumpyArray, TensorRef
from zoo.parsers._torch_storage import Storages
from zoo.parsers._torch_walk import take_stock
from zoo.parsers._zip import BoundedZip
from zoo.parsers.base import Checkpoint, Reader
from zoo.parsers.lazy import LazyTensors

__all__ = ["TorchReader"]

# Without the protocol's number: protocols 0 and 1.
_OLD_PICKLE = re.compile(rb"\}q\x00|\(?(d?p0\n|c[\w.]+\n[\w.]+\n|i[\w.]+\n[\w.]+\n)")


class TorchReader(Reader):
    """Reads ``.pt``, ``.pth``, ``.pth.tar``, ``.ckpt``: state_dicts of PyTorch.

    Zip and legacy containers and bare pickles are read. Floats of every width
    become float32, whole numbers and bool stay as they are, names and orders of
    axes are the file's.

    Names are the paths of keys that lead to a tensor, joined by dots: everything
    that the file holds is there, a discriminator or the averages of an optimizer as
    well. Which of it is a network is decided by :mod:`zoo.models.candidates`.
    Tensors are read when they are used.

    The metadata has

    ``container``
        "zip", "legacy" or "pickle".
    ``dictionaries``
        Where tensors lie, as beginnings of their names ("state_dict.").
    ``scalars``
        Numbers and short texts beside tensors, by path.
    ``opaque``
        Classes of objects that were left alone, by path.
    ``unreadable``
        Of tensors that cannot be read (quantized, sparse), the reason, by name.
    ``modules``
        Class and attributes of modules that were pickled whole, by the beginning
        of the names of their tensors.
    """

    name: ClassVar[str] = "torch"
    suffixes: ClassVar[tuple[str, ...]] = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin")

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is a zip with a data.pkl, PyTorch's old format, or a pickle."""
        if head[:4] == b"PK\x03\x04":
            if b"/data.pkl" in head[:512]:
                return True
            try:
                with closing(BoundedZip(path)) as archive:
                    return any(map(_is_of_torch, archive.sizes()))
            except ReaderError:
                return False
        if is_tar(head):
            return head[:100].rstrip(b"\0").removeprefix(b"./") in (
                b"sys_info",
                b"pickle",
                b"tensors",
                b"storages",
            )
        if is_legacy(head):
            return True
        if len(head) > 2 and head[0] == 0x80 and head[1] <= 5:
            return True
        return _OLD_PICKLE.match(head) is not None

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the state_dict of a checkpoint.

        Raises
        ------
        ReaderError
            If the file is truncated, damaged or hostile, if it holds a pickled
            module or program instead of tensors, or tensors that are quantized,
            sparse or complex.
        """
        container, root, storages = open_container(path)
        source = str(path)
        contents = take_stock(root, source)
        if not contents.tensors or isinstance(root, (TensorRef, NumpyArray)):
            storages.close()
            raise ReaderError(f"{source}: {_why_no_state(root, contents.opaque)}")
        values = contents.tensors
        unreadable = {
            name: reason
            for name, value in values.items()
            if (reason := _complaint(value))
        }

        def read(name: str) -> NDArray[Any]:
            return _tensor(storages, name, values[name])

        return Checkpoint(
            format=cls.name,
            tensors=LazyTensors(
                {name: _shape(value) for name, value in values.items()}, read
            ),
            metadata={
                "container": container,
                "dictionaries": contents.dictionaries,
                "scalars": contents.scalars,
                "opaque": contents.opaque,
                "unreadable": unreadable,
                "modules": contents.modules,
            },
        )


def _is_of_torch(entry: str) -> bool:
    """Whether an entry of an archive is a checkpoint's or an exported program's."""
    return entry == "data.pkl" or entry.endswith(
        ("/data.pkl", "/models/model.json", "/archive_format")
    )


def _shape(value: TensorRef | NumpyArray | Opaque) -> tuple[int, ...]:
    if isinstance(value, TensorRef):
        return value.size
    if isinstance(value, NumpyArray) and value.array is not None:
        return value.array.shape
    return ()


def _complaint(value: TensorRef | NumpyArray | Opaque) -> str:
    """Why a tensor is not read, as the rest of a sentence; "" if it is."""
    if isinstance(value, TensorRef):
        return getattr(value.storage, "reason", "")
    if isinstance(value, NumpyArray):
        return ""
    if value.reason:
        return value.reason
    return (
        f"it is made by {quoted(str(value.function))}, which gives no plain tensor; "
        f"save dense, dequantized tensors"
    )


def _why_no_state(root: Any, opaque: dict[str, str]) -> str:
    if opaque:
        path, name = next(iter(opaque.items()))
        where = f" under {quoted(path)}" if path else ""
        return (
            f"this file holds a pickled module or object (class {quoted(name)}{where}), "
            f"not a state_dict; in PyTorch, save model.state_dict() and convert that"
        )
    if isinstance(root, dict):
        keys = ", ".join(quoted(key) for key in list(root)[:8] if isinstance(key, str))
        return f"no tensors are in this checkpoint (its keys: {keys or 'none'})"
    kind = type(root).__name__
    if isinstance(root, (TensorRef, NumpyArray)):
        kind = "single tensor"
    return (
        f"a {kind} was saved, not a state_dict, which is a dictionary of named tensors"
    )


def _tensor(
    storages: Storages, name: str, value: TensorRef | NumpyArray | Opaque
) -> NDArray[Any]:
    if isinstance(value, TensorRef):
        return storages.tensor(name, value)
    if isinstance(value, Opaque):
        raise ReaderError(
            f"{storages.source}: tensor {quoted(name)}: {_complaint(value)}"
        )
    if value.array is None:
        raise ReaderError(
            f"{storages.source}: the array {quoted(name)} has no contents"
        )
    if value.array.dtype.kind == "f":
        storages.charge(name, 4 * value.array.size)
        with np.errstate(over="ignore"):
            return value.array.astype(np.float32)
    return value.array
