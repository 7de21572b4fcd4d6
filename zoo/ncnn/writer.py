"""A network as ncnn's text of layers and its numbers.

It takes and gives R, G, B from 0 to 1, C x H x W; mean, range and order of colours
are inside. The input is called ``data`` and the output ``output``, as Real-ESRGAN's
programs and those made after them want it. Weights of convolutions are half floats.

The network comes in ONNX's words (:func:`zoo.onnx.graph.nodes_of`), of which ncnn
has a layer for most. Source: the layers of Tencent/ncnn, its docs/developer-guide.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from zoo.errors import UsageError
from zoo.network import Network
from zoo.onnx.graph import INPUT_NAME, OUTPUT_NAME, OnnxNode, nodes_of
from zoo.plugins.base import Array

__all__ = ["INPUT", "OUTPUT", "NcnnFiles", "to_ncnn"]

INPUT: Final = "data"
OUTPUT: Final = "output"

_MAGIC: Final = 7767517
_HALF: Final = struct.pack("<I", 0x01306B47)
_LARGEST_HALF: Final = float(np.finfo(np.float16).max)
_REST: Final = -233


@dataclass(frozen=True)
class NcnnFiles:
    """What is written.

    Attributes
    ----------
    param : str
        The text.
    binary : bytes
        The numbers.
    layers : int
    """

    param: str
    binary: bytes
    layers: int


@dataclass
class _Layer:
    op: str
    inputs: list[str]
    outputs: list[str]
    params: dict[int, Any] = field(default_factory=dict)
    data: bytes = b""


def to_ncnn(
    network: Network, white: float | None = 1.0, *, half: bool = True
) -> NcnnFiles:
    """Write a network for ncnn.

    Parameters
    ----------
    network : Network
        With weights, one output, for pictures of any size.
    white : float, optional
        What it takes and gives is R, G, B from 0 to this; None leaves the bare network.
    half : bool
        Weights of convolutions are half floats, else floats.

    Raises
    ------
    UsageError
        If something in it has no counterpart in ncnn; all of it is named.
    WeightsError
        If the network has no weights.
    """
    if len(network.outputs) != 1:
        raise UsageError(f"{network.source}: it has several outputs; ncnn's has one")
    nodes, tensors = nodes_of(network, None, None, white)
    nodes = _with_likes(_with_groups(nodes, tensors))
    writer = _Writer(tensors, half)
    unknown: Counter[str] = Counter()
    for node in nodes:
        try:
            _WORDS[node.kind](writer, node)
        except (KeyError, _Unwritable):
            unknown[node.kind] += 1
    if unknown:
        listed = ", ".join(f"{op} ({count})" for op, count in sorted(unknown.items()))
        raise UsageError(
            f"{network.source}: ncnn has no layer for {listed}, in ONNX's words; "
            f"export it as ONNX"
        )
    layers = _split(_fused(writer.layers))
    lines = [_line(layer, index) for index, layer in enumerate(layers)]
    blobs = sum(len(layer.outputs) for layer in layers)
    head = [str(_MAGIC), f"{len(layers)} {blobs}"]
    return NcnnFiles(
        "\n".join([*head, *lines]) + "\n",
        b"".join(layer.data for layer in layers),
        len(layers),
    )


class _Unwritable(Exception):
    """A form of an operator that ncnn has no layer for."""


class _Writer:
    """Layers, in order."""

    def __init__(self, tensors: Mapping[str, Array], half: bool) -> None:
        self.tensors = tensors
        self.half = half
        self.layers = [_Layer("Input", [], [INPUT])]
        self.pooled: set[str] = set()
        """Values of one pixel, which are vectors in ncnn."""

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        params: Mapping[int, Any] | None = None,
        data: bytes = b"",
    ) -> None:
        """Append a layer with one output."""
        names = {INPUT_NAME: INPUT, OUTPUT_NAME: OUTPUT}
        is_global = op == "Pooling" and (params or {}).get(4) == 1
        if is_global or self.pooled.issuperset(inputs):
            self.pooled.add(output)
        self.layers.append(
            _Layer(
                op,
                [names.get(name, name) for name in inputs],
                [names.get(output, output)],
                dict(params or {}),
                data,
            )
        )

    def whole(self, name: str) -> list[int]:
        """A tensor of whole numbers."""
        return [int(value) for value in self.tensors[name].reshape(-1)]


# -- numbers ------------------------------------------------------------------


def _tagged(values: Array, half: bool) -> bytes:
    """Weights with their tag, padded to a multiple of four bytes."""
    if not half or float(np.abs(values).max(initial=0)) > _LARGEST_HALF:
        return bytes(4) + values.astype("<f4").tobytes()
    data = values.astype("<f2").tobytes()
    return _HALF + data + bytes(-len(data) % 4)


def _floats(values: Array) -> bytes:
    return np.ascontiguousarray(values, "<f4").tobytes()


# -- layers ---------------------------------------------------------------------


def _conv(w: _Writer, node: OnnxNode) -> None:
    weights = w.tensors[node.inputs[1]]
    groups = node.keys["group"]
    rows, columns = node.keys["kernel_shape"]
    top, left, bottom, right = node.keys["pads"]
    if node.inputs[0] in w.pooled and groups == rows == columns == 1:
        _inner_product(w, node, weights)
        return
    params = {
        0: weights.shape[0],
        1: columns,
        11: rows,
        2: node.keys["dilations"][1],
        12: node.keys["dilations"][0],
        3: node.keys["strides"][1],
        13: node.keys["strides"][0],
        4: left,
        15: right,
        14: top,
        16: bottom,
        6: weights.size,
    }
    data = _tagged(weights, w.half)
    if len(node.inputs) > 2:
        params[5] = 1
        data += _floats(w.tensors[node.inputs[2]])
    if groups > 1:
        params[7] = groups
    op = "ConvolutionDepthWise" if groups > 1 else "Convolution"
    w.add(op, node.inputs[:1], node.output, params, data)


def _inner_product(w: _Writer, node: OnnxNode, weights: Array) -> None:
    """A 1 x 1 convolution of one pixel, as ncnn's program wants it."""
    params = {0: weights.shape[0], 1: len(node.inputs) - 2, 2: weights.size}
    data = _tagged(weights, w.half)
    if len(node.inputs) > 2:
        data += _floats(w.tensors[node.inputs[2]])
    w.add("InnerProduct", node.inputs[:1], node.output, params, data)


