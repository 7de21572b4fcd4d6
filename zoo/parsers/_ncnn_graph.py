"""ncnn's layers in ONNX's vocabulary.

ncnn has no batch and up to three axes, C, H, W; the graph has N, C, H, W. A vector
of ncnn (what global pooling and InnerProduct give) is N, C, 1, 1 here, which is how
ncnn itself lets it meet a map.

Source: the layers of Tencent/ncnn and its docs/developer-guide/operators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, GraphInput
from zoo.parsers._ncnn_param import NcnnLayer

__all__ = ["translate"]

Weights = Mapping[str, NDArray[Any]]

_END: Final = np.iinfo(np.int64).max
_UNSET: Final = -233


class _Untranslatable(Exception):
    """A layer, or a form of it, that ONNX's vocabulary has no words for."""


def translate(
    layers: Sequence[NcnnLayer], weights: Sequence[Weights], source: str
) -> Graph:
    """Translate a network.

    Parameters
    ----------
    layers : sequence of NcnnLayer
    weights : sequence of mapping of str to ndarray
        Arrays of each layer, by role.
    source : str
        The file, for messages.

    Returns
    -------
    Graph
        What has no translation keeps ncnn's word, in the domain "ncnn".
    """
    graph = Graph(source, opset=21)
    read = {name for layer in layers for name in layer.inputs}
    for layer, own in zip(layers, weights, strict=True):
        _Layer(graph, layer, own).translate()
        if layer.op not in ("Input", "MemoryData"):
            graph.outputs += [name for name in layer.outputs if name not in read]
    if not graph.inputs:
        raise ReaderError(f"{source}: the network has no Input layer")
    if not graph.outputs:
        raise ReaderError(f"{source}: the network has no output: every blob is read")
    return graph


class _Layer:
    """One layer on its way into the graph."""

    def __init__(self, graph: Graph, layer: NcnnLayer, weights: Weights) -> None:
        self.graph = graph
        self.layer = layer
        self.weights = weights

    def translate(self) -> None:
        """Append the layer's nodes; one of the domain "ncnn" if there are none."""
        layer = self.layer
        before = len(self.graph.nodes)
        word = _WORDS.get(layer.op)
        try:
            if word is None:
                raise _Untranslatable
            word(self)
        except _Untranslatable:
            del self.graph.nodes[before:]
            for index, output in enumerate(layer.outputs):
                op = layer.op if index == 0 else "Output"
                self.graph.add(op, layer.inputs, output, name=layer.name, domain="ncnn")

    # -- what the translations are made of -------------------------------------

    @property
    def output(self) -> str:
        """Name of the only output."""
        if len(self.layer.outputs) != 1:
            raise self.layer.error(f"{len(self.layer.outputs)} outputs make no sense")
        return self.layer.outputs[0]

    def inputs(self, count: int) -> tuple[str, ...]:
        """The inputs, of which there must be so many."""
        if len(self.layer.inputs) != count:
            raise self.layer.error(
                f"{len(self.layer.inputs)} inputs where there should be {count}"
            )
        return self.layer.inputs

    @property
    def input(self) -> str:
        """Name of the only input."""
        return self.inputs(1)[0]

    def add(self, op: str, inputs: Sequence[str], output: str = "", **kw: Any) -> str:
        """Append a node that is called as the layer."""
        return self.graph.add(op, inputs, output, name=self.layer.name, **kw)

    def constant(self, value: Any, role: str = "") -> str:
        """A constant; with ``role``, one that is made of this array of the layer."""
        origin = f"{self.layer.name}.{role}" if role else ""
        return self.graph.constant(value, origin=origin)

    def along_channels(self, role: str) -> str:
        """An array of the layer that has a value per channel, to meet a map."""
        return self.constant(self.weights[role].reshape(-1, 1, 1), role)

    def activate(self, value: str, kind: int, numbers: tuple[float, ...]) -> None:
        """Append what follows a convolution within its layer, up to the output."""
        given = len(numbers)
        if kind == 0:
            self.add("Identity", [value], self.output)
        elif kind == 1:
            self.add("Relu", [value], self.output)
        elif kind == 2 and given >= 1:
            self.add("LeakyRelu", [value], self.output, alpha=numbers[0])
        elif kind == 3 and given >= 2:
            limits = [self.constant(np.float32(number)) for number in numbers[:2]]
            self.add("Clip", [value, *limits], self.output)
        elif kind == 4:
            self.add("Sigmoid", [value], self.output)
        elif kind == 5:
            self.add("Mish", [value], self.output)
        elif kind == 6 and given >= 2:
            self.hard_swish(value, *numbers[:2])
        else:
            raise _Untranslatable

    def hard_swish(self, value: str, alpha: float, beta: float) -> None:
        """x clip(alpha x + beta, 0, 1)."""
        gate = self.add("HardSigmoid", [value], alpha=alpha, beta=beta)
        self.add("Mul", [value, gate], self.output)

    def axes(self, axes: Sequence[int]) -> list[int]:
        """ncnn's axes, without a batch, as those of N, C, H, W."""
        return [axis + 1 if axis >= 0 else axis for axis in axes]

    def slices(
        self,
        value: str,
        output: str,
        starts: Sequence[int],
        ends: Sequence[int],
        axes: Sequence[int],
    ) -> None:
        """Append a Slice."""
        parts = [self.constant(np.array(part, np.int64)) for part in (starts, ends)]
        where = self.constant(np.array(self.axes(axes), np.int64))
        self.add("Slice", [value, *parts, where], output)


