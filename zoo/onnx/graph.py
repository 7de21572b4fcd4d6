"""A network as an ONNX model, for other engines.

The model takes and gives N x C x H x W float32, as is the custom there: pixels, or
what the network itself takes; then what zoo does to pixels before and after it
(:mod:`zoo.pixels`) is stated in the model's metadata. Needs the package
``onnx`` (the extra ``onnx``).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo._version import __version__
from zoo.activations import activation
from zoo.engine.lowering import lower
from zoo.errors import PluginError, ShapeError, UsageError
from zoo.extras import how_to_install
from zoo.layers.avgpool import AveragePool
from zoo.layers.base import Layer
from zoo.network import Network
from zoo.onnx.activations import WRITERS
from zoo.onnx.heads import BOXES, HEADS, SCORES, boxes_and_scores
from zoo.onnx.layers import depends_on, layer_writer, prefers_layer, resizes_like
from zoo.onnx.operations import OPERATIONS, deviation
from zoo.plugins.base import Array, Padding, PadMode, ShuffleOrder
from zoo.program.operations import (
    Activate,
    Add,
    Concat,
    Conv,
    Epilogue,
    Identity,
    Operation,
    Pad,
    Pool,
    Repeat,
    Resize,
    Shuffle,
)
from zoo.program.program import Program
from zoo.shapes import Shape

if TYPE_CHECKING:
    import onnx

__all__ = [
    "INPUT_NAME",
    "OPSET",
    "OUTPUT_NAME",
    "OnnxNode",
    "nodes_of",
    "output_names",
    "program_of",
    "to_onnx",
]

OPSET = 18
INPUT_NAME = "input"
OUTPUT_NAME = "output"

_IR_VERSION = 8  # what came with opset 18; older engines read it
_LARGEST_BYTES = 2**31 - 1  # of one protocol buffer
_FROM_END = -(2**31)


def to_onnx(
    network: Network,
    height: int | None = None,
    width: int | None = None,
    *,
    batch: int | None = 1,
    white: float | None = None,
) -> onnx.ModelProto:
    """Write a network as an ONNX model.

    Parameters
    ----------
    network : Network
        With weights.
    height, width : int, optional
        Of the pictures; None leaves that axis open.
    batch : int, optional
        Number of pictures at a time; None leaves it open.
    white : float, optional
        The model takes and gives pixels, R, G, B from 0 to this, and holds what zoo
        does to them (:mod:`zoo.pixels`) but rounding. By default it is the bare
        network, and that stands in the metadata.

    Returns
    -------
    onnx.ModelProto
        Checked; opset 18, input ``input``, output ``output``. Of a network with
        several outputs each is named by its section and index: ``yolo_121``. That of
        a detector has two more: ``boxes`` (N x rows x 4: x, y of the centre, w, h in
        parts of the input) and ``scores`` (N x rows x classes) of all heads, nothing
        left out; where its size stays open, [net]'s is taken.

    Raises
    ------
    PluginError
        If the package onnx is not installed.
    UsageError
        If a layer has no counterpart in ONNX, or depends on a size left open.
    WeightsError
        If the network has no weights.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError as error:
        raise PluginError(
            f"writing ONNX needs the package onnx ({error}); {how_to_install('onnx')}"
        ) from None
    height, width = _size_of(network, height, width)
    program = program_of(network, height, width)
    writer = _Writer(network)
    writer.write(program, white)
    if sum(tensor.nbytes for tensor in writer.tensors.values()) > _LARGEST_BYTES:
        raise UsageError(
            f"{network.source}: its weights exceed the 2 GB that one ONNX file holds"
        )

    def declare(name: str, channels: int, rows: Any, columns: Any) -> Any:
        shape = [batch or "batch", channels, rows, columns]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    first = program.shapes[0]
    graph = helper.make_graph(
        [
            helper.make_node(node.kind, list(node.inputs), [node.output], **node.keys)
            for node in writer.nodes
        ],
        "zoo",
        [declare(INPUT_NAME, first.channels, height or "height", width or "width")],
        [
            declare(
                name,
                shape.channels,
                shape.height if height else f"{name}_height",
                shape.width if width else f"{name}_width",
            )
            for name, shape in (
                (name, program.shapes[index + 1])
                for index, name in output_names(network).items()
            )
        ]
        + [
            helper.make_tensor_value_info(
                name, TensorProto.FLOAT, [batch or "batch", *shape]
            )
            for name, shape in writer.decoded.items()
        ],
        [
            onnx.numpy_helper.from_array(tensor, name)
            for name, tensor in writer.tensors.items()
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="zoo",
        producer_version=__version__,
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(
        model,
        {
            "zoo.cfg": network.fingerprint,
            "zoo.pixels": json.dumps(
                network.pixels._asdict() if white is None else {"white": white}
            ),
        },
    )
    onnx.checker.check_model(model)
    return model


def nodes_of(
    network: Network, height: int | None, width: int | None, white: float | None
) -> tuple[list[OnnxNode], dict[str, Array]]:
    """The nodes and tensors that :func:`to_onnx` makes a model of, in order.

    The parameters and errors are those of :func:`to_onnx`; onnx is not needed.
    """
    writer = _Writer(network)
    height, width = _size_of(network, height, width)
    writer.write(program_of(network, height, width), white)
    return writer.nodes, writer.tensors


def _size_of(
    network: Network, height: int | None, width: int | None
) -> tuple[int | None, int | None]:
    """The size of a detector is [net]'s: where boxes stand depends on it."""
    if any(type(layer) in HEADS for layer in network):
        return (
            height or network.settings["height"] or None,
            width or network.settings["width"] or None,
        )
    return height, width


def output_names(network: Network) -> dict[int, str]:
    """Name of each output in the model, by its layer."""
    if len(network.outputs) == 1:
        return {network.outputs[0]: OUTPUT_NAME}
    kinds = network.canonical_kinds
    return {index: f"{kinds[index]}_{index}" for index in network.outputs}


def program_of(network: Network, height: int | None, width: int | None) -> Program:
    """The network's program for a size, of which None leaves an axis open.

    Raises
    ------
    UsageError
        If an axis is open and some operation depends on its length.
    WeightsError
        If the network has no weights.
    """
    from zoo.plugins.numpy import NumpyKernels

    network.require_weights()
    kernels = NumpyKernels(threads=1)
    nominal = network.nominal_size
    program = lower(network, height or nominal[0], width or nominal[1], kernels)
    if height and width:
        return program
    # 2n + 1: another parity, and as far as possible another remainder.
    larger = (height or 2 * nominal[0] + 1, width or 2 * nominal[1] + 1)
    try:
        other = lower(network, *larger, kernels)
    except ShapeError as error:
        raise UsageError(
            f"{network.source} does not take pictures of every size ({error}); "
            f"give a size"
        ) from None
    for one, two in zip(program.steps, other.steps, strict=True):
        layer = network.layers[one.layers[0]]
        sizes = (
            depends_on(layer, [made.shapes[value] for value in step.inputs])
            for made, step in ((program, one), (other, two))
        )
        if _is_global(layer) or resizes_like(layer):
            continue  # written by one rule for every size
        if _plain(one.operation) != _plain(two.operation) or len(set(sizes)) > 1:
            raise UsageError(
                f"{network.where(one.layers[0])}: what it does depends on the size "
                f"of the picture; give a size"
            )
    return program


def _is_global(layer: Layer) -> bool:
    """Whether a layer is the mean or deviation of the whole picture."""
    return type(layer) is AveragePool and not layer.size


def _plain(value: Any) -> Any:
    """An operation as values that compare; arrays by their shape alone."""
    if isinstance(value, Resize):  # written as its layer says, for every size
        return value.method, value.factor
    if isinstance(value, np.ndarray):
        return value.shape
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (
            type(value),
            *(
                _plain(getattr(value, field.name))
                for field in dataclasses.fields(value)
                if field.name != "forward"
            ),
        )
    return value


@dataclasses.dataclass(frozen=True)
class OnnxNode:
    """A node of the graph: ONNX's operator, what it reads, makes and is told."""

    kind: str
    inputs: tuple[str, ...]
    output: str
    keys: dict[str, Any]


class _Writer:
    """Nodes and tensors of the graph, in order."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.nodes: list[OnnxNode] = []
        self.tensors: dict[str, Array] = {}
        self._constants: dict[float, str] = {}
        self.decoded: dict[str, tuple[int, int]] = {}
        """Outputs of what heads mean, with their rows and columns."""

    def write(self, program: Program, white: float | None = None) -> None:
        """Write all steps of an unfused program; see :func:`to_onnx`."""
        names = {0: INPUT_NAME}
        if white is not None:
            names[0] = self._from_pixels(INPUT_NAME, white)
        for step in program.steps:
            inputs = [names[value] for value in step.inputs]
            shapes = [program.shapes[value] for value in step.inputs]
            depth = [shape.channels for shape in shapes]
            layer = self.network.layers[step.layers[0]]
            try:
                own = HEADS.get(type(layer)) or layer_writer(layer)
                if isinstance(layer, AveragePool) and _is_global(layer):
                    made = self._global(layer, inputs[0])
                elif own is not None and prefers_layer(layer, step.operation):
                    made = own(self, layer, inputs, shapes)
                else:
                    _require_room(step.operation, shapes[0])
                    made = self._operation(step.operation, inputs, depth)
                names[step.output] = made
            except _NotInOnnxError as error:
                index = step.layers[0]
                raise UsageError(
                    f"{self.network.where(index)}: {error} cannot be written as ONNX"
                ) from None
        for index, name in output_names(self.network).items():
            # Value 0 is the input, and every layer makes the next one.
            made = names[index + 1]
            if white is not None and len(self.network.outputs) == 1:
                channels = program.shapes[index + 1].channels
                made = self._to_pixels(made, channels, white)
            self.nodes.append(OnnxNode("Identity", (made,), name, {}))
        self._decode(program, names)

    def _decode(self, program: Program, names: dict[int, str]) -> None:
        """Boxes and scores of all heads, one after the other."""
        heads = [i for i, layer in enumerate(self.network) if type(layer) in HEADS]
        if not heads:
            return
        size = program.shapes[0].height, program.shapes[0].width
        found = []
        for index in heads:
            layer: Any = self.network[index]
            shape = program.shapes[index + 1]
            found.append(boxes_and_scores(self, layer, names[index + 1], shape, size))
        boxes, scores, rows = zip(*found, strict=True)
        classes = {layer.classes for layer in map(self._head, heads)}
        if len(classes) > 1:
            return  # there is no one table of scores
        for name, parts, columns in (
            (BOXES, boxes, 4),
            (SCORES, scores, classes.pop()),
        ):
            made = parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=1)
            self.nodes.append(OnnxNode("Identity", (made,), name, {}))
            self.decoded[name] = (sum(rows), columns)

    def _head(self, index: int) -> Any:
        return self.network[index]

    def _from_pixels(self, x: str, white: float) -> str:
        """What :func:`zoo.pixels.prepare` does to pixels."""
        pixels = self.network.pixels
        if pixels.color == "bgr":
            x = self.slice(x, 1, -1, _FROM_END, -1)
        x = self.scaled(x, pixels.range / white)
        if any(pixels.mean):
            x = self.node("Sub", x, self._per_channel(pixels.mean))
        if any(value != 1 for value in pixels.std):
            x = self.node("Div", x, self._per_channel(pixels.std))
        return x

    def _to_pixels(self, y: str, channels: int, white: float) -> str:
        """What :func:`zoo.pixels.restore` does, without rounding."""
        pixels = self.network.pixels
        if pixels.denormalize and channels == pixels.channels:
            if any(value != 1 for value in pixels.std):
                y = self.node("Mul", y, self._per_channel(pixels.std))
            if any(pixels.mean):
                y = self.node("Add", y, self._per_channel(pixels.mean))
        y = self.scaled(y, white / pixels.range)
        if pixels.color == "bgr" and channels == 3:
            y = self.slice(y, 1, -1, _FROM_END, -1)
        return y

    def _per_channel(self, values: Sequence[float]) -> str:
        return self.tensor(np.reshape(values, (1, -1, 1, 1)))

    # -- pieces ------------------------------------------------------------

    def node(self, kind: str, *inputs: str, **keys: Any) -> str:
        """Add a node and return the name of its output."""
        output = f"v{len(self.nodes)}"
        self.nodes.append(OnnxNode(kind, inputs, output, keys))
        return output

    def tensor(self, array: Any, dtype: Any = np.float32) -> str:
        """Add a tensor and return its name."""
        name = f"t{len(self.tensors)}"
        self.tensors[name] = np.ascontiguousarray(array, dtype)
        return name

    def number(self, value: float) -> str:
        """Name of a scalar; the same one for the same value."""
        if value not in self._constants:
            # Not through ascontiguousarray, which makes scalars 1-D.
            name = f"t{len(self.tensors)}"
            self.tensors[name] = np.array(value, np.float32)
            self._constants[value] = name
        return self._constants[value]

    def slice(
        self,
        x: str,
        axis: int,
        start: int,
        stop: int,
        step: int = 1,
    ) -> str:
        """Part of an axis."""
        numbers = ([start], [stop], [axis], [step])
        return self.node("Slice", x, *(self.tensor(n, np.int64) for n in numbers))

    def scaled(self, x: str, factor: float) -> str:
        """A value times a number."""
        return x if factor == 1 else self.node("Mul", x, self.number(factor))

    # -- operations --------------------------------------------------------

    def _operation(
        self, operation: Operation, inputs: Sequence[str], depth: Sequence[int]
    ) -> str:
        x = inputs[0]
        match operation:
            case Identity():
                return x
            case Conv():
                return self._conv(operation, x)
            case Add():
                total = self.node(
                    "Add",
                    self.scaled(inputs[0], operation.alpha),
                    self.scaled(inputs[1], operation.beta),
                )
                return self.activate(total, operation.activation)
            case Activate():
                return self.activate(x, operation.name, operation.slopes)
            case Shuffle():
                return self._shuffle(x, operation.scale, operation.order)
            case Concat():
                parts = [
                    part if span == (0, full) else self.slice(part, 1, *span)
                    for part, span, full in zip(
                        inputs, operation.slices, depth, strict=True
                    )
                ]
                if len(parts) == 1:
                    return parts[0]
                return self.node("Concat", *parts, axis=1)
            case Pool():
                return self._pool(operation, x)
            case Pad():
                return self._pad(x, operation.padding, operation.mode)
            case Repeat():
                return self._repeat(operation, x)
        if type(operation) in OPERATIONS:
            return OPERATIONS[type(operation)](self, operation, inputs)
        raise _NotInOnnxError("this layer")

    def _conv(self, conv: Conv, x: str) -> str:
        stride, dilation, padding, pad_mode, groups = conv.geometry
        epilogue = conv.epilogue
        if epilogue.residual or epilogue.last != Epilogue().last:
            raise _NotInOnnxError("a fused convolution")
        if pad_mode != "zero" and any(padding):
            x = self._pad(x, padding, pad_mode)
            padding = Padding()
        operands = [x, self.tensor(conv.weights.transpose(3, 2, 0, 1))]
        if conv.biases is not None:
            operands.append(self.tensor(conv.biases))
        y = self.node(
            "Conv",
            *operands,
            kernel_shape=list(conv.weights.shape[:2]),
            strides=list(stride),
            dilations=list(dilation),
            pads=[padding.top, padding.left, padding.bottom, padding.right],
            group=groups,
        )
        y = self.activate(y, epilogue.activation, epilogue.slopes)
        return self._shuffle(y, conv.shuffle, conv.order)

    def _shuffle(self, x: str, scale: int, order: ShuffleOrder) -> str:
        if scale == 1:
            return x
        return self.node("DepthToSpace", x, blocksize=scale, mode=order.upper())

    def _global(self, layer: AveragePool, x: str) -> str:
        if layer.deviation:
            return deviation(self, x)
        return self.node("GlobalAveragePool", x)

    def _pool(self, pool: Pool, x: str) -> str:
        size, stride, padding = pool.geometry
        keys: dict[str, Any] = {
            "kernel_shape": list(size),
            "strides": list(stride),
            "pads": [padding.top, padding.left, padding.bottom, padding.right],
        }
        if pool.mode == "max":
            return self.node("MaxPool", x, **keys)
        return self.node("AveragePool", x, count_include_pad=0, **keys)

    def _pad(self, x: str, padding: Padding, mode: PadMode) -> str:
        if mode == "symmetric":  # ONNX has no such mode
            x = self._mirror(x, 2, padding.top, padding.bottom)
            return self._mirror(x, 3, padding.left, padding.right)
        top, bottom, left, right = padding
        ends = self.tensor([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self.node("Pad", x, ends, mode="constant" if mode == "zero" else mode)

    def _mirror(self, x: str, axis: int, before: int, after: int) -> str:
        """abc|cba at both ends. The picture must be as large as the border."""
        parts = [x]
        if before:
            parts.insert(0, self.slice(x, axis, before - 1, _FROM_END, -1))
        if after:
            parts.append(self.slice(x, axis, -1, -1 - after, -1))
        return x if len(parts) == 1 else self.node("Concat", *parts, axis=axis)

    def _repeat(self, repeat: Repeat, x: str) -> str:
        y = self.node(
            "Resize",
            x,
            "",
            self.tensor([1, 1, repeat.scale, repeat.scale]),
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        return self.scaled(y, repeat.factor)

    # -- activations -------------------------------------------------------

    def activate(self, x: str, name: str, slopes: Array | None = None) -> str:
        """An activation of ``zoo.activations``."""
        if name == "linear":
            return x
        row = activation(name)
        if row.needs_slopes:
            if slopes is None:
                raise ShapeError(f"the activation {name} needs slopes")
            return self.node("PRelu", x, self.tensor(slopes.reshape(-1, 1, 1)))
        try:
            write = WRITERS[row.name]
        except KeyError:
            raise _NotInOnnxError(f"the activation {name}") from None
        return write(self, x, *row.numbers)


def _require_room(operation: Operation, shape: Shape) -> None:
    """Refuse a mirrored border that is wider than the picture: it repeats."""
    if isinstance(operation, Conv):
        padding, mode = operation.geometry.padding, operation.geometry.pad_mode
    elif isinstance(operation, Pad):
        padding, mode = operation.padding, operation.mode
    else:
        return
    if mode not in ("zero", "edge"):
        rows, columns = max(padding[:2]), max(padding[2:])
        if rows > shape.height or columns > shape.width:
            raise _NotInOnnxError(
                f"a mirrored border of {rows} rows and {columns} columns around "
                f"{shape.height} x {shape.width} pixels"
            )


class _NotInOnnxError(Exception):
    """Says what cannot be written."""