def _deconv(w: _Writer, node: OnnxNode) -> None:
    weights = w.tensors[node.inputs[1]]  # I x O/g
    groups = node.keys["group"]
    grouped = weights.reshape(groups, -1, *weights.shape[1:]).swapaxes(1, 2)
    filters = groups * weights.shape[1]
    rows, columns = node.keys["kernel_shape"]
    top, left, bottom, right = node.keys["pads"]
    more = node.keys["output_padding"]
    params = {
        0: filters,
        1: columns,
        11: rows,
        3: node.keys["strides"][1],
        13: node.keys["strides"][0],
        4: left,
        15: right,
        14: top,
        16: bottom,
        18: more[1],
        19: more[0],
        6: weights.size,
    }
    if groups > 1:
        params[7] = groups
    op = "DeconvolutionDepthWise" if groups > 1 else "Deconvolution"
    w.add(op, node.inputs[:1], node.output, params, _tagged(grouped, w.half))


_BINARY: Final = {"Add": 0, "Sub": 1, "Mul": 2, "Div": 3}
_REVERSED: Final = {0: 0, 1: 7, 2: 2, 3: 8}


def _binary(w: _Writer, node: OnnxNode) -> None:
    kind = _BINARY[node.kind]
    constants = [name for name in node.inputs if name in w.tensors]
    if not constants:
        w.add("BinaryOp", node.inputs, node.output, {0: kind})
        return
    (value,) = (name for name in node.inputs if name not in w.tensors)
    tensor = w.tensors[constants[0]]
    if node.inputs[0] in w.tensors:
        kind = _REVERSED[kind]
    if tensor.size == 1:
        number = float(tensor.reshape(-1)[0])
        w.add("BinaryOp", [value], node.output, {0: kind, 1: 1, 2: number})
        return
    if tensor.size != tensor.shape[-3 if tensor.ndim > 2 else 0]:
        raise _Unwritable
    constant = f"{node.output}_constant"
    w.layers.append(
        _Layer(
            "MemoryData",
            [],
            [constant],
            {0: 1, 1: 1, 2: tensor.size},
            _floats(tensor),
        )
    )
    inputs = [value, constant]
    w.add("BinaryOp", inputs, node.output, {0: kind})


