"""Operators that ONNX Runtime's optimiser makes of plain ones, as those again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, Node

__all__ = ["plain_nodes"]


def plain_nodes(node: Node, graph: Graph) -> list[Node]:
    """The plain operators that a node stands for; the node itself if it is one.

    Raises
    ------
    ReaderError
        If the file's weights were put into the order of one processor.
    """
    if node.domain == "com.microsoft.nchwc":
        raise ReaderError(
            f"{graph.source}: it was optimised for one processor; give the original"
        )
    if node.domain != "com.microsoft":
        return [node]
    if node.op == "QuickGelu":
        how = {"alpha": node.attributes.get("alpha", 1.702)}
        return [Node("Swish", node.inputs, node.outputs, how, node.name)]
    if node.op in ("Gelu", "FastGelu", "BiasGelu"):
        return _gelu(node, graph)
    if node.op in ("FusedConv", "FusedGemm"):
        return _fused(node, graph) or [node]
    return [node]


def _gelu(node: Node, graph: Graph) -> list[Node]:
    """GELU, of a sum where there is a second input."""
    how: Mapping[str, Any] = {"approximate": "tanh"} if node.op == "FastGelu" else {}
    given = [name for name in node.inputs if name]
    made, x = [], given[0]
    if len(given) > 1:
        x = graph.fresh(node.outputs[0])
        made.append(Node("Add", tuple(given), (x,), {}, node.name))
    return [*made, Node("Gelu", (x,), node.outputs, how, node.name)]


def _fused(node: Node, graph: Graph) -> list[Node]:
    """A convolution or product, perhaps a sum, and an activation; [] if not known."""
    kind = str(node.attributes.get("activation", ""))
    numbers = node.attributes.get("activation_params") or tuple(
        node.attributes[name]
        for name in ("activation_alpha", "activation_beta")
        if name in node.attributes
    )
    arguments = _arguments(kind, tuple(numbers))
    if arguments is None:
        return []
    value = graph.fresh(node.outputs[0])
    plain = node.op.removeprefix("Fused")
    made = [Node(plain, node.inputs[:3], (value,), node.attributes, node.name)]
    if len(node.inputs) > 3 and node.inputs[3]:
        total = graph.fresh(node.outputs[0])
        made.append(Node("Add", (value, node.inputs[3]), (total,), {}, node.name))
        value = total
    if kind:
        made.append(Node(kind, (value,), node.outputs, arguments, node.name))
    else:
        made.append(Node("Identity", (value,), node.outputs, {}, node.name))
    return made


def _arguments(kind: str, numbers: tuple[float, ...]) -> dict[str, float] | None:
    if kind in ("", "Relu", "Sigmoid", "Tanh"):
        return {}
    if kind == "LeakyRelu" and numbers:
        return {"alpha": numbers[0]}
    if kind == "Clip" and len(numbers) == 2:
        return {"min": numbers[0], "max": numbers[1]}
    if kind == "HardSigmoid" and len(numbers) == 2:
        return {"alpha": numbers[0], "beta": numbers[1]}
    return None
