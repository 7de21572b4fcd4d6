"""MXNet's operators in ONNX's vocabulary; axes are N, C, H, W in both.

Source: the operator documentation of apache/mxnet 1.9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, GraphInput, Node
from zoo.parsers._mxnet_symbol import MxNode, Symbol
from zoo.parsers._room import Room

__all__ = ["translate"]

_END: Final = np.iinfo(np.int64).max


class _Untranslatable(Exception):
    """A node, or a form of it, that ONNX's vocabulary has no words for."""


def translate(symbol: Symbol, arrays: Mapping[str, NDArray[Any]]) -> Graph:
    """Translate a network.

    Parameters
    ----------
    symbol : Symbol
    arrays : mapping of str to ndarray
        Parameters and running statistics, by the names of variables.

    Returns
    -------
    Graph
        What has no translation keeps MXNet's word, in the domain "mxnet".

    Raises
    ------
    ReaderError
        If a convolution's weights are not among the arrays.
    """
    graph = Graph(symbol.source)
    wanted = _read_by_any(symbol)
    room = Room(len(symbol.nodes))
    for index, node in enumerate(symbol.nodes):
        if node.op != "null":
            _Node(graph, symbol, node, arrays, room).translate()
        elif node.name in arrays:
            graph.constants[node.name] = _as_float(arrays[node.name])
        elif index in wanted:
            graph.inputs.append(GraphInput(node.name, _declared(node), layout="NCHW"))
    graph.outputs = list(
        dict.fromkeys(_value(symbol.nodes[index], out) for index, out in symbol.heads)
    )
    return graph


def _as_float(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _read_by_any(symbol: Symbol) -> set[int]:
    """Nodes that are read as something else than the labels of a training loss."""
    found = {index for index, _ in symbol.heads}
    for node in symbol.nodes:
        inputs = node.inputs[:1] if node.op in _LOSSES else node.inputs
        found.update(index for index, _ in inputs)
    return found


def _declared(node: MxNode) -> tuple[int | None, ...] | None:
    try:
        shape = node.integers("__shape__")
    except ReaderError:
        return None
    return tuple(side or None for side in shape) or None


def _value(node: MxNode, output: int) -> str:
    return f"{node.name}:{output}" if output else node.name


class _Node:
    """One node on its way into the graph."""

    def __init__(
        self,
        graph: Graph,
        symbol: Symbol,
        node: MxNode,
        arrays: Mapping[str, NDArray[Any]],
        room: Room,
    ) -> None:
        self.room = room
        self.graph = graph
        self.node = node
        self.arrays = arrays
        self.inputs = [_value(symbol.nodes[index], out) for index, out in node.inputs]

    def translate(self) -> None:
        """Append the node's nodes; one of the domain "mxnet" if there are none."""
        before = len(self.graph.nodes)
        word = _WORDS.get(self.node.op)
        try:
            if word is None:
                raise _Untranslatable
            word(self)
        except _Untranslatable:
            del self.graph.nodes[before:]
            self.graph.add(
                self.node.op,
                self.inputs,
                self.node.name,
                name=self.node.name,
                domain="mxnet",
            )

    def take(self, least: int, most: int | None = None) -> list[str]:
        """The inputs, of which there must be so many."""
        if not least <= len(self.inputs) <= (most or least):
            raise self.node.error(f"{len(self.inputs)} inputs make no sense")
        return self.inputs

    @property
    def input(self) -> str:
        """Name of the only input."""
        return self.take(1)[0]

    @property
    def output(self) -> str:
        """Name of the first output."""
        return self.node.name

    def add(self, op: str, inputs: Sequence[str], output: str = "", **kw: Any) -> str:
        """Append a node that is called as this one."""
        return self.graph.add(op, inputs, output, name=self.node.name, **kw)

    def floating(self, value: float) -> str:
        """A constant of one number."""
        return self.graph.constant(np.float32(value))

    def integers(self, *values: int) -> str:
        """A constant list of whole numbers."""
        return self.graph.constant(np.array(values, np.int64))

    def reshape(self, value: str, *codes: int, output: str = "") -> str:
        """Append MXNet's Reshape."""
        return self.add("Reshape", [value], output, domain="zoo", codes=codes)


# -- convolutions ---------------------------------------------------------------


def _geometry(node: MxNode) -> dict[str, Any]:
    layout = node.text("layout", "None")
    kernel = node.pair("kernel", ())
    if layout not in ("None", "NCHW") or len(kernel) != 2:
        raise _Untranslatable
    pad = node.pair("pad", (0, 0))
    return {
        "kernel_shape": kernel,
        "strides": node.pair("stride", (1, 1)),
        "dilations": node.pair("dilate", (1, 1)),
        "pads": pad * 2,
        "group": node.integer("num_group", 1),
    }


def _weights(self: _Node, no_bias: bool) -> list[str]:
    """Inputs of a convolution, checked to have their weights."""
    inputs = self.take(2, 3)[: 2 if no_bias else 3]
    for name in inputs[1:]:
        if name not in self.arrays and _is_variable(self, name):
            raise ReaderError(
                f"{self.graph.source}: the parameters of {name[:80]!r} are not in its "
                f".params; they belong to different networks"
            )
    return inputs


def _is_variable(self: _Node, name: str) -> bool:
    return any(item.name == name for item in self.graph.inputs)


def _convolution(self: _Node) -> None:
    inputs = _weights(self, self.node.flag("no_bias"))
    self.add("Conv", inputs, self.output, **_geometry(self.node))


def _deconvolution(self: _Node) -> None:
    node = self.node
    if any(node.pair("target_shape", ())):
        raise _Untranslatable
    inputs = _weights(self, node.flag("no_bias", True))
    extra = node.pair("adj", (0, 0))
    self.add(
        "ConvTranspose", inputs, self.output, output_padding=extra, **_geometry(node)
    )


def _fully_connected(self: _Node) -> None:
    inputs = _weights(self, self.node.flag("no_bias"))
    value, rest = inputs[0], inputs[1:]
    if not self.node.flag("flatten", True):
        raise _Untranslatable
    value = self.add("Flatten", [value], axis=1)
    self.add("Gemm", [value, *rest], self.output, transB=1)


# -- activations ------------------------------------------------------------------

_ACTIVATIONS: Final = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "softrelu": "Softplus",
    "softsign": "Softsign",
    "mish": "Mish",
}


