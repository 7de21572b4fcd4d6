"""Layers that are no operation of a program, as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoo.layers.activation import Activation
from zoo.layers.base import Layer
from zoo.layers.connected import Connected
from zoo.layers.deconvolutional import Deconvolutional
from zoo.layers.groupnorm import GroupNorm
from zoo.layers.heads import Head
from zoo.layers.shortcut import Shortcut, overlap
from zoo.layers.softmax import Softmax
from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.upsample import Upsample
from zoo.layers.window_attention import WindowAttention
from zoo.onnx.attention import transposed_attention, window_attention
from zoo.onnx.writer import GraphWriter
from zoo.plugins.base import Array
from zoo.program.operations import Attend, NormalizeGroups, Opaque, Operation, Resize
from zoo.shapes import Shape

__all__ = [
    "LAYERS",
    "LayerWriter",
    "depends_on",
    "layer_writer",
    "prefers_layer",
    "resizes_like",
]


LayerWriter = Callable[[GraphWriter, Any, Sequence[str], Sequence[Shape]], str]
"""Writes a layer with inputs of these names and shapes; returns the output's name."""


def layer_writer(layer: Layer) -> LayerWriter | None:
    """What writes a layer, or None; a subclass may compute something else."""
    return None if layer.is_special else LAYERS.get(type(layer))


def resizes_like(layer: Layer) -> bool:
    """Whether a layer takes its size from another one's."""
    return isinstance(layer, Upsample) and layer.like is not None


def prefers_layer(layer: Layer, operation: Operation) -> bool:
    """Whether the layer says more than the operation that it becomes.

    A resizing operation knows the sizes of one picture, its layer the rule.
    """
    kinds = (Attend, NormalizeGroups, Opaque, Resize)
    return resizes_like(layer) or isinstance(operation, kinds)


def depends_on(layer: Layer, shapes: Sequence[Shape]) -> Any:
    """What the nodes of a layer take from its inputs' sizes; None for nothing."""
    unequal = any(shape != shapes[0] for shape in shapes)
    if isinstance(layer, (Connected, Head)) or (
        isinstance(layer, Shortcut) and unequal
    ):
        return tuple(shapes)
    return None


