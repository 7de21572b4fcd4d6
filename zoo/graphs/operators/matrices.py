"""Products of channels with constant matrices, and batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.axes import Atom, join
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._constants import channel_vector
from zoo.graphs.operators._pictures import regular
from zoo.graphs.operators.arithmetic import OPERATORS as ARITHMETIC
from zoo.graphs.operators.convolutions import constant_weights, pointwise
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView

__all__ = ["OPERATORS"]

Array = NDArray[Any]


def _product(
    t: Tracer, view: PictureView, axis: int, matrix: Array, origins: frozenset[str]
) -> PictureView:
    """Multiply the channels along an axis by a matrix, in x out."""
    axis %= view.rank
    if any(atom.axis in "hw" for atom in view.axes[axis]):
        raise Untranslatable("a product with a matrix over rows or columns")
    if view.shape[axis] != matrix.shape[0]:
        raise ValueError(f"{view.shape[axis]} values and a matrix of {matrix.shape}")
    view, places = regular(t.draft, view)
    others = [
        i for i, place in enumerate(places) if i != axis and not place and view.axes[i]
    ]
    axes = list(view.axes)
    if others:  # the same matrix for every index of the others
        if len(others) > 1 or others[0] > axis:
            raise Untranslatable("a product with a matrix over a part of the channels")
        count = view.shape[others[0]]
        matrix = np.kron(np.eye(count, dtype=matrix.dtype), matrix)
        inner = matrix.shape[1] // count
        axes[others[0]] = join([Atom("c", count, inner)])
        axes[axis] = join([Atom("c", inner)])
    else:
        axes[axis] = join([Atom("c", matrix.shape[1])])
    step = pointwise(t, view.step, matrix, None, origins)
    return PictureView(step, tuple(axes))


def _matmul(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    a, b = inputs[:2]
    if isinstance(a, PictureView) and isinstance(b, PictureView):
        raise Untranslatable("MatMul of two values")
    constant = a if isinstance(a, Const) else b
    view: PictureView = b if isinstance(a, Const) else a
    matrix = constant.array
    while matrix.ndim > 2 and matrix.shape[0] == 1:
        matrix = matrix[0]
    if matrix.ndim != 2 or view.rank < 2:
        raise Untranslatable("MatMul with weights of more than two axes")
    if constant is a:
        return _product(t, view, -2, matrix.T, constant.origins)
    return _product(t, view, -1, matrix, constant.origins)


def _gemm(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view = inputs[0]
    if not isinstance(view, PictureView):
        raise Untranslatable("Gemm with weights made from the picture")
    weights = constant_weights(t, inputs[1], "Gemm")
    if node.attributes.get("transA"):
        view = PictureView(view.step, view.axes[::-1])
    matrix = weights.array.T if node.attributes.get("transB") else weights.array
    matrix = matrix * np.float32(node.attributes.get("alpha", 1.0))
    result = _product(t, view, -1, matrix, weights.origins)
    if len(inputs) > 2:
        added = inputs[2]
        beta = float(node.attributes.get("beta", 1.0))
        if isinstance(added, Const):
            added = Const(added.array * beta, added.origins)
        elif beta != 1:
            added = PictureView(t.draft.affine(added.step, beta, 0), added.axes)
        result = ARITHMETIC["Add"](t, Node("Add", (), ()), [result, added])  # type: ignore[assignment]
    return result


def _batch_normalization(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    if node.attributes.get("training_mode"):
        raise Untranslatable("BatchNormalization that learns while it runs")
    parts = [constant_weights(t, x, "BatchNormalization") for x in inputs[1:5]]
    gamma, beta, mean, variance = (np.asarray(x.array, np.float64) for x in parts)
    factor = gamma / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    shape = (1, -1) + (1,) * (view.rank - 2)
    scale, offset = factor.reshape(shape), (beta - factor * mean).reshape(shape)
    view, scales = channel_vector(t.draft, view, scale)
    _, offsets = channel_vector(t.draft, view, offset)
    origins = frozenset().union(*(x.origins for x in parts))
    return PictureView(t.draft.affine(view.step, scales, offsets, origins), view.axes)


OPERATORS: dict[str, Operator] = {
    "BatchNormalization": _batch_normalization,
    "Gemm": _gemm,
    "MatMul": _matmul,
}
