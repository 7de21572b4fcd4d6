"""MXNet's operators in ONNX's vocabulary; axes are N, C, H, W in both.

Source: the operator documentation of apache/mxnet 1.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, GraphInput
from zoo.parsers._mxnet.activations import ACTIVATIONS
from zoo.parsers._mxnet.arithmetic import ARITHMETIC
from zoo.parsers._mxnet.convolutions import CONVOLUTIONS
from zoo.parsers._mxnet.node import OpNode, Words, as_float, value_name
from zoo.parsers._mxnet.shapes import LOSSES, SHAPES
from zoo.parsers._mxnet.symbol import MxNode, Symbol
from zoo.parsers._room import Room

__all__ = ["translate"]

_WORDS: Final[Words] = {**ACTIVATIONS, **ARITHMETIC, **CONVOLUTIONS, **SHAPES}


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
            OpNode(graph, symbol, node, arrays, room).translate(_WORDS)
        elif node.name in arrays:
            graph.constants[node.name] = as_float(arrays[node.name])
        elif index in wanted:
            graph.inputs.append(GraphInput(node.name, _declared(node), layout="NCHW"))
    graph.outputs = list(
        dict.fromkeys(
            value_name(symbol.nodes[index], out) for index, out in symbol.heads
        )
    )
    return graph


def _read_by_any(symbol: Symbol) -> set[int]:
    """Nodes that are read as something else than the labels of a training loss."""
    found = {index for index, _ in symbol.heads}
    for node in symbol.nodes:
        inputs = node.inputs[:1] if node.op in LOSSES else node.inputs
        found.update(index for index, _ in inputs)
    return found


def _declared(node: MxNode) -> tuple[int | None, ...] | None:
    try:
        shape = node.integers("__shape__")
    except ReaderError:
        return None
    return tuple(side or None for side in shape) or None
