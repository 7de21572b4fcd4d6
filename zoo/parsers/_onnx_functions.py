"""Functions that an ONNX model defines for itself, put in place of their calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo.errors import ReaderError
from zoo.graphs.graph import Node

__all__ = ["Function", "Reference", "inlined"]

_MOST_NODES = 1 << 17
_DEEPEST = 16


class Reference(str):
    """An attribute of a node in a function: the function's attribute of that name."""

    __slots__ = ()


@dataclass(frozen=True)
class Function:
    """A FunctionProto.

    Attributes
    ----------
    name, domain : str
    inputs, outputs : tuple of str
    nodes : list of Node
    defaults : dict of str to object
        Of attributes that a call may leave out.
    """

    name: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: list[Node]
    defaults: dict[str, Any]


def inlined(
    nodes: Sequence[Node],
    functions: Mapping[tuple[str, str], Function],
    source: str,
) -> list[Node]:
    """Nodes in which every call is replaced by the function's nodes.

    Raises
    ------
    ReaderError
        If functions call themselves, or there would be too many nodes.
    """
    made: list[Node] = []
    calls = 0

    def expand(node: Node, depth: int) -> None:
        nonlocal calls
        function = functions.get((node.domain, node.op))
        if function is None:
            made.append(node)
            if len(made) > _MOST_NODES:
                raise ReaderError(f"{source}: its functions make too many operations")
            return
        if depth > _DEEPEST:
            raise ReaderError(f"{source}: its functions call each other without an end")
        calls += 1
        prefix = f"{function.name}@{calls}/"
        names = dict(zip(function.inputs, node.inputs, strict=False))
        names |= {name: "" for name in function.inputs if name not in names}
        called = zip(function.outputs, node.outputs, strict=False)
        names |= {own: name for own, name in called if name}
        given = {**function.defaults, **node.attributes}
        for inner in function.nodes:
            expand(_renamed(inner, names, prefix, given), depth + 1)

    for node in nodes:
        expand(node, 0)
    return made


def _renamed(
    node: Node, names: Mapping[str, str], prefix: str, given: Mapping[str, Any]
) -> Node:
    def rename(name: str) -> str:
        return names.get(name, prefix + name) if name else ""

    attributes = {}
    for key, value in node.attributes.items():
        if isinstance(value, Reference):
            if str(value) in given:
                attributes[key] = given[str(value)]
        else:
            attributes[key] = value
    return Node(
        node.op,
        tuple(map(rename, node.inputs)),
        tuple(map(rename, node.outputs)),
        attributes,
        node.name,
        node.domain,
    )
