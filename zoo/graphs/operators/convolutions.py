"""Convolutions with constant weights, also those that are written in other ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import channels, numbers
from zoo.graphs.axes import Atom, join
from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.graph import Node
from zoo.graphs.operators._pictures import regular
from zoo.graphs.operators.indexing import MOST_PIXELS
from zoo.graphs.trace import Operator, Tracer
from zoo.graphs.values import Const, PictureView
from zoo.shapes import Shape

__all__ = ["LARGEST_KERNEL", "OPERATORS", "constant_weights", "pointwise"]

Array = NDArray[Any]

LARGEST_KERNEL = 1 << 26
"""Weights of one layer that are made by filling in zeros."""


def pointwise(
    t: Tracer,
    x: Step,
    weights: Array,
    biases: Array | None = None,
    origins: frozenset[str] = frozenset(),
) -> Step:
    """A 1 x 1 convolution with weights C x K."""
    return t.draft.add(
        "conv",
        [x],
        Shape(x.shape.height, x.shape.width, weights.shape[1]),
        origins,
        weights=weights[None, None],
        biases=biases,
        strides=(1, 1),
        dilation=(1, 1),
        pads=(0, 0, 0, 0),
        same=False,
        mode="zero",
        groups=1,
    )


def constant_weights(t: Tracer, value: Any, what: str) -> Const:
    """Weights as floats; refused if they are made from the picture."""
    if not isinstance(value, Const):
        raise Untranslatable(f"{what} with weights made from the picture")
    if value.array.dtype.kind != "f":
        value = Const(value.array.astype(np.float32), value.origins)
    return value


def _biases(inputs: list[Any], what: str) -> tuple[Array | None, frozenset[str]]:
    if len(inputs) < 3 or inputs[2] is None:
        return None, frozenset()
    if not isinstance(inputs[2], Const):
        raise Untranslatable(f"{what} with biases made from the picture")
    return inputs[2].array.reshape(-1), inputs[2].origins


def _two(node: Node, name: str) -> tuple[int, int]:
    values = node.attributes.get(name) or (1, 1)
    first, second = (int(value) for value in values)
    if min(first, second) < 1 or max(first, second) > MOST_PIXELS:
        raise ValueError(f"{name} {first}, {second}")
    return first, second


def _conv(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    weights = constant_weights(t, inputs[1], "Conv")
    biases, more = _biases(inputs, "Conv")
    kernel = weights.array
    if kernel.ndim == 3:
        return _conv_of_channels(t, node, view, weights, biases, more)
    if kernel.ndim != 4:
        raise Untranslatable(f"Conv over {kernel.ndim - 2} axes")
    if view.axes[0]:
        return _conv_of_phases(t, node, inputs)
    x = t.picture(view)
    groups = int(node.attributes.get("group", 1))
    filters, depth, *size = kernel.shape
    if depth * groups != x.shape.channels or filters % groups:
        raise ValueError(f"weights {kernel.shape} and {x.shape.channels} channels")
    strides, dilation = _two(node, "strides"), _two(node, "dilations")
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, size, strict=True)]
    pads = _pads(node, x.shape[:2], spans, strides)
    lengths = [
        (x.shape[i] + pads[2 * i] + pads[2 * i + 1] - spans[i]) // strides[i] + 1
        for i in (0, 1)
    ]
    if min(lengths) < 1:
        raise ValueError("nothing is left")
    step = t.draft.add(
        "conv",
        [x],
        Shape(lengths[0], lengths[1], filters),
        weights.origins | more,
        node.name,
        weights=kernel.transpose(2, 3, 1, 0),
        biases=biases,
        strides=strides,
        dilation=dilation,
        pads=pads,
        same=_auto_pad(node) == "SAME_UPPER",
        mode="zero",
        groups=groups,
    )
    return t.shown(step)


def _auto_pad(node: Node) -> str:
    return str(node.attributes.get("auto_pad") or "NOTSET")


def _sane(pads: Sequence[int]) -> None:
    if max(map(abs, pads), default=0) > MOST_PIXELS:
        raise ValueError("pads of more than a million pixels")


def _pads(
    node: Node, lengths: tuple[int, ...], spans: list[int], strides: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Top, bottom, left, right."""
    kind = _auto_pad(node)
    if kind == "NOTSET":
        given = node.attributes.get("pads") or (0, 0, 0, 0)
        top, left, bottom, right = (int(pad) for pad in given)
        _sane((top, left, bottom, right))
        return top, bottom, left, right
    if kind == "VALID":
        return 0, 0, 0, 0
    sides: list[int] = []
    for length, span, stride in zip(lengths, spans, strides, strict=True):
        total = max((math.ceil(length / stride) - 1) * stride + span - length, 0)
        small, large = total // 2, total - total // 2
        sides += (small, large) if kind == "SAME_UPPER" else (large, small)
    return tuple(sides)  # type: ignore[return-value]


