"""Whether a graph is one: every value made once, before it is read."""

from __future__ import annotations

from collections.abc import Iterable

from zoo.graphs.errors import Damaged
from zoo.graphs.graph import Graph, Node

__all__ = ["check", "in_order"]


def check(graph: Graph) -> None:
    """Refuse a graph that contradicts itself.

    Raises
    ------
    Damaged
        If a value has two makers or none, or depends on itself, or there is no
        output.
    """
    if not graph.outputs:
        raise Damaged("it has no outputs")
    if not graph.inputs:
        raise Damaged("it has no inputs")
    made: set[str] = set()
    names = [*(item.name for item in graph.inputs), *graph.constants]
    names += [name for node in graph.nodes for name in node.outputs if name]
    for name in names:
        if name in made:
            raise Damaged(f"two values are called {name[:80]!r}")
        made.add(name)
    for output in graph.outputs:
        if output not in made:
            raise Damaged(f"nothing makes the output {output[:80]!r}")
    for node in graph.nodes:
        for name in reads(node):
            if name not in made:
                raise Damaged(f"{node} reads {name[:80]!r}, which nothing makes")
    in_order(graph, None)


def in_order(graph: Graph, output: str | None) -> list[Node]:
    """The nodes that an output needs (all, if None), each after those it reads.

    Raises
    ------
    Damaged
        If a value depends on itself.
    """
    makers = {name: node for node in graph.nodes for name in node.outputs if name}
    if output is None:
        wanted: Iterable[Node] = graph.nodes
    else:
        wanted = [makers[output]] if output in makers else []
    done: dict[int, Node] = {}
    open_: set[int] = set()
    for start in wanted:
        stack = [start]
        while stack:
            node = stack[-1]
            if id(node) in done:
                stack.pop()
                continue
            needed = [
                makers[name]
                for name in reads(node)
                if name in makers and id(makers[name]) not in done
            ]
            if not needed:
                done[id(stack.pop())] = node
                open_.discard(id(node))
                continue
            if id(node) in open_:
                raise Damaged(f"{node} depends on itself")
            open_.add(id(node))
            for source in needed:
                if id(source) in open_:
                    raise Damaged(f"{source} depends on itself")
            stack += reversed(needed)
    return list(done.values())


def reads(node: Node) -> list[str]:
    """Names of the values that a node reads, those within its branches included."""
    names = [name for name in node.inputs if name]
    for value in node.attributes.values():
        if isinstance(value, Graph):
            own = set(value.constants) | {item.name for item in value.inputs}
            own |= {name for inner in value.nodes for name in inner.outputs}
            inner_names = [n for inner in value.nodes for n in reads(inner)]
            names += [n for n in (*inner_names, *value.outputs) if n not in own]
    return names
