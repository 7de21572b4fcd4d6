"""ONNX files, read without ONNX's own library.

A model is a ModelProto message: versions of operator sets, functions of its own, and a
graph of nodes and tensors. The graph is returned as it is, with functions put in their
places; what its operators mean is known to :mod:`zoo.graphs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, GraphInput, Node
from zoo.parsers._onnx_external import ExternalData
from zoo.parsers._onnx_functions import Function, Reference, inlined
from zoo.parsers._onnx_runtime import plain_nodes
from zoo.parsers._onnx_tensor import NUMBERS, TensorReader, refuse
from zoo.parsers._pickle_values import quoted
from zoo.parsers._protobuf import BYTES, Message
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["ONNXReader"]

_DEEPEST = 16
_SAVED_MODEL = b"\x08\x01\x12"
_AFTER_VERSION = b"\x12\x1a\x22\x28\x32\x3a\x42\x72"
_STANDARD = ("", "ai.onnx")


class ONNXReader(Reader):
    """Reads ModelProto files, with weights in them or beside them.

    ``tensors`` holds the initialisers; ``graph`` translates the rest.
    """

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins with the version of the format, and a known field."""
        if head[4:8] == b"ORTM":
            return True
        if head.startswith(_SAVED_MODEL) and path.suffix != ".onnx":
            return False
        if len(head) < 3 or head[:1] != b"\x08" or not 1 <= head[1] < 32:
            return path.suffix == ".onnx" and head[:1] in (b"\x3a", b"\x42")
        return head[2:3] in [bytes([byte]) for byte in _AFTER_VERSION]

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the graph and its tensors.

        Raises
        ------
        ReaderError
            If the file is truncated, damaged, or names weights outside its folder.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ReaderError(f"{path}: {error.strerror or error}") from None
        if data[4:8] == b"ORTM":
            raise ReaderError(
                f"{path}: this is ONNX Runtime's own format, made for one version of "
                f"it; give the .onnx file that it was made of"
            )
        external = ExternalData(path)
        graph = _Model(data, path, external).graph
        return Checkpoint(
            format=cls.name,
            tensors=dict(graph.constants),
            metadata={
                "opset": graph.opset,
                "notes": graph.notes,
                "files": external.files,
            },
            graph=lambda: graph,
        )