def _activation(
    w: GraphWriter, layer: Activation, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    return w.activate(inputs[0], layer.function)


def _connected(
    w: GraphWriter, layer: Connected, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    images = w.node("Transpose", inputs[0], perm=[0, 2, 3, 1])
    rows = w.node("Reshape", images, w.tensor([0, -1], np.int64))
    y = w.node("MatMul", rows, w.tensor(layer.weights.T))
    y = w.node("Reshape", y, w.tensor([0, -1, 1, 1], np.int64))
    return w.activate(_offset(w, layer, y), layer.function)


def _deconvolutional(
    w: GraphWriter,
    layer: Deconvolutional,
    inputs: Sequence[str],
    shapes: Sequence[Shape],
) -> str:
    padding = layer.geometry().padding
    (shape,) = shapes
    length = (shape.height - 1) * layer.stride + layer.size
    more = layer.output_shape(shape).height - (length - padding.top - padding.bottom)
    y = w.node(
        "ConvTranspose",
        inputs[0],
        w.tensor(layer.weights.transpose(3, 2, 0, 1)),
        kernel_shape=[layer.size] * 2,
        strides=[layer.stride] * 2,
        pads=[padding.top, padding.left, padding.bottom, padding.right],
        output_padding=[more] * 2,
        group=layer.groups,
    )
    return w.activate(_offset(w, layer, y), layer.function)


def _offset(w: GraphWriter, layer: Connected | Deconvolutional, y: str) -> str:
    """Batch normalization and biases of inference."""
    if layer.batch_normalize:
        factor, offset = layer.normalization_of_inference()
        y = w.node("Mul", y, w.tensor(factor.reshape(-1, 1, 1)))
    elif "biases" in layer.parameters:
        offset = layer.biases
    else:
        return y
    return w.node("Add", y, w.tensor(offset.reshape(-1, 1, 1)))


def _groupnorm(
    w: GraphWriter, layer: GroupNorm, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    """Groups as the channels of an instance normalization; factors afterwards."""
    groups = layer.groups
    rows = w.node("Reshape", inputs[0], w.tensor([0, groups, -1], np.int64))
    y = w.node(
        "InstanceNormalization",
        rows,
        w.tensor(np.ones(groups)),
        w.tensor(np.zeros(groups)),
        epsilon=layer.eps,
    )
    y = w.node("Reshape", y, w.node("Shape", inputs[0]))
    y = w.node("Mul", y, _per_channel(w, layer.tensors["scales"]))
    return w.node("Add", y, _per_channel(w, layer.biases))


def _softmax(
    w: GraphWriter, layer: Softmax, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    x = w.scaled(inputs[0], 1 / layer.temperature)
    rows = [0, layer.groups, shapes[0].channels // layer.groups, -1]
    if not layer.spatial:
        rows = [0, layer.groups, -1]
    y = w.node("Reshape", x, w.tensor(rows, np.int64))
    y = w.node("Softmax", y, axis=2)
    return w.node("Reshape", y, w.node("Shape", inputs[0]))


def _upsample(
    w: GraphWriter, layer: Upsample, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    if layer.stride < 0:
        cell = [-layer.stride] * 2
        mean = w.node("AveragePool", inputs[0], kernel_shape=cell, strides=cell)
        return w.scaled(mean, layer.stride**2 * layer.scale)
    modes: dict[str, dict[str, Any]] = {
        "nearest": {"mode": "nearest", "nearest_mode": "floor"},
        "bilinear": {"mode": "linear"},
        "bicubic": {"mode": "cubic", "cubic_coeff_a": layer.a},
    }
    places = "align_corners" if layer.align_corners else "half_pixel"
    if layer.mode == "nearest":
        places = "asymmetric"
    if layer.like is None:
        sizes = [w.tensor([1, 1, layer.stride, layer.stride])]
    else:
        own, other = (w.node("Shape", x) for x in inputs)
        size = w.slice(own, 0, 0, 2), w.slice(other, 0, 2, 4)
        sizes = ["", w.node("Concat", *size, axis=0)]
    y = w.node(
        "Resize",
        inputs[0],
        "",
        *sizes,
        coordinate_transformation_mode=places,
        **modes[layer.mode],
    )
    return w.scaled(y, layer.scale)


# -- shortcut --------------------------------------------------------------


def _shortcut(
    w: GraphWriter, layer: Shortcut, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    """The sum, each x_i cut out and put where the layer's rule wants it."""
    if layer.weighted:
        factors = layer.factors()
        total = w.node("Mul", inputs[0], _per_channel(w, factors[0]))
    else:
        reached = layer.reached(tuple(shapes))
        if layer.alpha == 1 or reached.all():
            total = w.scaled(inputs[0], layer.alpha)
        else:
            mask = np.where(reached, np.float32(layer.alpha), np.float32(1))
            total = w.node("Mul", inputs[0], w.tensor(mask.transpose(2, 0, 1)))
    for number, (x, shape) in enumerate(zip(inputs[1:], shapes[1:], strict=True), 1):
        count = min(shape.channels, shapes[0].channels)
        part = x if shape == shapes[0] else _cut(w, x, shapes[0], shape)
        if layer.weighted:
            factor = factors[number]
            some = factor[:count] if factor.ndim else factor
            part = w.node("Mul", part, _per_channel(w, some))
        else:
            part = w.scaled(part, layer.beta)
        if shape != shapes[0]:
            part = _placed(w, part, shapes[0], shape)
        total = w.node("Add", total, part)
    return w.activate(total, layer.function)


def _per_channel(w: GraphWriter, factor: Array) -> str:
    return w.tensor(factor.reshape(-1, 1, 1))


def _cut(w: GraphWriter, x: str, previous: Shape, other: Shape) -> str:
    """Those of an input's values that are added."""
    _, (_, rows, columns, channels) = overlap(previous, other)
    for axis, part in ((1, channels), (2, rows), (3, columns)):
        x = w.slice(x, axis, 0, part.stop, part.step or 1)
    return x


def _placed(w: GraphWriter, x: str, previous: Shape, other: Shape) -> str:
    """Zeros around and between what :func:`_cut` has left."""
    (_, rows, columns, channels), _ = overlap(previous, other)
    step = rows.step
    if step > 1:
        height, width = ((part.stop - 1) // step + 1 for part in (rows, columns))
        x = w.node("Reshape", x, w.tensor([0, 0, height, 1, width, 1], np.int64))
        ends = [0] * 9 + [step - 1, 0, step - 1]
        x = w.node("Pad", x, w.tensor(ends, np.int64))
        x = w.node(
            "Reshape", x, w.tensor([0, 0, height * step, width * step], np.int64)
        )
        x = w.slice(w.slice(x, 2, 0, rows.stop), 3, 0, columns.stop)
    after = (
        previous.channels - channels.stop,
        previous.height - rows.stop,
        previous.width - columns.stop,
    )
    if not any(after):
        return x
    return w.node("Pad", x, w.tensor([0] * 5 + list(after), np.int64))


LAYERS: dict[type[Layer], LayerWriter] = {
    Activation: _activation,
    Connected: _connected,
    Deconvolutional: _deconvolutional,
    GroupNorm: _groupnorm,
    Shortcut: _shortcut,
    Softmax: _softmax,
    TransposedAttention: transposed_attention,
    Upsample: _upsample,
    WindowAttention: window_attention,
}
