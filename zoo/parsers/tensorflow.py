"""Frozen TensorFlow graphs (``.pb``), read without TensorFlow.

A frozen graph is a GraphDef message: nodes with a name, an operation, inputs
and attributes; the weights are the tensors of Const nodes. Axes stay in
TensorFlow's order (convolutions H x W x I x O). Quantized weights come
dequantized, under the name of the Dequantize node that the graph uses.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._dequantize import dequantize
from zoo.parsers._pickle_values import quoted
from zoo.parsers._protobuf import BYTES, VARINT, Field, Message
from zoo.parsers._tensor_proto import TYPES, TensorProtos, read_shape
from zoo.parsers._tensorflow.graph import translate
from zoo.parsers._tensorflow.types import GraphNode
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["GraphNode", "TensorFlowReader"]

# Length, name, then the operation's key: how a GraphDef begins.
_FIRST_NODE = re.compile(rb"\A\x0a[\x80-\xff]{0,4}[\x00-\x7f]\x0a([\x01-\x7f])")
_SAVED_MODEL = b"\x08\x01\x12"
_MAX_LIST = 4096


class TensorFlowReader(Reader):
    """Reads frozen GraphDef files, float or quantized by TensorFlow's tools.

    The metadata has

    ``graph``
        All nodes as :class:`GraphNode`, in the file's order.
    ``dequantized``
        For each tensor that was quantized: the Const names of its values,
        minimum and maximum, and the mode.
    ``ignored``
        Const nodes that hold no numbers (texts and the like), with the reason.

    Every Const is in ``tensors``, in ``dequantized`` or in ``ignored``.
    """

    name: ClassVar[str] = "tensorflow"
    suffixes: ClassVar[tuple[str, ...]] = (".pb",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins with a node that has a name and an operation."""
        if path.suffix == ".pb" and head.startswith(_SAVED_MODEL):
            return True
        match = _FIRST_NODE.match(head)
        if match is None:
            return False
        end = match.end() + match[1][0]
        name, key = head[match.end() : end], head[end : end + 1]
        return key == b"\x12" and name.isascii() and name.decode().isprintable()

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the constants and the wiring of a graph.

        Raises
        ------
        ReaderError
            If the file is truncated, damaged, no frozen graph, or claims more
            than its size can hold.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ReaderError(f"{path}: {error.strerror or error}") from None
        if data.startswith(_SAVED_MODEL):
            raise ReaderError(
                f"{path}: this is a SavedModel, whose variables are in other files, or "
                f"another kind of .pb; freeze the graph in TensorFlow and convert that"
            )
        graph = _Graph(data, str(path))
        if not graph.nodes:
            raise ReaderError(f"{path}: the graph has no nodes")
        dequantized = graph.dequantize()
        if not graph.tensors:
            raise ReaderError(
                f"{path}: the graph has no constants; freeze it, so that the weights "
                f"are in it"
            )
        order = {name: index for index, name in enumerate(graph.nodes)}
        tensors = dict(sorted(graph.tensors.items(), key=lambda item: order[item[0]]))
        nodes = list(graph.nodes.values())

        def neutral() -> Graph:
            return translate(nodes, tensors, str(path))

        return Checkpoint(
            cls.name,
            tensors,
            {"graph": nodes, "dequantized": dequantized, "ignored": graph.ignored},
            neutral,
        )


