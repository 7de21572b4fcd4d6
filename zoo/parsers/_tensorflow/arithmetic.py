"""TensorFlow's arithmetic, activations and reductions; ONNX's in all but name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from zoo.parsers._tensorflow.node import TfNode, Untranslatable

__all__ = ["ARITHMETIC"]


def _plainly(op: str, count: int = 1, **attributes: Any) -> Callable[[TfNode], None]:
    """An operator that ONNX has too, with so many inputs."""

    def word(self: TfNode) -> None:
        self.add(op, self.take(count)[:count], self.output, **attributes)

    return word


def _sum(self: TfNode) -> None:
    value, *rest = self.take(1)
    for other in rest[:-1]:
        value = self.add("Add", [value, other])
    if rest:
        self.add("Add", [value, rest[-1]], self.output)
    else:
        self.add("Identity", [value], self.output)


def _bias(self: TfNode) -> None:
    value, bias = self.take(2)[:2]
    if self.is_first:
        bias = self.add("Unsqueeze", [bias, self.integers(1, 2)])
    self.add("Add", [value, bias], self.output)


def _relu6(self: TfNode) -> None:
    limits = [self.floating(0), self.floating(6)]
    self.add("Clip", [self.input, *limits], self.output)


def _clip(self: TfNode) -> None:
    self.add("Clip", self.take(3)[:3], self.output)


def _leaky(self: TfNode) -> None:
    alpha = self.number("alpha", 0.2)
    self.add("LeakyRelu", [self.input], self.output, alpha=alpha)


def _prelu(self: TfNode) -> None:
    """TFJS has it as an operator; the slopes are one per channel."""
    value, name = self.take(2)[:2]
    slopes = self.tensors.get(name)
    if slopes is None or slopes.size != max(slopes.shape, default=1):
        raise Untranslatable
    slope = self.graph.constant(slopes.reshape(-1, 1, 1), origin=name)
    turned = self.graph.channels_first(value)
    self.graph.channels_last(self.add("PRelu", [turned, slope]), self.output)


def _square(self: TfNode) -> None:
    self.add("Mul", [self.input, self.input], self.output)


def _squared_difference(self: TfNode) -> None:
    value = self.add("Sub", self.take(2)[:2])
    self.add("Mul", [value, value], self.output)


def _rsqrt(self: TfNode) -> None:
    self.add("Reciprocal", [self.add("Sqrt", [self.input])], self.output)


def _floor_divide(self: TfNode) -> None:
    kind = self.text("T")
    if kind.startswith("float"):
        self.add("Floor", [self.add("Div", self.take(2)[:2])], self.output)
    else:
        self.add("Div", self.take(2)[:2], self.output)


def _softmax(self: TfNode) -> None:
    self.add("Softmax", [self.input], self.output, axis=-1)


def _reduce(op: str) -> Callable[[TfNode], None]:
    def word(self: TfNode) -> None:
        value, axes = self.take(2)[:2]
        keep = int(self.flag("keep_dims") or self.flag("keepdims"))
        if axes in self.tensors:
            axes = self.integers(*self.fixed_integers(1))
        self.add(op, [value, axes], self.output, keepdims=keep)

    return word


def _matmul(self: TfNode) -> None:
    left, right = self.take(2)[:2]
    if self.flag("adj_x") or self.flag("adj_y"):
        raise Untranslatable
    if self.flag("transpose_a"):
        left = self.add("Transpose", [left], perm=(1, 0))
    if self.flag("transpose_b"):
        right = self.add("Transpose", [right], perm=(1, 0))
    self.add("MatMul", [left, right], self.output)


def _unless_training(self: TfNode) -> None:
    """A value that may be fed, and is the given one if it is not."""
    self.add("Identity", [self.input], self.output)


_PLAIN: Final = {
    "Abs": "Abs",
    "Ceil": "Ceil",
    "CheckNumerics": "Identity",
    "Elu": "Elu",
    "Erf": "Erf",
    "Exp": "Exp",
    "Floor": "Floor",
    "Identity": "Identity",
    "Inv": "Reciprocal",
    "Log": "Log",
    "Mish": "Mish",
    "Neg": "Neg",
    "PreventGradient": "Identity",
    "Reciprocal": "Reciprocal",
    "Relu": "Relu",
    "Round": "Round",
    "Rint": "Round",
    "Selu": "Selu",
    "Sigmoid": "Sigmoid",
    "Snapshot": "Identity",
    "Softplus": "Softplus",
    "Softsign": "Softsign",
    "Sqrt": "Sqrt",
    "StopGradient": "Identity",
    "Tanh": "Tanh",
}
_BINARY: Final = {
    "Add": "Add",
    "AddV2": "Add",
    "Div": "Div",
    "DivNoNan": "Div",
    "Equal": "Equal",
    "FloorMod": "Mod",
    "Greater": "Greater",
    "GreaterEqual": "GreaterOrEqual",
    "Less": "Less",
    "LessEqual": "LessOrEqual",
    "LogicalAnd": "And",
    "LogicalOr": "Or",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mod": "Mod",
    "Mul": "Mul",
    "Pow": "Pow",
    "RealDiv": "Div",
    "Sub": "Sub",
}

ARITHMETIC: Final[Mapping[str, Callable[[TfNode], None]]] = {
    **{word: _plainly(op) for word, op in _PLAIN.items()},
    **{word: _plainly(op, 2) for word, op in _BINARY.items()},
    "AddN": _sum,
    "BatchMatMul": _matmul,
    "BatchMatMulV2": _matmul,
    "BiasAdd": _bias,
    "BiasAddV1": _bias,
    "ClipByValue": _clip,
    "FloorDiv": _floor_divide,
    "LeakyRelu": _leaky,
    "LogicalNot": _plainly("Not"),
    "MatMul": _matmul,
    "Max": _reduce("ReduceMax"),
    "Mean": _reduce("ReduceMean"),
    "Min": _reduce("ReduceMin"),
    "PlaceholderWithDefault": _unless_training,
    "Prelu": _prelu,
    "Prod": _reduce("ReduceProd"),
    "Relu6": _relu6,
    "Rsqrt": _rsqrt,
    "Select": _plainly("Where", 3),
    "SelectV2": _plainly("Where", 3),
    "Softmax": _softmax,
    "Square": _square,
    "SquaredDifference": _squared_difference,
    "Sum": _reduce("ReduceSum"),
}
"""Translations, by TensorFlow's words."""