def _prelu(w: _Writer, node: OnnxNode) -> None:
    slopes = w.tensors[node.inputs[1]]
    w.add("PReLU", node.inputs[:1], node.output, {0: slopes.size}, _floats(slopes))


def _leaky(w: _Writer, node: OnnxNode) -> None:
    w.add("ReLU", node.inputs, node.output, {0: float(node.keys["alpha"])})


def _clip(w: _Writer, node: OnnxNode) -> None:
    low, high = (float(w.tensors[name]) for name in node.inputs[1:])
    w.add("Clip", node.inputs[:1], node.output, {0: low, 1: high})


def _plainly(op: str, **params: Any) -> Callable[[_Writer, OnnxNode], None]:
    numbers = {int(key[1:]): value for key, value in params.items()}

    def word(w: _Writer, node: OnnxNode) -> None:
        w.add(op, node.inputs, node.output, numbers)

    return word


def _depth_to_space(w: _Writer, node: OnnxNode) -> None:
    params = {0: node.keys["blocksize"], 1: int(node.keys["mode"] == "DCR")}
    w.add("PixelShuffle", node.inputs, node.output, params)


def _space_to_depth(w: _Writer, node: OnnxNode) -> None:
    w.add("Reorg", node.inputs, node.output, {0: node.keys["blocksize"], 1: 1})


def _concat(w: _Writer, node: OnnxNode) -> None:
    if node.keys["axis"] != 1:
        raise _Unwritable
    w.add("Concat", node.inputs, node.output, {0: 0})


def _slice(w: _Writer, node: OnnxNode) -> None:
    """A part of an axis; ncnn cannot go backwards but by picking channels."""
    ((start,), (stop,), (axis,), (step,)) = (w.whole(name) for name in node.inputs[1:])
    value = node.inputs[0]
    if step == 1 and axis > 0 and start >= 0 and stop > 0:
        params = {-23309: [start], -23310: [stop], -23311: [axis - 1]}
        w.add("Crop", [value], node.output, params)
        return
    if (axis, start, step) != (1, -1, -1):
        raise _Unwritable
    parts = [f"{node.output}_{index}" for index in range(3)]  # B, G, R to R, G, B
    slices = {-23300: [_REST] * 3, 1: 0}
    names = {INPUT_NAME: INPUT}
    w.layers.append(_Layer("Slice", [names.get(value, value)], parts, slices))
    w.add("Concat", parts[::-1], node.output, {0: 0})


def _pad(w: _Writer, node: OnnxNode) -> None:
    mode = {"constant": 0, "edge": 1, "reflect": 2}[node.keys["mode"]]
    ends = w.whole(node.inputs[1])
    if len(ends) != 8 or any(ends[index] for index in (0, 1, 4, 5)):
        raise _Unwritable
    top, left, bottom, right = ends[2], ends[3], ends[6], ends[7]
    value = node.inputs[0]
    if min(ends) >= 0:
        params = {0: top, 1: bottom, 2: left, 3: right, 4: mode}
        w.add("Padding", [value], node.output, params)
        return
    if max(ends) > 0:
        raise _Unwritable
    stops = [end if end else np.iinfo(np.int32).max for end in (bottom, right)]
    cut: dict[int, Any] = {-23309: [-top, -left], -23310: stops, -23311: [1, 2]}
    w.add("Crop", [value], node.output, cut)


_INTERPOLATION: Final = {"nearest": 1, "linear": 2, "cubic": 3}