def _activation(self: _Node) -> None:
    op = _ACTIVATIONS.get(self.node.text("act_type"))
    if op is None:
        raise _Untranslatable
    self.add(op, [self.input], self.output)


def _leaky(self: _Node) -> None:
    node = self.node
    kind, slope = node.text("act_type", "leaky"), node.number("slope", 0.25)
    if kind == "prelu":
        value, slopes = self.take(2)
        self.add("PRelu", [value, _per_channel(self, slopes)], self.output)
        return
    value = self.take(1, 2)[0]
    if kind == "leaky":
        self.add("LeakyRelu", [value], self.output, alpha=slope)
    elif kind == "rrelu":  # outside training, the middle of its range
        middle = node.number("lower_bound", 0.125) + node.number("upper_bound", 0.334)
        self.add("LeakyRelu", [value], self.output, alpha=middle / 2)
    elif kind == "elu":
        self.add("Elu", [value], self.output, alpha=slope)
    elif kind == "selu":
        self.add("Selu", [value], self.output)
    elif kind == "gelu":
        self.add("Gelu", [value], self.output, approximate="none")
    else:
        raise _Untranslatable


def _per_channel(self: _Node, name: str) -> str:
    """A vector of parameters, to meet a map."""
    if name not in self.arrays:
        raise _Untranslatable
    values = _as_float(self.arrays[name]).reshape(-1, 1, 1)
    return self.graph.constant(values, origin=name)


def _hard_sigmoid(self: _Node) -> None:
    alpha, beta = self.node.number("alpha", 0.2), self.node.number("beta", 0.5)
    self.add("HardSigmoid", [self.input], self.output, alpha=alpha, beta=beta)


def _clip(self: _Node) -> None:
    limits = [self.floating(self.node.number(key)) for key in ("a_min", "a_max")]
    self.add("Clip", [self.input, *limits], self.output)


# -- arithmetic ---------------------------------------------------------------------


def _plainly(op: str) -> Callable[[_Node], None]:
    """An operator that ONNX has too, one input, nothing to say of it."""

    def word(self: _Node) -> None:
        self.add(op, [self.input], self.output)

    return word


def _binary(op: str) -> Callable[[_Node], None]:
    """An operator of two values."""

    def word(self: _Node) -> None:
        self.add(op, self.take(2), self.output)

    return word


def _scalar(op: str, reverse: bool = False) -> Callable[[_Node], None]:
    """An operator of a value and a number."""

    def word(self: _Node) -> None:
        operands = [self.input, self.floating(self.node.number("scalar"))]
        self.add(op, operands[::-1] if reverse else operands, self.output)

    return word


