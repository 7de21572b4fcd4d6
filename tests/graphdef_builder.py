"""Frozen TensorFlow graphs for tests, written without TensorFlow."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_DTYPES = {"float32": 1, "int32": 3, "uint8": 12}  # 12 is quint8


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _bytes(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _integer(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _tensor(array: np.ndarray) -> bytes:
    """A TensorProto: dtype = 1, shape = 2, content = 4."""
    shape = b"".join(_bytes(2, _integer(1, size)) for size in array.shape)
    return (
        _integer(1, _DTYPES[array.dtype.name])
        + _bytes(2, shape)
        + _bytes(4, array.tobytes())
    )


def _attribute(value: Any) -> bytes:
    """An AttrValue: list = 1, s = 2, i = 3, f = 4, tensor = 8."""
    if isinstance(value, np.ndarray):
        return _bytes(8, _tensor(value))
    if isinstance(value, str):
        return _bytes(2, value.encode())
    if isinstance(value, int):
        return _integer(3, value)
    if isinstance(value, float):
        return _varint(4 << 3 | 5) + struct.pack("<f", value)
    return _bytes(1, _bytes(3, b"".join(_varint(item) for item in value)))


def node(name: str, op: str, *inputs: str, **attributes: Any) -> bytes:
    """A NodeDef, as a field of a GraphDef."""
    body = _bytes(1, name.encode()) + _bytes(2, op.encode())
    body += b"".join(_bytes(3, source.encode()) for source in inputs)
    for key, value in attributes.items():
        body += _bytes(5, _bytes(1, key.encode()) + _bytes(2, _attribute(value)))
    return _bytes(1, body)


def constant(name: str, value: Any) -> bytes:
    """A Const node."""
    return node(name, "Const", value=np.asarray(value))


def opencv_edsr(
    blocks: int = 2,
    filters: int = 6,
    scale: int = 3,
    res_scale: float | None = 0.1,
    *,
    quantized: bool = True,
    padding: str = "SAME",
    last_operation: str = "DepthToSpace",
) -> tuple[bytes, dict[str, np.ndarray]]:
    """A graph of the kind that OpenCV's dnn_superres loads, and its float weights."""
    rng = np.random.default_rng(scale)
    graph = b""
    floats: dict[str, np.ndarray] = {}

    def weight(name: str, inputs: int, outputs: int) -> None:
        nonlocal graph
        shape = (3, 3, inputs, outputs)
        if not quantized:
            floats[name] = rng.normal(0, 0.2, shape).astype(np.float32)
            graph += constant(name, floats[name])
            return
        levels = rng.integers(0, 256, shape, np.uint8)
        # 125 steps of 0.002 below zero: MIN_FIRST rounds to whole steps.
        low, high = np.float32(-0.25), np.float32(0.26)
        floats[name] = (low + levels * ((high - low) / 255)).astype(np.float32)
        parts = [f"{name}_quantized_{part}" for part in ("const", "min", "max")]
        for part, value in zip(parts, (levels, low, high), strict=True):
            graph += constant(part, value)
        graph += node(name, "Dequantize", *parts, mode="MIN_FIRST")

    def bias(name: str, size: int) -> None:
        nonlocal graph
        floats[name] = rng.normal(0, 1, size).astype(np.float32)
        graph += constant(name, floats[name])

    count = 0

    def convolution(source: str, filter_name: str, bias_name: str) -> str:
        nonlocal graph, count
        count += 1
        graph += node(
            f"Conv2D_{count}",
            "Conv2D",
            source,
            filter_name,
            padding=padding,
            strides=[1, 1, 1, 1],
        )
        graph += node(f"biased_{count}", "Add", f"Conv2D_{count}", bias_name)
        return f"biased_{count}"

    for name, inputs, outputs in (
        ("One", 3, filters),
        ("Two", filters, filters),
        ("Three", filters, 3 * scale**2),
    ):
        weight(f"resFilter_{name.lower()}", inputs, outputs)
        bias(f"Bias{name}", outputs)
    for index in range(2 * blocks):
        weight(f"resFilter{index}", filters, filters)
        bias(f"resBias{index}", filters)
    graph += node("IteratorGetNext", "Placeholder")
    head = here = convolution("IteratorGetNext", "resFilter_one", "BiasOne")
    for block in range(blocks):
        inside = convolution(here, f"resFilter{2 * block}", f"resBias{2 * block}")
        graph += node(f"Relu_{block}", "Relu", inside)
        inside = convolution(
            f"Relu_{block}", f"resFilter{2 * block + 1}", f"resBias{2 * block + 1}"
        )
        if res_scale is not None:
            graph += constant(f"mul_{block}/y", np.float32(res_scale))
            graph += node(f"mul_{block}", "Mul", inside, f"mul_{block}/y")
            inside = f"mul_{block}"
        graph += node(f"sum_{block}", "Add", here, inside)
        here = f"sum_{block}"
    here = convolution(here, "resFilter_two", "BiasTwo")
    graph += node("sum", "Add", here, head)
    here = convolution("sum", "resFilter_three", "BiasThree")
    graph += node("NHWC_output", last_operation, here, block_size=scale)
    graph += constant("NCHW_output/perm", np.array([0, 3, 1, 2], np.int32))
    graph += node("NCHW_output", "Transpose", "NHWC_output", "NCHW_output/perm")
    return graph, floats
