"""TensorFlow's operators in ONNX's vocabulary.

Axes stay N, H, W, C as in the file; operators that ONNX defines on N, C, H, W get a
Transpose before and after them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, GraphInput
from zoo.parsers._room import Room
from zoo.parsers._tensorflow.arithmetic import ARITHMETIC
from zoo.parsers._tensorflow.convolutions import CONVOLUTIONS
from zoo.parsers._tensorflow.node import TfNode, Untranslatable, value_name
from zoo.parsers._tensorflow.shapes import SHAPES
from zoo.parsers._tensorflow.types import GraphNode

__all__ = ["translate"]

Words = Mapping[str, Callable[[TfNode], None]]

_WORDS: Final[Words] = {
    **ARITHMETIC,
    **CONVOLUTIONS,
    **SHAPES,
}
_PLACEHOLDERS: Final = ("Placeholder", "PlaceholderV2")
# What is there only for its effect.
_SILENT: Final = ("NoOp", "Assert", "SaveV2", "RestoreV2", "MergeV2Checkpoints")


def translate(
    nodes: Sequence[GraphNode],
    tensors: Mapping[str, NDArray[Any]],
    source: str,
    words: Words | None = None,
    domain: str = "tensorflow",
) -> Graph:
    """Translate a frozen graph.

    Parameters
    ----------
    nodes : sequence of GraphNode
        In any order.
    tensors : mapping of str to ndarray
        Values of constants, and of what was dequantized, by the names of nodes.
    source : str
        The file, for messages.
    words : mapping, optional
        Translations of more operations than TensorFlow's.
    domain : str
        Of what has no translation and keeps its word.

    Returns
    -------
    Graph

    Raises
    ------
    ReaderError
        If nothing is fed to the graph, or no output depends on what is.
    """
    graph = Graph(source)
    known = {**_WORDS, **(words or {})}
    room = Room(len(nodes))
    copies = _copies(nodes, tensors)
    tensors = {**tensors, **{name: tensors[of] for name, of in copies.items()}}
    for node in nodes:
        if node.name in tensors:
            origin = copies.get(node.name, "")
            graph.constant(tensors[node.name], node.name, origin)
        elif node.op in _PLACEHOLDERS:
            graph.inputs.append(_input(node, nodes))
        elif node.op not in ("Const", *_SILENT):
            word = known.get(node.op)
            _translate(TfNode(graph, node, tensors, room), word, domain)
    for name, origin in graph.origins.items():
        graph.origins[name] = copies.get(origin, origin)
    if not graph.inputs:
        raise ReaderError(
            f"{source}: the graph has no Placeholder, so nothing can be fed to it"
        )
    graph.outputs = _outputs(nodes, {item.name for item in graph.inputs})
    if not graph.outputs:
        raise ReaderError(f"{source}: nothing in the graph depends on its input")
    return graph


def _copies(
    nodes: Sequence[GraphNode], tensors: Mapping[str, NDArray[Any]]
) -> dict[str, str]:
    """Constants that are read through Identity, as frozen variables are."""
    source = {
        node.name: value_name(node.inputs[0])
        for node in nodes
        if node.op == "Identity" and node.inputs
    }
    found: dict[str, str] = {}
    for name in source:
        chain, at = [], name
        while at in source and at not in found and at not in chain:
            chain.append(at)
            at = source[at]
        origin = found.get(at, at)
        if origin in tensors:
            found.update(dict.fromkeys(chain, origin))
    return found


def _translate(
    view: TfNode, word: Callable[[TfNode], None] | None, domain: str
) -> None:
    """Append a node's translation; one of the foreign domain if it has none."""
    graph, node = view.graph, view.node
    before = len(graph.nodes)
    try:
        if word is None:
            raise Untranslatable
        word(view)
    except Untranslatable:
        del graph.nodes[before:]
        graph.add(node.op, view.inputs, node.name, name=node.name, domain=domain)


def _input(node: GraphNode, nodes: Sequence[GraphNode]) -> GraphInput:
    """What a Placeholder declares; its layout by its lengths or its first reader."""
    shape = node.attrs.get("shape")
    lengths = None
    if isinstance(shape, tuple) and shape:
        lengths = tuple(side if side > 0 else None for side in shape)
    dtype = str(node.attrs.get("dtype", "float32"))
    return GraphInput(node.name, lengths, dtype, _layout(node, lengths, nodes))


def _layout(
    node: GraphNode,
    lengths: tuple[int | None, ...] | None,
    nodes: Sequence[GraphNode],
) -> str:
    if lengths is not None and len(lengths) not in (3, 4):
        return ""
    batch = "N" if lengths is None or len(lengths) == 4 else ""
    if lengths is not None:
        first, last = lengths[-3], lengths[-1]
        if last in (1, 3, 4) and first not in (1, 3, 4):
            return f"{batch}HWC"
        if first in (1, 3, 4) and last not in (1, 3, 4):
            return f"{batch}CHW"
    readers = [
        reader
        for reader in nodes
        if any(value_name(name) == node.name for name in reader.inputs)
    ]
    turned = all(
        reader.op == "Transpose" or reader.attrs.get("data_format") == "NCHW"
        for reader in readers
    )
    return f"{batch}CHW" if readers and turned else f"{batch}HWC"


def _outputs(nodes: Sequence[GraphNode], inputs: set[str]) -> list[str]:
    """Nodes that nobody reads and that depend on what is fed."""
    readers: dict[str, list[str]] = {}
    read: set[str] = set()
    for node in nodes:
        if node.op in _SILENT:
            continue
        for name in node.inputs:
            if name[:1] != "^":
                producer = name.partition(":")[0]
                read.add(producer)
                readers.setdefault(producer, []).append(node.name)
    reached, waiting = set(inputs), list(inputs)
    while waiting:
        for name in readers.get(waiting.pop(), ()):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    return [
        node.name
        for node in nodes
        if node.name in reached
        and node.name not in read
        and node.name not in inputs
        and node.op not in _SILENT
    ]
