"""A layer of ncnn on its way into the graph, and what translations are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.graph import Graph
from zoo.parsers._ncnn.param import NcnnLayer

__all__ = [
    "END",
    "UNSET",
    "Layer",
    "Untranslatable",
    "Weights",
    "Words",
    "pads",
    "pair",
    "plainly",
]

END: Final = np.iinfo(np.int64).max
UNSET: Final = -233


Weights = Mapping[str, NDArray[Any]]
"""Arrays of a layer, by role."""


class Untranslatable(Exception):
    """A layer, or a form of it, that ONNX's vocabulary has no words for."""


class Layer:
    """One layer on its way into the graph."""

    def __init__(self, graph: Graph, layer: NcnnLayer, weights: Weights) -> None:
        self.graph = graph
        self.layer = layer
        self.weights = weights

    def translate(self, words: Words) -> None:
        """Append the layer's nodes; one of the domain "ncnn" if there are none."""
        layer = self.layer
        before = len(self.graph.nodes)
        word = words.get(layer.op)
        try:
            if word is None:
                raise Untranslatable
            word(self)
        except Untranslatable:
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
            raise Untranslatable

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


Words = Mapping[str, Callable[[Layer], None]]
"""Translations, by ncnn's names of layers."""


def plainly(op: str) -> Callable[[Layer], None]:
    """A layer that ONNX has too, one input, one output, nothing to say of it."""

    def word(self: Layer) -> None:
        self.add(op, [self.input], self.output)

    return word


def pair(layer: NcnnLayer, width: int, height: int, default: int) -> tuple[int, int]:
    """Rows and columns of a parameter; the rows are as the columns unless given."""
    across = layer.integer(width, default)
    return layer.integer(height, across), across


def pads(layer: NcnnLayer, keys: tuple[int, int, int, int]) -> tuple[int, ...]:
    """ONNX's order: top, left, bottom, right."""
    left = layer.integer(keys[0])
    right = layer.integer(keys[1], left)
    top = layer.integer(keys[2], left)
    return top, left, layer.integer(keys[3], top), right