def _conv_of_phases(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    """A convolution of every d-th row and column by itself: one with dilation d.

    TensorFlow writes dilated convolutions so, the d x d phases as a batch.
    """
    view: PictureView = inputs[0]
    if view.rank != 4 or len(view.axes[0]) != 2:
        raise Untranslatable("Conv over a part of the picture at a time")
    first, second = view.axes[0]
    height, width, channels_ = view.step.shape
    phases = first.size
    wanted = (
        (Atom("h", phases, 1), Atom("w", phases, 1)),
        join([Atom("c", channels_)]),
        (Atom("h", height // phases, phases),),
        (Atom("w", width // phases, phases),),
    )
    if (
        view.axes != wanted
        or second.size != phases
        or _two(node, "strides") != (1, 1)
        or _auto_pad(node) not in ("NOTSET", "VALID")
    ):
        raise Untranslatable("Conv over a part of the picture at a time")
    pads = [int(pad) * phases for pad in node.attributes.get("pads") or (0, 0, 0, 0)]
    dilation = [d * phases for d in _two(node, "dilations")]
    attributes = {**node.attributes, "pads": pads, "dilations": dilation}
    whole = Node(node.op, node.inputs, node.outputs, attributes, node.name)
    made = _conv(t, whole, [t.shown(view.step), *inputs[1:]])
    height, width, filters = made.step.shape
    if height % phases or width % phases:
        raise ValueError(f"{height}x{width} pixels in {phases} phases")
    return PictureView(
        made.step,
        (
            wanted[0],
            join([Atom("c", filters)]),
            (Atom("h", height // phases, phases),),
            (Atom("w", width // phases, phases),),
        ),
    )


def _conv_of_channels(
    t: Tracer,
    node: Node,
    view: PictureView,
    weights: Const,
    biases: Array | None,
    more: frozenset[str],
) -> PictureView:
    """A convolution over N, C, L: over pixels if it has one tap, else over channels."""
    filters, depth, size = weights.array.shape
    groups = int(node.attributes.get("group", 1))
    if view.rank != 3 or view.axes[0]:
        raise Untranslatable("Conv over 1 axis")
    last_has_pixels = any(atom.axis in "hw" for atom in view.axes[2])
    if size == 1 and groups == 1 and last_has_pixels:
        matrix = weights.array[:, :, 0].T
        view, _ = regular(t.draft, view)
        step = pointwise(t, view.step, matrix, biases, weights.origins | more)
        return PictureView(step, ((), join([Atom("c", filters)]), view.axes[2]))
    if last_has_pixels or (filters, depth, groups) != (1, 1, 1) or view.axes[1]:
        raise Untranslatable("Conv over 1 axis")
    count = view.shape[2]
    before, after = node.attributes.get("pads") or (0, 0)
    if before + after != size - 1 or _auto_pad(node) != "NOTSET":
        raise Untranslatable("Conv over 1 axis that changes its length")
    matrix = np.zeros((count, count), np.float32)
    for tap, value in enumerate(weights.array[0, 0]):
        shift = tap - before
        lines = np.arange(max(0, -shift), min(count, count - shift))
        matrix[lines + shift, lines] = value
    x = channels(t.draft, view.step, numbers(view.axes[2]))
    bias = None if biases is None else np.repeat(biases, count)
    step = pointwise(t, x, matrix, bias, weights.origins | more)
    return PictureView(step, ((), (), join([Atom("c", count)])))


def _conv_transpose(t: Tracer, node: Node, inputs: list[Any]) -> PictureView:
    view: PictureView = inputs[0]
    weights = constant_weights(t, inputs[1], "ConvTranspose")
    biases, more = _biases(inputs, "ConvTranspose")
    kernel = weights.array
    if kernel.ndim != 4:
        raise Untranslatable(f"ConvTranspose over {kernel.ndim - 2} axes")
    x = t.picture(view)
    groups = int(node.attributes.get("group", 1))
    if kernel.shape[0] != x.shape.channels or kernel.shape[0] % groups:
        raise ValueError(f"weights {kernel.shape} and {x.shape.channels} channels")
    strides, dilation = _two(node, "strides"), _two(node, "dilations")
    if max(dilation) > 1:
        kernel = _dilated(kernel, dilation)
    size = kernel.shape[2:]
    extra = [int(v) for v in node.attributes.get("output_padding") or (0, 0)]
    full = [(x.shape[i] - 1) * strides[i] + size[i] + extra[i] for i in (0, 1)]
    kind = _auto_pad(node)
    wanted = node.attributes.get("output_shape")
    if wanted or kind.startswith("SAME"):
        lengths = (
            [int(v) for v in wanted[-2:]]
            if wanted
            else [x.shape[i] * strides[i] for i in (0, 1)]
        )
        pads: list[int] = []
        for i in (0, 1):
            total = full[i] - lengths[i]
            small, large = total // 2, total - total // 2
            if total < 0:
                small, large = 0, total  # more at the end
            pads += (large, small) if kind == "SAME_LOWER" else (small, large)
        top, bottom, left, right = pads
    else:
        given = node.attributes.get("pads") or (0, 0, 0, 0)
        top, left, bottom, right = (int(pad) for pad in given)
        _sane((top, left, bottom, right))
        if kind == "VALID":
            top = bottom = left = right = 0
    filters = kernel.shape[1] * groups
    shape = Shape(full[0] - top - bottom, full[1] - left - right, filters)
    if min(shape) < 1:
        raise ValueError("nothing is left")
    step = t.draft.add(
        "deconv",
        [x],
        shape,
        weights.origins | more,
        node.name,
        weights=kernel.transpose(2, 3, 1, 0),
        biases=biases,
        strides=strides,
        pads=(top, bottom, left, right),
        extra=tuple(extra),
        groups=groups,
    )
    return t.shown(step)


def _dilated(kernel: Array, dilation: tuple[int, int]) -> Array:
    sizes = [d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape[2:], strict=True)]
    if math.prod(sizes) * math.prod(kernel.shape[:2]) > LARGEST_KERNEL:
        raise Untranslatable("ConvTranspose with far apart taps")
    wide = np.zeros((*kernel.shape[:2], *sizes), kernel.dtype)
    wide[:, :, :: dilation[0], :: dilation[1]] = kernel
    return wide


OPERATORS: dict[str, Operator] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
}
