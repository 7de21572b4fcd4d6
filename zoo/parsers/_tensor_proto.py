"""TensorFlow's TensorProto: a type, a shape, and values in one of many fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted
from zoo.parsers._protobuf import Message

__all__ = ["TYPES", "TensorProtos", "TensorType", "read_shape"]

_MAX_DIMENSIONS = 16
_SLACK = 16 << 20


class TensorType(NamedTuple):
    """An element type.

    Attributes
    ----------
    name : str
        TensorFlow's name.
    dtype : str
        NumPy type of the bytes in the file; empty if it holds no plain numbers.
    number : int
        The field of TensorProto that lists values of this type.
    """

    name: str
    dtype: str = ""
    number: int = 0


TYPES: Final[Mapping[int, TensorType]] = {
    1: TensorType("float32", "<f4", 5),
    2: TensorType("float64", "<f8", 6),
    3: TensorType("int32", "<i4", 7),
    4: TensorType("uint8", "|u1", 7),
    5: TensorType("int16", "<i2", 7),
    6: TensorType("int8", "|i1", 7),
    7: TensorType("string"),
    8: TensorType("complex64"),
    9: TensorType("int64", "<i8", 10),
    10: TensorType("bool", "|b1", 11),
    11: TensorType("qint8", "|i1", 7),
    12: TensorType("quint8", "|u1", 7),
    13: TensorType("qint32", "<i4", 7),
    14: TensorType("bfloat16", "<u2", 13),
    15: TensorType("qint16", "<i2", 7),
    16: TensorType("quint16", "<u2", 7),
    17: TensorType("uint16", "<u2", 7),
    18: TensorType("complex128"),
    19: TensorType("float16", "<f2", 13),
    20: TensorType("resource"),
    21: TensorType("variant"),
    22: TensorType("uint32", "<u4", 16),
    23: TensorType("uint64", "<u8", 17),
}
"""By their numbers in the schema."""


def read_shape(message: Message) -> tuple[int, ...] | None:
    """Read a TensorShapeProto (dim = 2 with size = 1, unknown_rank = 3).

    Returns
    -------
    tuple of int, or None
        -1 for a length that is unknown; None if even the rank is.
    """
    shape: list[int] = []
    for item in message:
        if item.number == 2:
            size = 0
            dimension = message.message(item)
            for part in dimension:
                if part.number == 1:
                    size = dimension.signed(part)
            shape.append(size)
            if len(shape) > _MAX_DIMENSIONS:
                raise message.error(f"a shape has over {_MAX_DIMENSIONS} dimensions")
        elif item.number == 3 and item.value:
            return None
    return tuple(shape)


class TensorProtos:
    """Reads the tensors of one file; what they hold in all is bounded.

    A tensor may give fewer values than it has elements: the last one then
    fills the rest. So a few bytes can claim any size, and all tensors together
    may take 16 MiB and eight times the file's size, no more.

    Parameters
    ----------
    source : str
    file_size : int
    """

    def __init__(self, source: str, file_size: int) -> None:
        self._source = source
        self._budget = _SLACK + 8 * file_size

    def charge(self, size: int, name: str) -> None:
        """Count bytes that a tensor will take.

        Raises
        ------
        ReaderError
            If it is more than the file's size allows.
        """
        self._budget -= size
        if self._budget < 0:
            raise ReaderError(
                f"{self._source}: tensor {quoted(name)} claims far more than the file "
                f"holds; it is refused"
            )

    def read(self, message: Message, name: str) -> NDArray[Any]:
        """Read a tensor.

        Returns
        -------
        ndarray
            float32 if it was any kind of float; maybe read-only.

        Raises
        ------
        NotImplementedError
            If it does not hold plain numbers; says what it holds.
        ReaderError
            If it is malformed or too large.
        """
        kind: TensorType | None = None
        shape: tuple[int, ...] | None = ()
        content = b""
        for item in message:
            if item.number == 1:
                number = message.signed(item)
                kind = TYPES.get(number)
                if kind is None:
                    raise message.error(f"{quoted(name)} is of unknown type {number}")
            elif item.number == 2:
                shape = read_shape(message.message(item))
            elif item.number == 4:
                content = message.bytes(item)
        if kind is None:
            raise message.error(f"{quoted(name)} has no type")
        if not kind.dtype:
            raise NotImplementedError(f"it holds {kind.name}, not plain numbers")
        if shape is None or min(shape, default=0) < 0:
            raise message.error(f"the shape of {quoted(name)} is not known")
        dtype = np.dtype(kind.dtype)
        count = math.prod(shape)
        self.charge(count * max(dtype.itemsize, 4), name)
        if content:
            if len(content) != count * dtype.itemsize:
                raise message.error(
                    f"{quoted(name)} of shape {shape} has {len(content)} bytes where "
                    f"{count * dtype.itemsize} are needed"
                )
            values = np.frombuffer(content, np.uint8 if dtype.kind == "b" else dtype)
        else:
            values = _listed(message, name, kind, count)
        return _plain(values, kind).reshape(shape)


def _listed(message: Message, name: str, kind: TensorType, count: int) -> NDArray[Any]:
    """Gather the values of the field for a type, the last one filling the rest."""
    dtype = np.dtype(kind.dtype)
    values = np.zeros(count, dtype)
    done = 0
    for item in message:
        if item.number != kind.number:
            continue
        if item.number in (5, 6):
            part: NDArray[Any] = message.array(item, kind.dtype)
        else:
            numbers = message.varints(item, count - done)
            # Halves come as their bits.
            part = numbers.astype("<u2" if kind.dtype == "<f2" else dtype)
            if not np.array_equal(part.astype(np.int64), numbers):
                raise message.error(f"{quoted(name)} has values beyond {kind.name}")
            part = part.view(dtype)
        if done + part.size > count:
            raise message.error(
                f"{quoted(name)} gives more values than its {count} elements"
            )
        values[done : done + part.size] = part
        done += part.size
    if 0 < done < count:
        values[done:] = values[done - 1]
    return values


def _plain(values: NDArray[Any], kind: TensorType) -> NDArray[Any]:
    """Turn floats of every width into float32; numbers into native order."""
    if kind.name == "bfloat16":
        return (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.asarray(values, np.float32)
    if kind.dtype == "|b1":
        return values != 0
    return np.asarray(values, values.dtype.newbyteorder("="))
