"""Networks that other frameworks made, with what they make of a picture.

The scripts that wrote the files lie beside them, in ``oracles``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from graph_runner import run_graph
from numpy.typing import NDArray

from zoo.graphs.graph import Graph

FOLDER = Path(__file__).parent / "oracles"


class Cases:
    """The cases of one framework."""

    def __init__(self, framework: str) -> None:
        with np.load(FOLDER / f"{framework}_cases.npz") as file:
            self._arrays: dict[str, NDArray[Any]] = dict(file)
        self.names = list(dict.fromkeys(key.partition("|")[0] for key in self._arrays))

    def data(self, name: str, part: str) -> bytes:
        """A file's bytes."""
        return self._arrays[f"{name}|{part}"].tobytes()

    def check(self, name: str, graph: Graph | None, atol: float = 2e-5) -> None:
        """Hold a graph against what the framework made of the picture."""
        assert graph is not None
        made = run_graph(graph, self._arrays[f"{name}|in"])
        wanted = [
            self._arrays[f"{name}|out{index}"]
            for index in range(len(self._arrays))
            if f"{name}|out{index}" in self._arrays
        ]
        assert len(made) == len(wanted)
        for ours, theirs in zip(made, wanted, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
