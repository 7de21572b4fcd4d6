"""ONNX's TensorProto: a type, lengths, and values here or in a file beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._onnx_external import ExternalData
from zoo.parsers._pickle_values import quoted
from zoo.parsers._protobuf import Message

__all__ = ["NUMBERS", "OTHERS", "TensorReader"]

_MAX_DIMENSIONS = 16

NUMBERS: Final[Mapping[int, str]] = {
    1: "<f4",
    2: "|u1",
    3: "|i1",
    4: "<u2",
    5: "<i2",
    6: "<i4",
    7: "<i8",
    9: "|b1",
    10: "<f2",
    11: "<f8",
    12: "<u4",
    13: "<u8",
    16: "<u2",
}
"""Element types of plain numbers, by their numbers in the schema; 16 is bfloat16."""

OTHERS: Final[Mapping[int, str]] = {
    8: "texts",
    14: "complex numbers",
    15: "complex numbers",
    17: "float8",
    18: "float8",
    19: "float8",
    20: "float8",
    21: "4-bit integers",
    22: "4-bit integers",
    23: "float4",
}
"""Those that zoo does not read."""

_BFLOAT16 = 16
_LISTS: Final[Mapping[int, tuple[int, str]]] = {
    1: (4, "<f4"),
    11: (10, "<f8"),
    7: (7, ""),
    12: (11, ""),
    13: (11, ""),
}
"""The field that lists values of a type; int32_data (5) for all others."""


class TensorReader:
    """Reads the tensors of one file.

    Parameters
    ----------
    source : str
        For messages.
    external : ExternalData
        Where the bytes of tensors are that the file does not hold itself.
    """

    def __init__(self, source: str, external: ExternalData) -> None:
        self._source = source
        self._external = external

    def read(self, message: Message) -> tuple[str, NDArray[Any]]:
        """Read a tensor: its name and its values.

        Returns
        -------
        str
        ndarray
            float32 for bfloat16; maybe read-only.

        Raises
        ------
        NotImplementedError
            If it holds no plain numbers; says what it holds.
        ReaderError
            If it is malformed, or its values do not fill it.
        """
        name, kind, raw = "", 0, None
        shape: list[int] = []
        external: dict[str, str] = {}
        is_outside = False
        for item in message:
            match item.number:
                case 1:
                    left = _MAX_DIMENSIONS + 1 - len(shape)
                    shape += message.varints(item, left).tolist()
                case 2:
                    kind = message.signed(item)
                case 8:
                    name = message.text(item)
                case 9:
                    raw = item
                case 13:
                    key, value = _entry(message.message(item))
                    external[key] = value
                case 14:
                    is_outside = message.signed(item) == 1
        if kind in OTHERS:
            raise NotImplementedError(OTHERS[kind])
        if kind not in NUMBERS:
            raise message.error(f"tensor {quoted(name)} is of unknown type {kind}")
        if len(shape) > _MAX_DIMENSIONS or min(shape, default=0) < 0:
            raise message.error(f"the shape of tensor {quoted(name)} makes no sense")
        dtype = np.dtype(NUMBERS[kind])
        count = math.prod(shape)
        if is_outside:
            data = self._external.read(name, external, count * dtype.itemsize)
            values = np.frombuffer(data, np.uint8 if kind == 9 else dtype)
        elif raw is not None:
            values = self._raw(message, raw, name, kind, dtype)
        else:
            values = _listed(message, name, kind, dtype, count)
        if values.size != count:
            raise message.error(
                f"tensor {quoted(name)} of {'x'.join(map(str, shape)) or 'one'} values "
                f"holds {values.size}"
            )
        if kind == _BFLOAT16:
            values = (values.astype(np.uint32) << np.uint32(16)).view(np.float32)
        elif kind == 9:
            values = values != 0
        return name, np.asarray(values, values.dtype.newbyteorder("=")).reshape(shape)

    def _raw(
        self, message: Message, item: Any, name: str, kind: int, dtype: Any
    ) -> NDArray[Any]:
        data = message.bytes(item)
        if len(data) % dtype.itemsize:
            raise message.error(f"the bytes of tensor {quoted(name)} end in a number")
        return np.frombuffer(data, np.uint8 if kind == 9 else dtype)


def _listed(
    message: Message, name: str, kind: int, dtype: Any, count: int
) -> NDArray[Any]:
    number, packed = _LISTS.get(kind, (5, ""))
    parts: list[NDArray[Any]] = []
    done = 0
    for item in message:
        if item.number != number:
            continue
        if packed:
            part: NDArray[Any] = message.array(item, packed)
        else:
            numbers = message.varints(item, max(count - done, 0))
            half = kind in (10, _BFLOAT16)  # halves come as their bits
            part = numbers.astype("<u2" if half else dtype)
            if kind == 10:
                part = part.view("<f2")
        done += part.size
        parts.append(part)
        if done > count:
            raise message.error(f"tensor {quoted(name)} holds more than {count} values")
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _entry(message: Message) -> tuple[str, str]:
    """Read a StringStringEntryProto."""
    texts = {1: "", 2: ""}
    for item in message:
        if item.number in texts:
            texts[item.number] = message.text(item)
    return texts[1], texts[2]


def refuse(source: str, what: str) -> ReaderError:
    """An error for tensors of types that zoo does not read."""
    return ReaderError(
        f"{source}: its weights are {what}, which zoo does not read; give the file "
        f"before it was quantised"
    )
