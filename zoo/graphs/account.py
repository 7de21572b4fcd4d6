"""The account of a translation: where every constant of a graph went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.graph import Graph

__all__ = ["Line", "account"]

Line = tuple[str, tuple[int, ...], str, str]
"""Name in the file, shape, fate (stored, folded, stated, ignored), where and how."""


def account(
    graph: Graph,
    tensors: Mapping[str, NDArray[Any]],
    origins: Mapping[str, set[str]],
    stated: set[str],
) -> list[Line]:
    """One line for every tensor of the file.

    Parameters
    ----------
    graph : Graph
    tensors : mapping of str to ndarray
        The network's.
    origins : mapping of str to set of str
        For the network's tensors and keys, the constants that they were made of.
    stated : set of str
        Constants that told shapes and arguments.
    """
    used: dict[str, list[str]] = {}
    for place, names in origins.items():
        for name in names:
            used.setdefault(name, []).append(place)
    read = {name for node in graph.nodes for name in node.inputs}
    lines: dict[str, Line] = {}
    for name, array in graph.constants.items():
        title = graph.origins.get(name, name)
        if title.endswith("#"):
            continue  # made by the reader: no tensor of the file
        line = _line(title, array, used.get(name, []), tensors, origins)
        if line is None:
            shape = tuple(np.shape(array))
            if name in stated or name in read:
                line = (title, shape, "stated", "a shape or argument of the graph")
            else:
                line = (title, shape, "ignored", "nothing that the output needs")
        known = lines.get(title)
        if known is None or known[2] in ("stated", "ignored"):
            lines[title] = line
    return list(lines.values())


def _line(
    title: str,
    array: NDArray[Any],
    places: list[str],
    tensors: Mapping[str, NDArray[Any]],
    origins: Mapping[str, set[str]],
) -> Line | None:
    """The line of a constant that became a part of weights."""
    if not places:
        return None
    shape = tuple(np.shape(array))
    alike = [p for p in places if p in tensors and tensors[p].size == array.size]
    for place in alike:
        if _same_values(array, tensors[place]):
            return (title, shape, "stored", place)
    # What became one layer is known together; weights and biases tell by their sizes.
    shown = alike or places
    text = ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
    others = len(set().union(*(origins[place] for place in shown))) - 1
    how = f" with {others} others" if others > 1 else ""
    return (title, shape, "folded", f"into {text}{how}")


def _same_values(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two arrays hold the same numbers, in whichever order."""
    a, b = np.ravel(one).astype(np.float32), np.ravel(other)
    if a.min() != b.min() or a.max() != b.max():
        return False
    return bool(np.array_equal(np.sort(a), np.sort(b)))