def _resize(w: _Writer, node: OnnxNode) -> None:
    keys = node.keys
    scales = w.tensors[node.inputs[2]].reshape(-1)
    half = keys.get("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    mode = _INTERPOLATION[keys.get("mode", "nearest")]
    usual = keys.get("cubic_coeff_a", -0.75) == -0.75
    whole = all(float(scale).is_integer() for scale in scales)
    if not (whole if mode == 1 else half and usual):
        raise _Unwritable
    rows, columns = (float(scale) for scale in scales[2:])
    w.add("Interp", node.inputs[:1], node.output, {0: mode, 1: rows, 2: columns})


def _resize_like(w: _Writer, node: OnnxNode) -> None:
    """To the size of the second value."""
    mode, places = node.keys["mode"], node.keys["coordinate_transformation_mode"]
    if node.keys.get("cubic_coeff_a", -0.75) != -0.75:
        raise _Unwritable
    params = {0: _INTERPOLATION[mode], 5: 1, 6: int(places == "align_corners")}
    w.add("Interp", node.inputs, node.output, params)


def _mean(w: _Writer, node: OnnxNode) -> None:
    if w.whole(node.inputs[1]) != [2, 3]:
        raise _Unwritable
    w.add("Pooling", node.inputs[:1], node.output, {0: 1, 4: 1})


def _with_likes(nodes: Sequence[OnnxNode]) -> list[OnnxNode]:
    """Resizing to another value's size in one word, of the five that ONNX has for it."""
    made = {node.output: node for node in nodes}
    replaced: dict[int, OnnxNode | None] = {}
    for node in nodes:
        size = made.get(node.inputs[-1]) if node.kind == "Resize" else None
        if size is None or size.kind != "Concat":
            continue
        slices = [made[name] for name in size.inputs]
        shapes = [made[part.inputs[0]] for part in slices]
        replaced |= {id(each): None for each in (size, *slices, *shapes)}
        inputs = (node.inputs[0], shapes[1].inputs[0])
        replaced[id(node)] = OnnxNode("ResizeLike", inputs, node.output, node.keys)
    kept = (replaced.get(id(node), node) for node in nodes)
    return [node for node in kept if node is not None]


def _group_norm(w: _Writer, node: OnnxNode) -> None:
    params = {0: node.keys["groups"], 1: node.keys["channels"], 2: node.keys["epsilon"]}
    w.add("GroupNorm", node.inputs, node.output, {**params, 3: 0})


def _with_groups(
    nodes: Sequence[OnnxNode], tensors: Mapping[str, Array]
) -> list[OnnxNode]:
    """Group normalization in one word, of the four that ONNX has for it."""
    made = {node.output: node for node in nodes}
    readers: dict[str, list[OnnxNode]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    replaced: dict[int, OnnxNode | None] = {}
    for node in nodes:
        if node.kind != "InstanceNormalization":
            continue
        before, (after,) = made[node.inputs[0]], readers[node.output]
        scaled = readers[after.output]
        factors = [name for name in scaled[0].inputs if name in tensors]
        if before.kind != "Reshape" or len(scaled) != 1 or not factors:
            continue
        keys = {
            "groups": len(tensors[node.inputs[1]]),
            "channels": tensors[factors[0]].size,
            "epsilon": float(node.keys["epsilon"]),
        }
        word = OnnxNode("GroupNorm", before.inputs[:1], after.output, keys)
        shape = made[after.inputs[1]]
        replaced |= {id(each): None for each in (before, node, shape)}
        replaced[id(after)] = word
    kept = (replaced.get(id(node), node) for node in nodes)
    return [node for node in kept if node is not None]


def _pool(op: int) -> Callable[[_Writer, OnnxNode], None]:
    def word(w: _Writer, node: OnnxNode) -> None:
        rows, columns = node.keys["kernel_shape"]
        down, across = node.keys["strides"]
        top, left, bottom, right = node.keys.get("pads", (0, 0, 0, 0))
        params = {
            0: op,
            1: columns,
            11: rows,
            2: across,
            12: down,
            3: left,
            14: right,
            13: top,
            15: bottom,
            5: 1,
        }
        w.add("Pooling", node.inputs, node.output, params)

    return word


_WORDS: Final[dict[str, Callable[[_Writer, OnnxNode], None]]] = {
    "Abs": _plainly("AbsVal"),
    "Add": _binary,
    "AveragePool": _pool(1),
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _deconv,
    "DepthToSpace": _depth_to_space,
    "Div": _binary,
    "Elu": _plainly("ELU", _0=1.0),
    "Erf": _plainly("Erf"),
    "Exp": _plainly("Exp"),
    "GlobalAveragePool": _plainly("Pooling", _0=1, _4=1),
    "GroupNorm": _group_norm,
    "Identity": _plainly("Noop"),
    "LeakyRelu": _leaky,
    "MaxPool": _pool(0),
    "Mul": _binary,
    "PRelu": _prelu,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": _plainly("ReLU"),
    "Resize": _resize,
    "ResizeLike": _resize_like,
    "Sigmoid": _plainly("Sigmoid"),
    "Slice": _slice,
    "Softplus": _plainly("Softplus"),
    "SpaceToDepth": _space_to_depth,
    "Sqrt": _plainly("UnaryOp", _0=5),
    "Sub": _binary,
    "Tanh": _plainly("TanH"),
}


# -- passes over the layers ----------------------------------------------------------


def _readers(layers: Sequence[_Layer]) -> dict[str, int]:
    return Counter(name for layer in layers for name in layer.inputs)


def _fused(layers: Sequence[_Layer]) -> list[_Layer]:
    """Activations within the convolution before them; x sigmoid(x) as one layer."""
    readers = _readers(layers)
    made: dict[str, _Layer] = {}
    kept: list[_Layer] = []
    renamed: dict[str, str] = {}
    for layer in layers:
        layer.inputs = [renamed.get(name, name) for name in layer.inputs]
        before = made.get(layer.inputs[0]) if len(layer.inputs) == 1 else None
        params = _as_parameter(layer)
        if layer.op == "Noop" and before is not None and before.op != "Input":
            if layer.outputs[0] == OUTPUT and readers[layer.inputs[0]] == 1:
                before.outputs = [OUTPUT]  # the last layer, by its name outside
                continue
            if layer.outputs[0] != OUTPUT:
                renamed[layer.outputs[0]] = layer.inputs[0]
                continue
        if (
            params
            and before is not None
            and before.op.startswith(("Convolution", "Deconvolution", "InnerProduct"))
            and 9 not in before.params
            and readers[layer.inputs[0]] == 1
        ):
            before.params.update(params)
            before.outputs = list(layer.outputs)
            made[layer.outputs[0]] = before
            continue
        gate = made.get(layer.inputs[1]) if len(layer.inputs) == 2 else None
        if (
            gate is not None
            and layer.op == "BinaryOp"
            and layer.params == {0: 2}
            and gate.op == "Sigmoid"
            and gate.inputs == layer.inputs[:1]
            and readers[gate.outputs[0]] == 1
        ):
            kept.remove(gate)
            layer = _Layer("Swish", layer.inputs[:1], layer.outputs)
        kept.append(layer)
        made.update((name, layer) for name in layer.outputs)
    return kept


def _as_parameter(layer: _Layer) -> dict[int, Any]:
    """What a convolution is told in place of an activation after it."""
    if layer.op == "ReLU":
        slope = layer.params.get(0, 0.0)
        return {9: 2, -23310: [slope]} if slope else {9: 1}
    return {9: 4} if layer.op == "Sigmoid" else {}


def _split(layers: Sequence[_Layer]) -> list[_Layer]:
    """A copy for each reader: ncnn lets a value be read once."""
    readers = _readers(layers)
    waiting: dict[str, list[str]] = {}
    found: list[_Layer] = []
    for layer in layers:
        layer.inputs = [
            waiting[name].pop(0) if name in waiting else name for name in layer.inputs
        ]
        found.append(layer)
        for name in layer.outputs:
            if readers[name] > 1:
                copies = [f"{name}_{index}" for index in range(readers[name])]
                waiting[name] = list(copies)
                found.append(_Layer("Split", [name], copies))
    return found


def _line(layer: _Layer, index: int) -> str:
    """A layer's line."""
    words = [
        layer.op,
        f"{layer.op.lower()}_{index}" if index else layer.outputs[0],
        str(len(layer.inputs)),
        str(len(layer.outputs)),
        *layer.inputs,
        *layer.outputs,
    ]
    for key, value in layer.params.items():
        if isinstance(value, list):
            value = ",".join([str(len(value)), *map(_text, value)])
        words.append(f"{key}={_text(value)}")
    return " ".join(words)


def _text(value: Any) -> str:
    return f"{value:.9e}" if isinstance(value, float) else str(value)
