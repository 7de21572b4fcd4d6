"""What writes the nodes of an ONNX graph, as those see it who write layers."""

from __future__ import annotations

from typing import Protocol

from zoo.onnx.activations import Writer
from zoo.plugins.base import Array

__all__ = ["GraphWriter"]


class GraphWriter(Writer, Protocol):
    """What writes the nodes; see :mod:`zoo.onnx.graph`."""

    def activate(self, x: str, name: str, slopes: Array | None = None) -> str:
        """An activation of ``zoo.activations``."""

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Part of an axis."""

    def scaled(self, x: str, factor: float) -> str:
        """A value times a number."""
