"""Writes protocol buffers byte by byte, for the tests of their reader."""

from __future__ import annotations

import struct
from collections.abc import Iterable


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def key(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def integer(number: int, value: int) -> bytes:
    return key(number, 0) + varint(value)


def chunk(number: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return key(number, 2) + varint(len(data)) + data


def float32(number: int, value: float) -> bytes:
    return key(number, 5) + struct.pack("<f", value)


def packed(number: int, values: Iterable[int]) -> bytes:
    return chunk(number, b"".join(map(varint, values)))


# -- TensorFlow's messages --


def shape(*sizes: int) -> bytes:
    return b"".join(chunk(2, integer(1, size)) for size in sizes)


def tensor(kind: int, sizes: Iterable[int], values: bytes) -> bytes:
    """A TensorProto; ``values`` are fields that hold the values."""
    return integer(1, kind) + chunk(2, shape(*sizes)) + values


def attr(name: str, value: bytes) -> bytes:
    return chunk(5, chunk(1, name) + chunk(2, value))


def node(name: str, op: str, inputs: Iterable[str] = (), *attrs: bytes) -> bytes:
    data = chunk(1, name) + chunk(2, op)
    data += b"".join(chunk(3, item) for item in inputs)
    return chunk(1, data + b"".join(attrs))


def const(name: str, kind: int, sizes: Iterable[int], values: bytes) -> bytes:
    return node(
        name,
        "Const",
        (),
        attr("dtype", integer(6, kind)),
        attr("value", chunk(8, tensor(kind, sizes, values))),
    )
