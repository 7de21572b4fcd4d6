"""Operators that ONNX Runtime's optimiser makes of plain ones, as those again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph, Node

__all__ = ["plain_nodes"]


def plain_nodes(node: Node, graph: Graph) -> list[Node]:
    """What ONNX Runtime's optimiser made of plain operators, as those again."""
    if node.domain == "com.microsoft.nchwc":
        raise ReaderError(
            f"{graph.source}: it was optimised for one processor; give the original"
        )
    given = [name for name in node.inputs if name]
    if node.domain != "com.microsoft":
        return [node]
    if node.op in ("Gelu", "FastGelu") and len(given) == 1:
        how: Mapping[str, Any] = {"approximate": "tanh"} if node.op[0] == "F" else {}
        return [Node("Gelu", node.inputs[:1], node.outputs, how, node.name)]
    if node.op == "FusedConv" and len(given) <= 3:
        kind = str(node.attributes.get("activation", ""))
        numbers = tuple(node.attributes.get("activation_params") or ())
        arguments = _arguments(kind, numbers)
        if arguments is not None:
            middle = graph.fresh(node.outputs[0])
            return [
                Node("Conv", node.inputs, (middle,), node.attributes, node.name),
                Node(kind, (middle,), node.outputs, arguments, node.name),
            ]
    return [node]


def _arguments(kind: str, numbers: tuple[float, ...]) -> dict[str, float] | None:
    if kind in ("Relu", "Sigmoid", "Tanh"):
        return {}
    if kind == "LeakyRelu" and numbers:
        return {"alpha": numbers[0]}
    if kind == "Clip" and len(numbers) == 2:
        return {"min": numbers[0], "max": numbers[1]}
    if kind == "HardSigmoid" and len(numbers) == 2:
        return {"alpha": numbers[0], "beta": numbers[1]}
    return None