class _Graph:
    """A GraphDef: ``node = 1``; the rest of its fields is of no use here."""

    def __init__(self, data: bytes, source: str) -> None:
        self._source = source
        self._protos = TensorProtos(source, len(data))
        self.nodes: dict[str, GraphNode] = {}
        self.tensors: dict[str, NDArray[Any]] = {}
        self.ignored: dict[str, str] = {}
        message = Message(data, source)
        for item in message:
            if item.number == 1:
                self._node(message.message(item))
        for node in self.nodes.values():
            for name in node.inputs:
                if _producer(name) not in self.nodes:
                    raise message.error(
                        f"node {quoted(node.name)} reads {quoted(name)}, which is not "
                        f"in the graph; the file is damaged or a part of another",
                        len(data),
                    )

    def _node(self, message: Message) -> None:
        """Read a NodeDef: name = 1, op = 2, input = 3, attr = 5."""
        name = op = ""
        inputs: list[str] = []
        attrs: dict[str, Any] = {}
        value: Message | None = None
        for item in message:
            if item.number == 1:
                name = message.text(item)
            elif item.number == 2:
                op = message.text(item)
            elif item.number == 3:
                inputs.append(message.text(item))
            elif item.number == 5:
                key, attr = _map_entry(message.message(item))
                attrs[key], tensor = _attribute(attr)
                if key == "value":
                    value = tensor
        if not name or not op:
            raise message.error("a node has no name or no operation")
        if name in self.nodes:
            raise message.error(f"two nodes are called {quoted(name)}")
        self.nodes[name] = GraphNode(name, op, tuple(inputs), attrs)
        if op != "Const":
            return
        if value is None:
            raise message.error(f"constant {quoted(name)} has no value")
        try:
            self.tensors[name] = self._protos.read(value, name)
        except NotImplementedError as error:
            self.ignored[name] = str(error)

    def dequantize(self) -> dict[str, dict[str, str]]:
        """Replace quantized constants by the floats that the graph makes of them."""
        users: dict[str, list[str]] = {}
        for node in self.nodes.values():
            for name in node.inputs:
                users.setdefault(_producer(name), []).append(node.name)
        found: dict[str, dict[str, str]] = {}
        for node in self.nodes.values():
            sources = [_producer(name) for name in node.inputs if name[:1] != "^"]
            if node.op != "Dequantize" or not all(
                name in self.tensors for name in sources
            ):
                continue
            self.tensors[node.name] = self._dequantize(node, sources)
            found[node.name] = dict(
                zip(("values", "minimum", "maximum"), sources, strict=True),
                mode=_mode(node),
            )
        for parts in list(found.values()):
            for role in ("values", "minimum", "maximum"):
                if all(user in found for user in users[parts[role]]):
                    self.tensors.pop(parts[role], None)
        return found

    def _dequantize(self, node: GraphNode, sources: Sequence[str]) -> NDArray[Any]:
        if len(sources) != 3:
            raise ReaderError(
                f"{self._source}: Dequantize node {quoted(node.name)} has "
                f"{len(sources)} inputs, not values, minimum and maximum"
            )
        values, low, high = (self.tensors[name] for name in sources)
        self._protos.charge(4 * values.size, node.name)
        narrow, axis = node.attrs.get("narrow_range"), node.attrs.get("axis")
        try:
            return dequantize(
                values,
                low.astype(np.float32),
                high.astype(np.float32),
                _mode(node),
                narrow is True,
                axis if type(axis) is int else -1,
            )
        except ValueError as error:
            raise ReaderError(
                f"{self._source}: {quoted(node.name)} cannot be dequantized: {error}"
            ) from None


def _mode(node: GraphNode) -> str:
    return str(node.attrs.get("mode", "MIN_COMBINED"))[:40]


def _producer(name: str) -> str:
    """Name of the node behind an input: without "^" and without ":0"."""
    return name.removeprefix("^").partition(":")[0]


def _map_entry(message: Message) -> tuple[str, Message | None]:
    key, value = "", None
    for item in message:
        if item.number == 1:
            key = message.text(item)
        elif item.number == 2:
            value = message.message(item)
    return key, value


def _attribute(message: Message | None) -> tuple[Any, Message | None]:
    """Read an AttrValue: its plain value, and its tensor if it is one."""
    value: Any = None
    tensor: Message | None = None
    for item in message or ():
        assert message is not None
        if item.number == 8:
            value, tensor = None, message.message(item)
        elif item.number == 1:
            value = _list(message.message(item))
        else:
            value = _plain(message, item)
    return value, tensor


def _list(message: Message) -> tuple[Any, ...]:
    """Read an AttrValue.ListValue, whose fields have the numbers of AttrValue."""
    values: list[Any] = []
    for item in message:
        if item.number in (3, 5, 6) and item.wire == BYTES:
            numbers = message.varints(item, _MAX_LIST).tolist()
            values += [_number(item.number, number) for number in numbers]
        elif item.number == 4:
            values += message.array(item, "<f4")[:_MAX_LIST].tolist()
        else:
            values.append(_plain(message, item))
        if len(values) > _MAX_LIST:
            raise message.error(f"an attribute lists more than {_MAX_LIST} values")
    return tuple(values)


def _plain(message: Message, item: Field) -> Any:
    """Read a text, number, bool, type or shape."""
    if item.number == 2:
        data = message.bytes(item)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    if item.number in (3, 5, 6) and item.wire == VARINT:
        return _number(item.number, message.signed(item))
    if item.number == 4:
        return message.floating(item)
    if item.number == 7:
        return read_shape(message.message(item))
    return None


_BOOL: Final = 5
_TYPE: Final = 6


def _number(kind: int, value: int) -> Any:
    if kind == _BOOL:
        return bool(value)
    if kind == _TYPE:
        known = TYPES.get(value)
        return known.name if known else f"type {value}"
    return value
