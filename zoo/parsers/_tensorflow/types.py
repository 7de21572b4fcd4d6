"""A node of a TensorFlow graph, whichever file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["GraphNode"]


@dataclass(frozen=True)
class GraphNode:
    """One operation of a graph.

    Attributes
    ----------
    name : str
    op : str
        TensorFlow's name: "Conv2D", "Relu", "DepthToSpace", ...
    inputs : tuple of str
        Names of nodes, "name:1" for another output than the first, "^name"
        for one that must only run before.
    attrs : mapping of str to object
        Texts, numbers, bools, names of types ("float32"), shapes (tuples, -1
        for unknown), tuples of these; None for tensors and functions.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