# -- convolutions -------------------------------------------------------------


def _pair(layer: NcnnLayer, width: int, height: int, default: int) -> tuple[int, int]:
    """Rows and columns of a parameter; the rows are as the columns unless given."""
    across = layer.integer(width, default)
    return layer.integer(height, across), across


def _pads(layer: NcnnLayer, keys: tuple[int, int, int, int]) -> tuple[int, ...]:
    """ONNX's order: top, left, bottom, right."""
    left = layer.integer(keys[0])
    right = layer.integer(keys[1], left)
    top = layer.integer(keys[2], left)
    return top, left, layer.integer(keys[3], top), right


def _geometry(layer: NcnnLayer) -> dict[str, Any]:
    """Attributes that convolutions and their transposes share."""
    group = layer.integer(7, 1) if "DepthWise" in layer.op else 1
    pads = _pads(layer, (4, 15, 14, 16))
    shared: dict[str, Any] = {
        "kernel_shape": _pair(layer, 1, 11, 0),
        "strides": _pair(layer, 3, 13, 1),
        "dilations": _pair(layer, 2, 12, 1),
        "group": group,
    }
    if pads[1] == -233:
        return {**shared, "auto_pad": "SAME_UPPER"}
    if pads[1] == -234:
        return {**shared, "auto_pad": "SAME_LOWER"}
    return {**shared, "pads": pads}


