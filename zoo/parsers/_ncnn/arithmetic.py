"""ncnn's arithmetic in ONNX's words."""

from __future__ import annotations

from typing import Final

import numpy as np

from zoo.parsers._ncnn.layer import Layer, Untranslatable, Words, plainly

__all__ = ["ARITHMETIC"]

_BINARY: Final = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sub", "Div", "Pow")
_REVERSED: Final = 7  # from here on the second operand comes first


def _binary(self: Layer) -> None:
    kind = self.layer.integer(0)
    if not 0 <= kind < len(_BINARY):
        raise Untranslatable
    if self.layer.integer(1):
        operands = [self.input, self.constant(np.float32(self.layer.number(2)))]
    else:
        operands = list(self.inputs(2))
    if kind >= _REVERSED:
        operands.reverse()
    self.add(_BINARY[kind], operands, self.output)


def _eltwise(self: Layer) -> None:
    kind, factors = self.layer.integer(0), self.layer.numbers(1)
    inputs = list(self.layer.inputs)
    if kind not in (0, 1, 2) or len(inputs) < 2:
        raise Untranslatable
    if kind == 1 and factors:
        if len(factors) != len(inputs):
            raise self.layer.error(f"{len(factors)} factors for {len(inputs)} inputs")
        inputs = [
            value
            if factor == 1
            else self.add("Mul", [value, self.constant(np.float32(factor))])
            for value, factor in zip(inputs, factors, strict=True)
        ]
    op = ("Mul", "Add", "Max")[kind]
    value = inputs[0]
    for other in inputs[1:-1]:
        value = self.add(op, [value, other])
    self.add(op, [value, inputs[-1]], self.output)


_UNARY: Final[tuple[str, ...]] = [
    "Abs",
    "Neg",
    "Floor",
    "Ceil",
    "square",
    "Sqrt",
    "rsqrt",
    "Exp",
    "Log",
    "Sin",
    "Cos",
    "Tan",
    "Asin",
    "Acos",
    "Atan",
    "Reciprocal",
    "Tanh",
    "log10",
    "Round",
    "trunc",
]  # type: ignore[assignment]


def _unary(self: Layer) -> None:
    kind = self.layer.integer(0)
    op = _UNARY[kind] if 0 <= kind < len(_UNARY) else "unknown"
    if op == "square":
        self.add("Mul", [self.input, self.input], self.output)
    elif op == "rsqrt":
        self.add("Reciprocal", [self.add("Sqrt", [self.input])], self.output)
    elif op.islower():
        raise Untranslatable
    else:
        self.add(op, [self.input], self.output)


def _power(self: Layer) -> None:
    """(shift + scale x) ^ power."""
    power, scale, shift = (
        self.layer.number(key, default) for key, default in ((0, 1), (1, 1), (2, 0))
    )
    value = self.add("Mul", [self.input, self.constant(np.float32(scale))])
    value = self.add("Add", [value, self.constant(np.float32(shift))])
    self.add("Pow", [value, self.constant(np.float32(power))], self.output)


def _scale(self: Layer) -> None:
    if "scale" in self.weights:
        factor, value = self.along_channels("scale"), self.input
    else:
        value, factor = self.inputs(2)
    value = self.add("Mul", [value, factor])
    if "bias" in self.weights:
        value = self.add("Add", [value, self.along_channels("bias")])
    self.add("Identity", [value], self.output)


def _bias(self: Layer) -> None:
    self.add("Add", [self.input, self.along_channels("bias")], self.output)


def _memory(self: Layer) -> None:
    data = self.weights["data"]
    # A vector meets a map along its channels, a matrix along channels and rows.
    shape = (1, *data.shape, 1, 1, 1)[:4] if data.ndim < 4 else (1, *data.shape)
    self.graph.constant(
        data.reshape(shape), self.output, origin=f"{self.layer.name}.data"
    )


ARITHMETIC: Final[Words] = {
    "AbsVal": plainly("Abs"),
    "Bias": _bias,
    "BinaryOp": _binary,
    "Cast": plainly("Identity"),
    "Eltwise": _eltwise,
    "MemoryData": _memory,
    "Noop": plainly("Identity"),
    "Power": _power,
    "Scale": _scale,
    "UnaryOp": _unary,
}
"""Translations, by ncnn's names of layers."""
