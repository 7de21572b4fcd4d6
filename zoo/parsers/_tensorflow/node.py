"""A TensorFlow node on its way into the graph, and what translations are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, Node
from zoo.parsers._pickle_values import quoted
from zoo.parsers._room import Room
from zoo.parsers._tensorflow.types import GraphNode

__all__ = ["END", "TfNode", "Untranslatable", "value_name"]

END: Final = np.iinfo(np.int64).max


class Untranslatable(Exception):
    """A node, or a form of it, that ONNX's vocabulary has no words for."""


def value_name(text: str) -> str:
    """Name of the value behind an input: "x:0" is "x"."""
    return text.removesuffix(":0")


class TfNode:
    """One node, with what its translation needs.

    Parameters
    ----------
    graph : Graph
        Where its nodes go.
    node : GraphNode
    tensors : mapping of str to ndarray
        Constants, by the names of their nodes.
    room : Room
        For the outputs of nodes that have many.
    """

    def __init__(
        self,
        graph: Graph,
        node: GraphNode,
        tensors: Mapping[str, NDArray[Any]],
        room: Room,
    ) -> None:
        self.graph = graph
        self.node = node
        self.tensors = tensors
        self.room = room
        self.inputs = [value_name(name) for name in node.inputs if name[:1] != "^"]

    @property
    def output(self) -> str:
        """Name of the first output."""
        return self.node.name

    @property
    def input(self) -> str:
        """Name of the first input."""
        return self.take(1)[0]

    def take(self, least: int) -> list[str]:
        """The inputs, of which there must be so many."""
        if len(self.inputs) < least:
            raise self.error(f"{len(self.inputs)} inputs where {least} belong")
        return self.inputs

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the node."""
        return ReaderError(
            f"{self.graph.source}: {reason} in {self.node.op[:80]} "
            f"{quoted(self.node.name)}; the graph is damaged"
        )

    # -- attributes ------------------------------------------------------------

    def flag(self, key: str, default: bool = False) -> bool:
        """An attribute that is true or false."""
        return bool(self.node.attrs.get(key, default))

    def text(self, key: str, default: str = "") -> str:
        """An attribute that is a text."""
        value = self.node.attrs.get(key, default)
        return value if isinstance(value, str) else default

    def number(self, key: str, default: float = 0.0) -> float:
        """An attribute that is a number."""
        value = self.node.attrs.get(key, default)
        if type(value) not in (int, float):
            raise self.error(f"the attribute {key} is no number")
        return float(value)

    def whole(self, key: str, default: int = 0) -> int:
        """An attribute that is a whole number."""
        value = self.node.attrs.get(key, default)
        if type(value) is not int:
            raise self.error(f"the attribute {key} is no whole number")
        return value

    def numbers(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that lists whole numbers."""
        value = self.node.attrs.get(key)
        if not value:
            return default
        if not isinstance(value, tuple) or any(type(item) is not int for item in value):
            raise self.error(f"the attribute {key} is no list of whole numbers")
        return value

    @property
    def is_first(self) -> bool:
        """Whether its data have the channels first."""
        return self.text("data_format", "NHWC") == "NCHW"

    def spatial(self, values: Sequence[int]) -> tuple[int, ...]:
        """Of a list for four axes, the two of rows and columns."""
        if len(values) != 4:
            raise self.error(f"a list of four has {len(values)} items")
        return tuple(values[2:]) if self.is_first else tuple(values[1:3])

    # -- constants -------------------------------------------------------------

    def fixed(self, index: int) -> NDArray[Any]:
        """The input of this index, which must be a constant."""
        name = self.take(index + 1)[index]
        if name not in self.tensors:
            raise Untranslatable
        return self.tensors[name]

    def fixed_integers(self, index: int) -> list[int]:
        """The input of this index, which must be a constant list of whole numbers."""
        values = self.fixed(index)
        if values.dtype.kind not in "iu" or values.size > 64:
            raise Untranslatable
        return [int(value) for value in values.reshape(-1)]

    def integers(self, *values: int) -> str:
        """A constant list of whole numbers."""
        return self.graph.constant(np.array(values, np.int64))

    def floating(self, value: float) -> str:
        """A constant of one number."""
        return self.graph.constant(np.float32(value))

    def turned(self, index: int, perm: tuple[int, ...]) -> str:
        """A weight with its axes in another order."""
        name = self.take(index + 1)[index]
        values = self.tensors.get(name)
        if values is None:
            return self.add("Transpose", [name], perm=perm)
        if values.ndim != len(perm):
            raise self.error(f"{name[:80]!r} has {values.ndim} axes, not {len(perm)}")
        # Once, however many nodes read it.
        made = f"{name}/{''.join(map(str, perm))}#"
        if made not in self.graph.constants:
            turned = np.ascontiguousarray(values.transpose(perm))
            self.graph.constant(turned, made, name)
        return made

    # -- nodes -----------------------------------------------------------------

    def add(self, op: str, inputs: Sequence[str], output: str = "", **kw: Any) -> str:
        """Append a node that is called as this one."""
        return self.graph.add(op, inputs, output, name=self.node.name, **kw)

    def add_many(self, op: str, inputs: Sequence[str], count: int, **kw: Any) -> None:
        """Append a node with so many outputs."""
        names = [self.output, *(f"{self.output}:{index}" for index in range(1, count))]
        self.graph.nodes.append(
            Node(op, tuple(inputs), tuple(names), kw, self.node.name)
        )

    def first(self, value: str) -> str:
        """The value with its channels first, as ONNX's operators want it."""
        return value if self.is_first else self.graph.channels_first(value)

    def last(self, value: str) -> None:
        """Give the value its file's order back; it is the output."""
        if self.is_first:
            self.add("Identity", [value], self.output)
        else:
            self.graph.channels_last(value, self.output)