class _Model:
    """A ModelProto: opset_import = 8, graph = 7, functions = 25."""

    def __init__(self, data: bytes, path: Path, external: ExternalData) -> None:
        self._source = str(path)
        self._tensors = TensorReader(self._source, external)
        message = Message(data, self._source)
        body: Message | None = None
        self._opset = 0
        producer, version = "", 0
        functions: dict[tuple[str, str], Function] = {}
        own = []
        for item in message:
            if item.number == 1:
                version = message.signed(item)
            elif item.number == 2 and item.wire == BYTES:
                producer = message.text(item)
            elif item.number == 7:
                body = message.message(item)
            elif item.number == 8:
                domain, opset = _opset(message.message(item))
                if domain in _STANDARD:
                    self._opset = max(self._opset, opset)
            elif item.number == 25:
                own.append(message.message(item))
        if body is None:
            raise ReaderError(f"{path}: it holds no graph; this is no ONNX file")
        if not self._opset and version >= 3:
            raise ReaderError(
                f"{path}: it does not say which version of the operators it means; the "
                f"file breaks off or is damaged"
            )
        for part in own:
            function = self._function(part)
            functions[function.domain, function.name] = function
        self.graph = self._graph(body, 0)
        if functions:
            self.graph.nodes = inlined(self.graph.nodes, functions, self._source)
        if producer:
            self.graph.notes.append(f"written by {producer[:60]}")
        if not self.graph.nodes:
            raise ReaderError(f"{path}: its graph has no operations")

    def _graph(self, message: Message, depth: int) -> Graph:
        """Read a GraphProto: node = 1, initializer = 5, input = 11, output = 12."""
        if depth > _DEEPEST:
            raise message.error("graphs lie within graphs more than 16 deep")
        graph = Graph(self._source, opset=self._opset or 1)
        inputs: list[GraphInput] = []
        for item in message:
            match item.number:
                case 1:
                    node = self._node(message.message(item), depth)
                    graph.nodes.append(node)
                case 5:
                    self._initializer(graph, message.message(item))
                case 11:
                    inputs.append(_value(message.message(item)))
                case 12:
                    graph.outputs.append(_value(message.message(item)).name)
                case 15:
                    raise message.error(
                        "its weights are sparse, which zoo does not read"
                    )
        # Old files list their weights among the inputs as well.
        graph.inputs = [item for item in inputs if item.name not in graph.constants]
        graph.nodes = [
            plain for node in graph.nodes for plain in plain_nodes(node, graph)
        ]
        _lift_constants(graph)
        return graph

    def _initializer(self, graph: Graph, message: Message) -> None:
        try:
            name, values = self._tensors.read(message)
        except NotImplementedError as error:
            raise refuse(self._source, str(error)) from None
        if name in graph.constants:
            raise message.error(f"two tensors are called {quoted(name)}")
        graph.constants[name] = values

    def _node(self, message: Message, depth: int) -> Node:
        """Read a NodeProto: input, output, name, op_type, attribute, domain = 1-5, 7."""
        inputs: list[str] = []
        outputs: list[str] = []
        texts = {3: "", 4: "", 7: ""}
        attributes: dict[str, Any] = {}
        for item in message:
            if item.number == 1:
                inputs.append(message.text(item))
            elif item.number == 2:
                outputs.append(message.text(item))
            elif item.number in texts:
                texts[item.number] = message.text(item)
            elif item.number == 5:
                name, value = self._attribute(message.message(item), depth)
                attributes[name] = value
        domain = "" if texts[7] in _STANDARD else texts[7]
        if not texts[4]:
            raise message.error("a node has no operator")
        return Node(
            texts[4], tuple(inputs), tuple(outputs), attributes, texts[3], domain
        )

    def _attribute(self, message: Message, depth: int) -> tuple[str, Any]:
        """Read an AttributeProto, whichever of its fields is set."""
        name = ""
        value: Any = None
        lists: dict[int, list[Any]] = {7: [], 8: [], 9: []}
        reference = ""
        for item in message:
            match item.number:
                case 1:
                    name = message.text(item)
                case 2:
                    value = message.floating(item)
                case 3:
                    value = message.signed(item)
                case 4:
                    value = _text(message.bytes(item))
                case 5:
                    value = self._value(message.message(item))
                case 6:
                    value = self._graph(message.message(item), depth + 1)
                case 7:
                    lists[7] += message.array(item, "<f4").tolist()
                case 8:
                    lists[8] += message.varints(item, 1 << 22).tolist()
                case 9:
                    lists[9].append(_text(message.bytes(item)))
                case 21:
                    reference = message.text(item)
        if reference:
            return name, Reference(reference)
        if value is None:
            value = tuple(next(filter(None, lists.values()), []))
        return name, value

    def _value(self, message: Message) -> NDArray[Any]:
        try:
            return self._tensors.read(message)[1]
        except NotImplementedError:
            return np.array([], object)  # texts, which no operator here reads

    def _function(self, message: Message) -> Function:
        """Read a FunctionProto: name, input, output, node = 1, 4, 5, 7; domain = 10."""
        name = domain = ""
        inputs: list[str] = []
        outputs: list[str] = []
        nodes: list[Node] = []
        defaults: dict[str, Any] = {}
        for item in message:
            match item.number:
                case 1:
                    name = message.text(item)
                case 4:
                    inputs.append(message.text(item))
                case 5:
                    outputs.append(message.text(item))
                case 7:
                    nodes.append(self._node(message.message(item), 0))
                case 10:
                    domain = message.text(item)
                case 11:
                    key, value = self._attribute(message.message(item), 0)
                    defaults[key] = value
        return Function(name, domain, tuple(inputs), tuple(outputs), nodes, defaults)


def _lift_constants(graph: Graph) -> None:
    """Count nodes that make a constant tensor among the constants."""
    kept = []
    for node in graph.nodes:
        value = node.attributes.get("value") if node.op == "Constant" else None
        is_new = len(node.outputs) == 1 and node.outputs[0] not in graph.constants
        if isinstance(value, np.ndarray) and is_new and value.dtype != object:
            graph.constants[node.outputs[0]] = value
        else:
            kept.append(node)
    graph.nodes = kept


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _opset(message: Message) -> tuple[str, int]:
    domain, version = "", 0
    for item in message:
        if item.number == 1:
            domain = message.text(item)
        elif item.number == 2:
            version = message.signed(item)
    return domain, version


def _value(message: Message) -> GraphInput:
    """Read a ValueInfoProto: name = 1, type = 2."""
    name, dtype, shape = "", "float32", None
    for item in message:
        if item.number == 1:
            name = message.text(item)
        elif item.number == 2:
            kind = message.message(item)
            for part in kind:
                if part.number == 1:
                    dtype, shape = _tensor_type(kind.message(part))
    return GraphInput(name, shape, dtype)


def _tensor_type(message: Message) -> tuple[str, tuple[int | None, ...] | None]:
    dtype = "float32"
    shape: tuple[int | None, ...] | None = None
    for item in message:
        if item.number == 1:
            code = message.signed(item)
            dtype = np.dtype(NUMBERS[code]).name if code in NUMBERS else "unknown"
        elif item.number == 2:
            sizes: list[int | None] = []
            whole = message.message(item)
            for part in whole:
                if part.number == 1:
                    sizes.append(_dimension(whole.message(part)))
            shape = tuple(sizes[:16])
    return dtype, shape


def _dimension(message: Message) -> int | None:
    size: int | None = None
    for item in message:
        if item.number == 1:
            size = message.signed(item)
    return size if size is not None and size > 0 else None