def _sum(self: _Node) -> None:
    if len(self.inputs) == 1:
        self.add("Identity", self.inputs, self.output)
        return
    value, *rest = self.take(2, 1 << 12)
    for other in rest[:-1]:
        value = self.add("Add", [value, other])
    self.add("Add", [value, rest[-1]], self.output)


def _square(self: _Node) -> None:
    self.add("Mul", [self.input, self.input], self.output)


def _rsqrt(self: _Node) -> None:
    self.add("Reciprocal", [self.add("Sqrt", [self.input])], self.output)


def _reduce(op: str) -> Callable[[_Node], None]:
    """A sum, mean or extreme over axes."""

    def word(self: _Node) -> None:
        axes = self.node.pair("axis", ())
        if not axes or self.node.flag("exclude"):
            raise _Untranslatable
        keep = int(self.node.flag("keepdims"))
        self.add(op, [self.input, self.integers(*axes)], self.output, keepdims=keep)

    return word


# -- normalization ------------------------------------------------------------------


def _batchnorm(self: _Node) -> None:
    node = self.node
    if node.integer("axis", 1) != 1:
        raise _Untranslatable
    value, gamma, beta, mean, variance = self.take(5)
    if node.flag("fix_gamma", True):
        if beta not in self.arrays:
            raise _Untranslatable
        ones = np.ones(self.arrays[beta].shape, np.float32)
        gamma = self.graph.constant(ones, origin=gamma)
    parts = [value, gamma, beta, mean, variance]
    epsilon = node.number("eps", 1e-3)
    self.add("BatchNormalization", parts, self.output, epsilon=epsilon)


def _instancenorm(self: _Node) -> None:
    epsilon = self.node.number("eps", 1e-3)
    self.add("InstanceNormalization", self.take(3), self.output, epsilon=epsilon)


# -- shapes ---------------------------------------------------------------------------


def _identity(self: _Node) -> None:
    self.add("Identity", self.take(1, 8)[:1], self.output)


def _concat(self: _Node) -> None:
    self.add("Concat", self.inputs, self.output, axis=self.node.integer("dim", 1))


def _split(self: _Node) -> None:
    node = self.node
    count, axis = node.integer("num_outputs"), node.integer("axis", 1)
    if node.flag("squeeze_axis") or not self.room.has(count):
        raise _Untranslatable
    names = tuple(_value(node, index) for index in range(count))
    attributes = {"axis": axis, "num_outputs": count}
    self.graph.nodes.append(Node("Split", (self.input,), names, attributes, node.name))


def _reshape(self: _Node) -> None:
    codes = self.node.pair("shape", ())
    if not codes or self.node.flag("reverse"):
        raise _Untranslatable
    self.reshape(self.input, *codes, output=self.output)


def _transpose(self: _Node) -> None:
    axes = self.node.pair("axes", ())
    if not axes:
        raise _Untranslatable
    self.add("Transpose", [self.input], self.output, perm=axes)


def _flatten(self: _Node) -> None:
    self.add("Flatten", [self.input], self.output, axis=1)


def _expand_dims(self: _Node) -> None:
    axis = self.integers(self.node.integer("axis"))
    self.add("Unsqueeze", [self.input, axis], self.output)


def _squeeze(self: _Node) -> None:
    axes = self.node.pair("axis", ())
    where = [self.integers(*axes)] if axes else []
    self.add("Squeeze", [self.input, *where], self.output)


def _slice_axis(self: _Node) -> None:
    node = self.node
    begin, end = node.integer("begin"), node.integers("end")
    stop = end[0] if end and end[0] is not None else _END
    _append_slice(self, [begin], [stop], [node.integer("axis")])


def _slice(self: _Node) -> None:
    begin, end = self.node.integers("begin"), self.node.integers("end")
    step = self.node.integers("step") or (None,) * len(begin)
    if not len(begin) == len(end) == len(step):
        raise self.node.error("begin, end and step differ in length")
    steps = [1 if item is None else item for item in step]
    if min(steps) < 0 and any(item is not None and item < 0 for item in (*begin, *end)):
        raise _Untranslatable
    starts = [
        (0 if by > 0 else _END) if item is None else item
        for item, by in zip(begin, steps, strict=True)
    ]
    stops = [
        (_END if by > 0 else -_END) if item is None else item
        for item, by in zip(end, steps, strict=True)
    ]
    _append_slice(self, starts, stops, range(len(steps)), steps)