def _convolution(self: _Layer) -> None:
    layer = self.layer
    if "weight" not in self.weights or layer.number(18):
        raise _Untranslatable  # weights made at run time; padding with a value
    parts = [self.input, self.constant(self.weights["weight"], "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    value = self.add("Conv", parts, **_geometry(layer))
    self.activate(value, layer.integer(9), layer.numbers(10))


def _deconvolution(self: _Layer) -> None:
    layer = self.layer
    if "weight" not in self.weights or layer.integer(20) or layer.integer(21):
        raise _Untranslatable  # weights made at run time; a fixed size
    shared = _geometry(layer)
    if "auto_pad" in shared:
        raise _Untranslatable
    weights, group = self.weights["weight"], shared["group"]
    filters, channels = weights.shape[:2]
    # ncnn: each group O/g x I/g; ONNX: I x O/g.
    grouped = weights.reshape(group, filters // group, channels, *weights.shape[2:])
    turned = np.ascontiguousarray(grouped.swapaxes(1, 2))
    turned = turned.reshape(group * channels, filters // group, *weights.shape[2:])
    parts = [self.input, self.constant(turned, "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    right = layer.integer(18)
    extra = (layer.integer(19, right), right)
    value = self.add("ConvTranspose", parts, output_padding=extra, **shared)
    self.activate(value, layer.integer(9), layer.numbers(10))


def _inner_product(self: _Layer) -> None:
    layer = self.layer
    weights = self.weights["weight"]
    # A map would be laid flat; the Reshape fits only what is as long as the weights.
    shape = self.constant(np.array([1, weights.shape[1], 1, 1], np.int64))
    value = self.add("Reshape", [self.input, shape])
    parts = [value, self.constant(weights[:, :, None, None], "weight")]
    if "bias" in self.weights:
        parts.append(self.constant(self.weights["bias"], "bias"))
    value = self.add("Conv", parts, kernel_shape=(1, 1))
    self.activate(value, layer.integer(9), layer.numbers(10))


# -- arithmetic -----------------------------------------------------------------

_BINARY: Final = ("Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Sub", "Div", "Pow")
_REVERSED: Final = 7  # from here on the second operand comes first


def _binary(self: _Layer) -> None:
    kind = self.layer.integer(0)
    if not 0 <= kind < len(_BINARY):
        raise _Untranslatable
    if self.layer.integer(1):
        operands = [self.input, self.constant(np.float32(self.layer.number(2)))]
    else:
        operands = list(self.inputs(2))
    if kind >= _REVERSED:
        operands.reverse()
    self.add(_BINARY[kind], operands, self.output)


def _eltwise(self: _Layer) -> None:
    kind, factors = self.layer.integer(0), self.layer.numbers(1)
    inputs = list(self.layer.inputs)
    if kind not in (0, 1, 2) or len(inputs) < 2:
        raise _Untranslatable
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


def _unary(self: _Layer) -> None:
    kind = self.layer.integer(0)
    op = _UNARY[kind] if 0 <= kind < len(_UNARY) else "unknown"
    if op == "square":
        self.add("Mul", [self.input, self.input], self.output)
    elif op == "rsqrt":
        self.add("Reciprocal", [self.add("Sqrt", [self.input])], self.output)
    elif op.islower():
        raise _Untranslatable
    else:
        self.add(op, [self.input], self.output)


def _power(self: _Layer) -> None:
    """(shift + scale x) ^ power."""
    power, scale, shift = (
        self.layer.number(key, default) for key, default in ((0, 1), (1, 1), (2, 0))
    )
    value = self.add("Mul", [self.input, self.constant(np.float32(scale))])
    value = self.add("Add", [value, self.constant(np.float32(shift))])
    self.add("Pow", [value, self.constant(np.float32(power))], self.output)


def _scale(self: _Layer) -> None:
    if "scale" in self.weights:
        factor, value = self.along_channels("scale"), self.input
    else:
        value, factor = self.inputs(2)
    value = self.add("Mul", [value, factor])
    if "bias" in self.weights:
        value = self.add("Add", [value, self.along_channels("bias")])
    self.add("Identity", [value], self.output)


def _bias(self: _Layer) -> None:
    self.add("Add", [self.input, self.along_channels("bias")], self.output)


def _memory(self: _Layer) -> None:
    data = self.weights["data"]
    # A vector meets a map along its channels, a matrix along channels and rows.
    shape = (1, *data.shape, 1, 1, 1)[:4] if data.ndim < 4 else (1, *data.shape)
    self.graph.constant(
        data.reshape(shape), self.output, origin=f"{self.layer.name}.data"
    )


# -- activations ----------------------------------------------------------------


def _relu(self: _Layer) -> None:
    slope = self.layer.number(0)
    if slope:
        self.add("LeakyRelu", [self.input], self.output, alpha=slope)
    else:
        self.add("Relu", [self.input], self.output)


def _prelu(self: _Layer) -> None:
    self.add("PRelu", [self.input, self.along_channels("slope")], self.output)


def _clip(self: _Layer) -> None:
    low = self.layer.number(0, -np.finfo(np.float32).max)
    high = self.layer.number(1, np.finfo(np.float32).max)
    limits = [self.constant(np.float32(limit)) for limit in (low, high)]
    self.add("Clip", [self.input, *limits], self.output)


def _swish(self: _Layer) -> None:
    self.add("Mul", [self.input, self.add("Sigmoid", [self.input])], self.output)


def _hard_sigmoid(self: _Layer) -> None:
    alpha, beta = self.layer.number(0, 0.2), self.layer.number(1, 0.5)
    self.add("HardSigmoid", [self.input], self.output, alpha=alpha, beta=beta)


def _hard_swish(self: _Layer) -> None:
    self.hard_swish(self.input, self.layer.number(0, 0.2), self.layer.number(1, 0.5))


def _elu(self: _Layer) -> None:
    self.add("Elu", [self.input], self.output, alpha=self.layer.number(0, 0.1))


def _gelu(self: _Layer) -> None:
    form = "tanh" if self.layer.integer(0) else "none"
    self.add("Gelu", [self.input], self.output, approximate=form)


def _softmax(self: _Layer) -> None:
    (axis,) = self.axes([self.layer.integer(0)])
    self.add("Softmax", [self.input], self.output, axis=axis)


def _dropout(self: _Layer) -> None:
    factor = self.constant(np.float32(self.layer.number(0, 1)))
    self.add("Mul", [self.input, factor], self.output)


def _plainly(op: str) -> Callable[[_Layer], None]:
    """A layer that ONNX has too, one input, one output, nothing to say of it."""

    def word(self: _Layer) -> None:
        self.add(op, [self.input], self.output)

    return word


# -- normalization ----------------------------------------------------------------


def _batchnorm(self: _Layer) -> None:
    roles = ("slope", "bias", "mean", "variance")
    parts = [self.constant(self.weights[role], role) for role in roles]
    epsilon = self.layer.number(1)
    self.add("BatchNormalization", [self.input, *parts], self.output, epsilon=epsilon)


def _groupnorm(self: _Layer) -> None:
    layer = self.layer
    if layer.op == "GroupNorm":
        groups, channels, epsilon = layer.integer(0, 1), layer.integer(1), 2
    else:
        groups = channels = layer.integer(0)
        epsilon = 1
    if channels < 1 or groups < 1:
        raise _Untranslatable
    ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if "gamma" in self.weights:
        gamma = self.constant(self.weights["gamma"], "gamma")
        beta = self.constant(self.weights["beta"], "beta")
    else:
        gamma, beta = self.constant(ones), self.constant(zeros)
    self.add(
        "GroupNormalization",
        [self.input, gamma, beta],
        self.output,
        num_groups=groups,
        epsilon=layer.number(epsilon, 0.001),
    )


# -- shapes -------------------------------------------------------------------------


def _input(self: _Layer) -> None:
    width, height, channels = (self.layer.integer(key) or None for key in (0, 1, 2))
    shape = (1, channels, height, width)
    for name in self.layer.outputs:
        self.graph.inputs.append(GraphInput(name, shape, layout="NCHW"))


def _split(self: _Layer) -> None:
    for name in self.layer.outputs:
        self.add("Identity", [self.input], name)


def _concat(self: _Layer) -> None:
    (axis,) = self.axes([self.layer.integer(0)])
    self.add("Concat", self.layer.inputs, self.output, axis=axis)


def _slice(self: _Layer) -> None:
    layer = self.layer
    lengths, points = layer.integers(0), layer.integers(2)
    axis, names = layer.integer(1), layer.outputs
    if lengths and set(lengths) == {_UNSET}:
        nodes = len(self.graph.nodes)
        self.add("Split", [self.input], names[0], axis=self.axes([axis])[0],
                 num_outputs=len(names))  # fmt: skip
        node = self.graph.nodes[nodes]
        self.graph.nodes[nodes] = type(node)(
            node.op, node.inputs, names, node.attributes, node.name
        )
        return
    if points:
        bounds = [0, *points, _END]
    else:
        if _UNSET in lengths[:-1]:
            raise _Untranslatable
        bounds = [0]
        for length in lengths:
            bounds.append(_END if length == _UNSET else bounds[-1] + length)
    if len(bounds) != len(names) + 1:
        raise layer.error(f"{len(bounds) - 1} parts for {len(names)} outputs")
    for name, start, end in zip(names, bounds, bounds[1:], strict=False):
        self.slices(self.input, name, [start], [end], [axis])


def _crop(self: _Layer) -> None:
    layer = self.layer
    across, down, channels = (layer.integer(key) for key in (0, 1, 2))
    if len(layer.inputs) == 2:
        if channels not in (0, _UNSET):
            raise _Untranslatable
        middle = across == down == _UNSET
        top, left = (-1, -1) if middle else (down, across)
        self.add(
            "CropLike", layer.inputs, self.output, domain="zoo", top=top, left=left
        )
        return
    starts, ends = layer.integers(9), layer.integers(10)
    if starts and ends:
        axes = layer.integers(11) or tuple(range(len(starts)))
        if not len(starts) == len(ends) == len(axes):
            raise layer.error("the lists of starts, ends and axes differ in length")
        begin = [0 if start == _UNSET else start for start in starts]
        stop = [_END if end in (0, _UNSET) else end for end in ends]
        self.slices(self.input, self.output, begin, stop, axes)
        return
    begin = [0 if start == _UNSET else start for start in (channels, down, across)]
    sizes = [layer.integer(key) for key in (5, 4, 3)]
    cut = [layer.integer(key) for key in (8, 7, 6)]
    stop = [
        start + size if size > 0 else (-margin if margin > 0 else _END)
        for start, size, margin in zip(begin, sizes, cut, strict=True)
    ]
    self.slices(self.input, self.output, begin, stop, (0, 1, 2))


def _padding(self: _Layer) -> None:
    layer = self.layer
    kind = layer.integer(4)
    top, bottom, left, right, front, behind = (
        layer.integer(key) for key in (0, 1, 2, 3, 7, 8)
    )
    sides = (top, bottom, left, right, front, behind)
    if "values" in self.weights or kind not in (0, 1, 2) or min(sides) < 0:
        raise _Untranslatable
    pads = np.array([0, front, top, left, 0, behind, bottom, right], np.int64)
    parts = [self.input, self.constant(pads)]
    if kind == 0:
        parts.append(self.constant(np.float32(layer.number(5))))
    mode = ("constant", "edge", "reflect")[kind]
    self.add("Pad", parts, self.output, mode=mode)


def _pooling(self: _Layer) -> None:
    layer = self.layer
    kind = "Average" if layer.integer(0) else "Max"
    adaptive = layer.integer(7)
    if adaptive:
        side = layer.integer(8)
        if side != 1 or layer.integer(18, side) != 1:
            raise _Untranslatable
    if layer.integer(4) or adaptive:
        self.add(f"Global{kind}Pool", [self.input], self.output)
        return
    mode = layer.integer(5)
    geometry: dict[str, Any] = {
        "kernel_shape": _pair(layer, 1, 11, 0),
        "strides": _pair(layer, 2, 12, 1),
    }
    if mode in (2, 3):
        geometry["auto_pad"] = "SAME_UPPER" if mode == 2 else "SAME_LOWER"
    else:
        geometry["pads"] = _pads(layer, (3, 14, 13, 15))
        geometry["ceil_mode"] = int(mode == 0)
    if kind == "Average":
        geometry["count_include_pad"] = layer.integer(6)
    self.add(f"{kind}Pool", [self.input], self.output, **geometry)


_RESIZE: Final[Mapping[int, dict[str, Any]]] = {
    1: {
        "mode": "nearest",
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor",
    },
    2: {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    3: {
        "mode": "cubic",
        "coordinate_transformation_mode": "half_pixel",
        "cubic_coeff_a": -0.75,
    },
}


def _interp(self: _Layer) -> None:
    layer = self.layer
    how = _RESIZE.get(layer.integer(0))
    if how is None or 9 in layer.params:
        raise _Untranslatable
    how = dict(how)
    if layer.integer(6) and how["mode"] != "nearest":
        how["coordinate_transformation_mode"] = "align_corners"
    if len(layer.inputs) == 2:
        self.add("ResizeLike", layer.inputs, self.output, domain="zoo", **how)
        return
    rows, columns = layer.integer(3), layer.integer(4)
    if rows > 0 and columns > 0:
        if layer.inputs and rows == columns == 1:
            raise _Untranslatable
        shape = self.add("Shape", [self.input], start=0, end=2)
        size = self.constant(np.array([rows, columns], np.int64))
        sizes = self.add("Concat", [shape, size], axis=0)
        self.add("Resize", [self.input, "", "", sizes], self.output, **how)
        return
    scales = np.array([1, 1, layer.number(1, 1), layer.number(2, 1)], np.float32)
    if min(scales) <= 0:
        raise layer.error("a scale is not above 0")
    self.add("Resize", [self.input, "", self.constant(scales)], self.output, **how)


def _pixel_shuffle(self: _Layer) -> None:
    mode = "DCR" if self.layer.integer(1) else "CRD"
    block = self.layer.integer(0, 1)
    self.add("DepthToSpace", [self.input], self.output, blocksize=block, mode=mode)


def _reorg(self: _Layer) -> None:
    """Pixel unshuffle; with mode 0 a channel's pixels stay together."""
    block = self.layer.integer(0, 1)
    if self.layer.integer(1):
        self.add("SpaceToDepth", [self.input], self.output, blocksize=block)
        return
    value = self.add("SpaceToDepth", [self.input], blocksize=block)
    _transpose_channels(self, value, block * block)


def _shuffle_channel(self: _Layer) -> None:
    group = self.layer.integer(0, 1)
    if self.layer.integer(1):
        raise _Untranslatable
    _transpose_channels(self, self.input, group)


def _transpose_channels(self: _Layer, value: str, rows: int) -> None:
    """The channels as a matrix of so many rows, turned."""
    value = self.add("Reshape", [value], domain="zoo", codes=(0, -4, rows, -1, -2))
    value = self.add("Transpose", [value], perm=(0, 2, 1, 3, 4))
    self.add("Reshape", [value], self.output, domain="zoo", codes=(0, -3, -2))


def _reshape(self: _Layer) -> None:
    layer = self.layer
    width, height, channels = (layer.integer(key, _UNSET) for key in (0, 1, 2))
    if layer.integer(3) or layer.integer(11, _UNSET) != _UNSET or 6 in layer.params:
        raise _Untranslatable
    if len(layer.inputs) != 1 or (height != _UNSET) != (channels != _UNSET):
        raise _Untranslatable
    target = [1, width, 1, 1] if height == _UNSET else [1, channels, height, width]
    if height == _UNSET and width == 0:
        raise _Untranslatable
    shape = self.constant(np.array(target, np.int64))
    self.add("Reshape", [self.input, shape], self.output)


def _flatten(self: _Layer) -> None:
    shape = self.constant(np.array([1, -1, 1, 1], np.int64))
    self.add("Reshape", [self.input, shape], self.output)


def _permute(self: _Layer) -> None:
    orders = ("whc", "hwc", "wch", "cwh", "hcw", "chw")
    kind = self.layer.integer(0)
    if not 0 <= kind < len(orders):
        raise _Untranslatable
    # ncnn names the innermost axis first.
    perm = tuple("_chw".index(letter) for letter in reversed(orders[kind]))
    self.add("Transpose", [self.input], self.output, perm=(0, *perm))


_REDUCTIONS: Final = {0: "ReduceSum", 3: "ReduceMean", 4: "ReduceMax", 5: "ReduceMin"}


def _reduction(self: _Layer) -> None:
    layer = self.layer
    op = _REDUCTIONS.get(layer.integer(0))
    axes = self.axes(layer.integers(3))
    spatial = sorted(axis % 4 for axis in axes) == [2, 3]
    all_axes = bool(layer.integer(1, 1))
    if op is None or not (all_axes or axes):
        raise _Untranslatable
    if not layer.integer(4) and (all_axes or not spatial):
        raise _Untranslatable  # what is left would be a matrix or a single number
    if not all_axes and not layer.integer(5):
        raise _Untranslatable  # written by an ncnn that counted axes otherwise
    if all_axes:
        axes = [1, 2, 3]
    where = self.constant(np.array(axes, np.int64))
    value = self.add(op, [self.input, where], keepdims=1)
    factor = self.constant(np.float32(layer.number(2, 1)))
    self.add("Mul", [value, factor], self.output)


_WORDS: Final[dict[str, Callable[[_Layer], None]]] = {
    "AbsVal": _plainly("Abs"),
    "BatchNorm": _batchnorm,
    "Bias": _bias,
    "BinaryOp": _binary,
    "Cast": _plainly("Identity"),
    "Clip": _clip,
    "Concat": _concat,
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Crop": _crop,
    "Deconvolution": _deconvolution,
    "DeconvolutionDepthWise": _deconvolution,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Erf": _plainly("Erf"),
    "Flatten": _flatten,
    "GELU": _gelu,
    "GroupNorm": _groupnorm,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "InnerProduct": _inner_product,
    "Input": _input,
    "InstanceNorm": _groupnorm,
    "Interp": _interp,
    "MemoryData": _memory,
    "Mish": _plainly("Mish"),
    "Noop": _plainly("Identity"),
    "PReLU": _prelu,
    "Padding": _padding,
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "Pooling": _pooling,
    "Power": _power,
    "ReLU": _relu,
    "Reduction": _reduction,
    "Reorg": _reorg,
    "Reshape": _reshape,
    "SELU": _plainly("Selu"),
    "Scale": _scale,
    "ShuffleChannel": _shuffle_channel,
    "Sigmoid": _plainly("Sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _plainly("Softplus"),
    "Split": _split,
    "Swish": _swish,
    "TanH": _plainly("Tanh"),
    "UnaryOp": _unary,
}
