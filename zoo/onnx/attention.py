"""Layers of self-attention as nodes of an ONNX graph, for pictures of any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.window_attention import APART, WindowAttention
from zoo.onnx.writer import GraphWriter
from zoo.shapes import Shape

__all__ = ["transposed_attention", "window_attention"]

_INT64 = 7
_TINY = 1e-12
_END = np.iinfo(np.int64).max


class _Sizes:
    """Names of the numbers of pictures, rows and columns, as tensors of one number."""

    def __init__(self, w: GraphWriter, x: str, extent: tuple[int, int]) -> None:
        self.w = w
        shape = w.node("Shape", x)
        self.batch, self.height, self.width = (
            w.slice(shape, 0, axis, axis + 1) for axis in (0, 2, 3)
        )
        self.down, self.right = (
            w.node("Div", length, self.numbers(size))
            for length, size in zip((self.height, self.width), extent, strict=True)
        )

    def numbers(self, *values: int) -> str:
        """A tensor of them."""
        return self.w.tensor(values, np.int64)

    def reshaped(self, x: str, *lengths: str | int) -> str:
        """A value in a shape of which some lengths are known by name."""
        parts = [n if isinstance(n, str) else self.numbers(n) for n in lengths]
        return self.w.node("Reshape", x, self.w.node("Concat", *parts, axis=0))


def window_attention(
    w: GraphWriter,
    layer: WindowAttention,
    inputs: Sequence[str],
    shapes: Sequence[Shape],
) -> str:
    """See :class:`zoo.layers.window_attention.WindowAttention`."""
    rows, columns = layer.extent
    places, heads = rows * columns, layer.heads
    channels = shapes[0].channels // 3
    depth = channels // heads
    x = _rolled(w, inputs[0], layer.steps)
    sizes = _Sizes(w, x, layer.extent)
    lengths: list[str | int] = [sizes.down, rows, sizes.right, columns]
    into, out = (0, 4, 6, 1, 2, 5, 7, 3), (0, 3, 6, 1, 4, 2, 5)
    if layer.grid:
        lengths = [rows, sizes.down, columns, sizes.right]
        into, out = (0, 5, 7, 1, 2, 4, 6, 3), (0, 3, 6, 4, 1, 5, 2)
    x = sizes.reshaped(x, sizes.batch, 3, heads, depth, *lengths)
    x = w.node("Transpose", x, perm=into)
    x = w.node("Reshape", x, sizes.numbers(0, -1, 3, heads, places, depth))
    q, k, v = _parts(w, x)
    turned = w.node("Transpose", k, perm=(0, 1, 2, 4, 3))
    logits = w.node("MatMul", w.scaled(q, 1 / math.sqrt(depth)), turned)
    if layer.positions:
        biases = layer.tensors["position_biases"][layer.places()]
        logits = w.node("Add", logits, w.tensor(biases.transpose(2, 0, 1)))
    if any(layer.steps):
        logits = w.node("Add", logits, _held_apart(w, layer, sizes))
    y = w.node("MatMul", w.node("Softmax", logits, axis=-1), v)
    y = sizes.reshaped(
        y, sizes.batch, sizes.down, sizes.right, heads, rows, columns, depth
    )
    y = w.node("Transpose", y, perm=out)
    y = sizes.reshaped(y, sizes.batch, channels, sizes.height, sizes.width)
    return _rolled(w, y, (-layer.steps[0], -layer.steps[1]))


def _rolled(w: GraphWriter, x: str, steps: tuple[int, int]) -> str:
    """The picture moved up and to the left; what leaves it comes in again."""
    for axis, by in zip((2, 3), steps, strict=True):
        if by:
            parts = w.slice(x, axis, by, _END), w.slice(x, axis, 0, by)
            x = w.node("Concat", *parts, axis=axis)
    return x


def _parts(w: GraphWriter, x: str) -> list[str]:
    """q, k and v, which are the third axis."""
    axis = w.tensor([2], np.int64)
    return [w.node("Squeeze", w.slice(x, 2, n, n + 1), axis) for n in range(3)]


def _held_apart(w: GraphWriter, layer: WindowAttention, sizes: _Sizes) -> str:
    """windows x 1 x pixels x pixels: what pairs that only the shift made get."""
    regions = []
    none, one = (w.node("Squeeze", sizes.numbers(n)) for n in (0, 1))
    for length, size, by in zip(
        (sizes.height, sizes.width), layer.extent, layer.steps, strict=True
    ):
        line = w.node("Range", none, w.node("Squeeze", length), one)
        region = w.node("Mul", line, none)
        for back in (size, by) if by else ():
            start = w.node("Sub", length, sizes.numbers(back))
            beyond = w.node("GreaterOrEqual", line, start)
            region = w.node("Add", region, w.node("Cast", beyond, to=_INT64))
        regions.append(region)
    down = w.node("Unsqueeze", regions[0], sizes.numbers(1))
    which = w.node("Add", w.node("Mul", down, sizes.numbers(3)), regions[1])
    rows, columns = layer.extent
    which = sizes.reshaped(which, sizes.down, rows, sizes.right, columns)
    which = w.node("Transpose", which, perm=(0, 2, 1, 3))
    which = w.node("Reshape", which, sizes.numbers(-1, 1, 1, rows * columns))
    other = w.node("Transpose", which, perm=(0, 1, 3, 2))
    same = w.node("Equal", which, other)
    return w.node("Where", same, w.tensor([0]), w.tensor([APART]))


def transposed_attention(
    w: GraphWriter,
    layer: TransposedAttention,
    inputs: Sequence[str],
    shapes: Sequence[Shape],
) -> str:
    """See :class:`zoo.layers.transposed_attention.TransposedAttention`."""
    (x,), side, heads = inputs, layer.size or 1, layer.heads
    channels = shapes[0].channels // 3
    depth = channels // heads
    sizes = _Sizes(w, x, (side, side))
    outer: list[str | int] = [1, 1]
    inner: list[str | int] = [sizes.height, sizes.width]
    flat = (0, 1, 3, heads, depth, -1)
    back: tuple[int, ...] | None = None
    if layer.size:
        blocks: list[str | int] = [sizes.down, sizes.right]
        inside: list[str | int] = [side, side]
        outer, inner = (inside, blocks) if layer.grid else (blocks, inside)
        lengths = (sizes.down, side, sizes.right, side)
        x = sizes.reshaped(x, sizes.batch, 3, heads, depth, *lengths)
        into = (0, 5, 7, 1, 2, 3, 4, 6) if layer.grid else (0, 4, 6, 1, 2, 3, 5, 7)
        back = (0, 3, 4, 5, 1, 6, 2) if layer.grid else (0, 3, 4, 1, 5, 2, 6)
        x = w.node("Transpose", x, perm=into)
        places = (side * side, -1) if layer.grid else (-1, side * side)
        flat = (0, places[0], 3, heads, depth, places[1])
    q, k, v = _parts(w, w.node("Reshape", x, sizes.numbers(*flat)))
    axes, tiny = sizes.numbers(-1), w.tensor([_TINY])
    a, b = (
        w.node("Div", part, w.node("Max", w.node("ReduceL2", part, axes), tiny))
        for part in (q, k)
    )
    logits = w.node("MatMul", a, w.node("Transpose", b, perm=(0, 1, 2, 4, 3)))
    temperatures = layer.tensors["temperatures"].reshape(-1, 1, 1)
    logits = w.node("Mul", logits, w.tensor(temperatures))
    y = w.node("MatMul", w.node("Softmax", logits, axis=-1), v)
    if back is not None:
        y = sizes.reshaped(y, sizes.batch, *outer, heads, depth, *inner)
        y = w.node("Transpose", y, perm=back)
    return sizes.reshaped(y, sizes.batch, channels, sizes.height, sizes.width)