def _append_slice(
    self: _Node,
    starts: Sequence[int],
    stops: Sequence[int],
    axes: Sequence[int],
    steps: Sequence[int] = (),
) -> None:
    parts = [self.integers(*part) for part in (starts, stops, axes, steps) if part]
    self.add("Slice", [self.input, *parts], self.output)


def _reverse(self: _Node) -> None:
    axes = self.node.pair("axis", ())
    if axes == (1,):
        self.add("ReverseChannels", [self.input], self.output, domain="zoo")
        return
    if not axes:
        raise _Untranslatable
    count = len(axes)
    _append_slice(self, [_END] * count, [-_END] * count, axes, [-1] * count)


def _slice_like(self: _Node) -> None:
    axes = self.node.pair("axes", ())
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise _Untranslatable
    self.add("CropLike", self.take(2), self.output, domain="zoo", top=0, left=0)


def _crop(self: _Node) -> None:
    node = self.node
    down, across = (*node.pair("offset", (0, 0)), 0, 0)[:2]
    if len(self.inputs) == 2:
        if node.flag("center_crop"):
            down = across = -1
        self.add(
            "CropLike", self.inputs, self.output, domain="zoo", top=down, left=across
        )
        return
    size = node.pair("h_w", ())
    if len(size) != 2 or node.flag("center_crop"):
        raise _Untranslatable
    _append_slice(self, (down, across), (down + size[0], across + size[1]), (2, 3))


def _pad(self: _Node) -> None:
    node = self.node
    mode, widths = node.text("mode"), node.pair("pad_width", ())
    if mode not in ("constant", "edge", "reflect") or len(widths) % 2:
        raise _Untranslatable
    parts = [self.input, self.integers(*widths[::2], *widths[1::2])]
    if mode == "constant":
        parts.append(self.floating(node.number("constant_value")))
    self.add("Pad", parts, self.output, mode=mode)


def _pooling(self: _Node) -> None:
    node = self.node
    kind = {"max": "Max", "avg": "Average"}.get(node.text("pool_type", "max"))
    if kind is None or node.text("layout", "NCHW") not in ("NCHW", "None"):
        raise _Untranslatable
    if node.flag("global_pool"):
        self.add(f"Global{kind}Pool", [self.input], self.output)
        return
    convention = node.text("pooling_convention", "valid")
    if convention not in ("valid", "full"):
        raise _Untranslatable
    geometry: dict[str, Any] = {
        "kernel_shape": node.pair("kernel", ()),
        "strides": node.pair("stride", (1, 1)),
        "pads": node.pair("pad", (0, 0)) * 2,
        "ceil_mode": int(convention == "full"),
    }
    if kind == "Average":
        geometry["count_include_pad"] = int(node.flag("count_include_pad", True))
    self.add(f"{kind}Pool", [self.input], self.output, **geometry)


def _adaptive_pool(self: _Node) -> None:
    size = self.node.pair("output_size", ())
    if set(size) - {1}:
        raise _Untranslatable
    self.add("GlobalAveragePool", [self.input], self.output)


def _depth_to_space(self: _Node) -> None:
    block = self.node.integer("block_size")
    self.add("DepthToSpace", [self.input], self.output, blocksize=block, mode="DCR")


def _space_to_depth(self: _Node) -> None:
    block = self.node.integer("block_size")
    self.add("SpaceToDepth", [self.input], self.output, blocksize=block)


