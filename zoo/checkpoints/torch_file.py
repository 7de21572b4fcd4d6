"""Writes state dicts as PyTorch does, without PyTorch.

A .pth file is a ZIP archive: ``archive/data.pkl`` says in pickle's instructions what
the dictionary holds, and ``archive/data/0``, ``1``, ... are the numbers. Only what
torch.load(weights_only=True) admits is written.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.files import atomic_write

__all__ = ["write_state_dict"]

# Of the pickle protocol 2, see the module pickletools.
_START = b"\x80\x02"
_MARK, _TUPLE, _EMPTY_TUPLE, _REDUCE = b"(", b"t", b")", b"R"
_SET_ITEMS, _PERSISTENT, _STOP, _FALSE = b"u", b"Q", b".", b"\x89"
_DATE = (1980, 1, 1, 0, 0, 0)


def write_state_dict(
    path: Path, tensors: Mapping[str, NDArray[Any]], key: str = ""
) -> None:
    """Write a state dict, under a key of a dictionary if one is given.

    The same tensors give the same bytes.

    Parameters
    ----------
    path : Path
    tensors : mapping of str to ndarray, float32
        In PyTorch's names and orders.
    key : str
        Such as params_ema, under which some programs look.
    """
    arrays = {
        name: np.ascontiguousarray(tensor, "<f4") for name, tensor in tensors.items()
    }
    with (
        atomic_write(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        parts: list[tuple[str, bytes]] = [
            ("data.pkl", _instructions(arrays, key)),
            ("byteorder", b"little"),
            *(
                (f"data/{index}", a.tobytes())
                for index, a in enumerate(arrays.values())
            ),
            ("version", b"3\n"),
        ]
        for name, data in parts:
            archive.writestr(zipfile.ZipInfo(f"archive/{name}", _DATE), data)


def _instructions(arrays: Mapping[str, NDArray[Any]], key: str) -> bytes:
    state = _dictionary(
        {name: _tensor(index, a) for index, (name, a) in enumerate(arrays.items())}
    )
    return _START + (_dictionary({key: state}) if key else state) + _STOP


def _dictionary(items: Mapping[str, bytes]) -> bytes:
    """An OrderedDict of values that are instructions already."""
    empty = _global("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE
    pairs = b"".join(_text(name) + value for name, value in items.items())
    return empty + _MARK + pairs + _SET_ITEMS


def _tensor(index: int, array: NDArray[Any]) -> bytes:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, grad, hooks)."""
    storage = _tuple(
        _text("storage"),
        _global("torch", "FloatStorage"),
        _text(str(index)),
        _text("cpu"),
        _number(array.size),
    )
    strides = [stride // array.itemsize for stride in array.strides]
    hooks = _global("collections", "OrderedDict") + _EMPTY_TUPLE + _REDUCE
    arguments = _tuple(
        storage + _PERSISTENT,
        _number(0),
        _numbers(array.shape),
        _numbers(strides),
        _FALSE,
        hooks,
    )
    return _global("torch._utils", "_rebuild_tensor_v2") + arguments + _REDUCE


def _tuple(*items: bytes) -> bytes:
    return _MARK + b"".join(items) + _TUPLE


def _numbers(values: Sequence[int]) -> bytes:
    return _tuple(*map(_number, values))


def _number(value: int) -> bytes:
    if value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x08" + struct.pack("<q", value)


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()
