"""A node of MXNet on its way into the graph, and what translations are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.graph import Graph
from zoo.parsers._mxnet.symbol import MxNode, Symbol
from zoo.parsers._room import Room

__all__ = [
    "END",
    "OpNode",
    "Untranslatable",
    "Words",
    "as_float",
    "per_channel",
    "plainly",
    "value_name",
]

END: Final = np.iinfo(np.int64).max


class Untranslatable(Exception):
    """A node, or a form of it, that ONNX's vocabulary has no words for."""


def value_name(node: MxNode, output: int) -> str:
    return f"{node.name}:{output}" if output else node.name


def as_float(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(np.float32) if values.dtype.kind == "f" else values


class OpNode:
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
        self.inputs = [
            value_name(symbol.nodes[index], out) for index, out in node.inputs
        ]

    def translate(self, words: Words) -> None:
        """Append the node's nodes; one of the domain "mxnet" if there are none."""
        before = len(self.graph.nodes)
        word = words.get(self.node.op)
        try:
            if word is None:
                raise Untranslatable
            word(self)
        except Untranslatable:
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


Words = Mapping[str, Callable[[OpNode], None]]
"""Translations, by MXNet's names of operators."""


def per_channel(self: OpNode, name: str) -> str:
    """A vector of parameters, to meet a map."""
    if name not in self.arrays:
        raise Untranslatable
    values = as_float(self.arrays[name]).reshape(-1, 1, 1)
    return self.graph.constant(values, origin=name)


def plainly(op: str) -> Callable[[OpNode], None]:
    """An operator that ONNX has too, one input, nothing to say of it."""

    def word(self: OpNode) -> None:
        self.add(op, [self.input], self.output)

    return word