def _upsampling(self: _Node) -> None:
    node = self.node
    if node.text("sample_type") != "nearest" or len(self.inputs) != 1:
        raise _Untranslatable
    scale = node.integer("scale")
    scales = self.graph.constant(np.array([1, 1, scale, scale], np.float32))
    self.add(
        "Resize",
        [self.input, "", scales],
        self.output,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _bilinear(self: _Node) -> None:
    node = self.node
    corners = node.flag("align_corners", True)
    how = {
        "mode": "linear",
        "coordinate_transformation_mode": (
            "align_corners" if corners else "half_pixel"
        ),
    }
    if node.text("mode", "size") == "like" and len(self.inputs) == 2:
        self.add("ResizeLike", self.inputs, self.output, domain="zoo", **how)
        return
    factors = [node.number("scale_height"), node.number("scale_width")]
    if node.text("mode", "size") != "size" or min(factors) <= 0:
        raise _Untranslatable
    scales = self.graph.constant(np.array([1, 1, *factors], np.float32))
    self.add("Resize", [self.input, "", scales], self.output, **how)


# The first input of these is the network's output, the others are labels.
_LOSSES: Final = frozenset(
    [
        "LinearRegressionOutput",
        "MAERegressionOutput",
        "LogisticRegressionOutput",
        "SoftmaxOutput",
        "MakeLoss",
        "BlockGrad",
    ]
)

_BINARIES: Final = {
    "Add": "broadcast_add broadcast_plus elemwise_add _plus _Plus _add _grad_add",
    "Sub": "broadcast_sub broadcast_minus elemwise_sub _minus _Minus _sub",
    "Mul": "broadcast_mul elemwise_mul _mul _Mul",
    "Div": "broadcast_div elemwise_div _div _Div",
    "Max": "broadcast_maximum _maximum _Maximum",
    "Min": "broadcast_minimum _minimum _Minimum",
    "Pow": "broadcast_power _power _Power",
}
_SCALARS: Final = {
    "Add": "_plus_scalar _PlusScalar",
    "Sub": "_minus_scalar _MinusScalar",
    "Mul": "_mul_scalar _MulScalar",
    "Div": "_div_scalar _DivScalar",
    "Max": "_maximum_scalar _MaximumScalar",
    "Min": "_minimum_scalar _MinimumScalar",
    "Pow": "_power_scalar _PowerScalar",
}
_REVERSED: Final = {
    "Sub": "_rminus_scalar _RMinusScalar",
    "Div": "_rdiv_scalar _RDivScalar",
    "Pow": "_rpower_scalar _RPowerScalar",
}
_UNARIES: Final = {
    "Abs": "abs",
    "Erf": "erf",
    "Exp": "exp",
    "Identity": "identity _copy Dropout Cast amp_cast BlockGrad stop_gradient",
    "Log": "log",
    "Neg": "negative _np_negative",
    "Reciprocal": "reciprocal",
    "Relu": "relu",
    "Round": "round rint",
    "Sigmoid": "sigmoid",
    "Softsign": "softsign",
    "Sqrt": "sqrt",
    "Tanh": "tanh",
}
_REDUCTIONS: Final = {
    "ReduceMean": "mean",
    "ReduceSum": "sum sum_axis",
    "ReduceMax": "max max_axis",
    "ReduceMin": "min min_axis",
}

_WORDS: Final[dict[str, Callable[[_Node], None]]] = {
    **{word: _plainly(op) for op, words in _UNARIES.items() for word in words.split()},
    **{word: _binary(op) for op, words in _BINARIES.items() for word in words.split()},
    **{word: _scalar(op) for op, words in _SCALARS.items() for word in words.split()},
    **{
        word: _scalar(op, reverse=True)
        for op, words in _REVERSED.items()
        for word in words.split()
    },
    **{
        word: _reduce(op) for op, words in _REDUCTIONS.items() for word in words.split()
    },
    **dict.fromkeys(_LOSSES, _identity),
    "Activation": _activation,
    "BatchNorm": _batchnorm,
    "BatchNorm_v1": _batchnorm,
    "Concat": _concat,
    "concat": _concat,
    "Convolution": _convolution,
    "Convolution_v1": _convolution,
    "Crop": _crop,
    "Deconvolution": _deconvolution,
    "ElementWiseSum": _sum,
    "Flatten": _flatten,
    "flatten": _flatten,
    "FullyConnected": _fully_connected,
    "InstanceNorm": _instancenorm,
    "LeakyReLU": _leaky,
    "Pad": _pad,
    "pad": _pad,
    "Pooling": _pooling,
    "Pooling_v1": _pooling,
    "Reshape": _reshape,
    "reshape": _reshape,
    "SliceChannel": _split,
    "split": _split,
    "UpSampling": _upsampling,
    "_contrib_AdaptiveAvgPooling2D": _adaptive_pool,
    "_contrib_BilinearResize2D": _bilinear,
    "add_n": _sum,
    "clip": _clip,
    "depth_to_space": _depth_to_space,
    "expand_dims": _expand_dims,
    "flip": _reverse,
    "hard_sigmoid": _hard_sigmoid,
    "reverse": _reverse,
    "rsqrt": _rsqrt,
    "slice": _slice,
    "slice_axis": _slice_axis,
    "slice_like": _slice_like,
    "space_to_depth": _space_to_depth,
    "square": _square,
    "squeeze": _squeeze,
    "transpose": _transpose,
}
