"""A model's configuration in Keras becomes a graph.

A layer of Keras is one or a few operations of TensorFlow: the configuration is
written out as nodes, and :mod:`zoo.parsers._tensorflow.graph` translates them. What has no
word there keeps Keras's name of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._keras.layer import Layer
from zoo.parsers._keras.layers import LAYERS
from zoo.parsers._keras.wiring import Call, LayerConfig, read_model
from zoo.parsers._keras.words import KERAS_WORDS
from zoo.parsers._pickle_values import quoted
from zoo.parsers._tensorflow.graph import translate as translate_nodes
from zoo.parsers._tensorflow.types import GraphNode

__all__ = ["translate"]

_MAX_DEPTH = 16
_MAX_NODES = 1 << 17
_MODELS = ("Functional", "Model", "Sequential")


def translate(
    config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], source: str
) -> Graph:
    """Translate a model.

    Parameters
    ----------
    config : mapping
        What Keras calls ``model_config``.
    tensors : mapping of str to ndarray
        Weights, called LAYER/WEIGHT; in nested models MODEL/.../LAYER/WEIGHT.
    source : str
        The file, for messages.

    Raises
    ------
    ReaderError
        If the configuration makes no sense, or weights of a layer are missing.
    """
    writer = _Writer(tensors, source)
    outputs = writer.model(config, "", None, 0)
    graph = translate_nodes(
        writer.nodes,
        writer.tensors,
        source,
        words=KERAS_WORDS,
        domain="keras",
    )
    graph.outputs = list(dict.fromkeys(outputs))
    return graph


class _Writer:
    """Writes layers out as nodes."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], source: str) -> None:
        self.nodes: list[GraphNode] = []
        self.tensors: dict[str, NDArray[Any]] = dict(tensors)
        self._source = source
        self._used: set[str] = set()
        self._by_layer: dict[str, dict[str, str]] = {}
        for name in tensors:
            *path, role = name.split("/")
            for layer in {path[0], path[-1]} if path else ():
                self._by_layer.setdefault(layer, {}).setdefault(role, name)

    def model(
        self,
        config: Mapping[str, Any],
        prefix: str,
        fed: list[str] | None,
        depth: int,
    ) -> list[str]:
        """Write a model; ``fed`` are its inputs if it is a layer of another."""
        if depth > _MAX_DEPTH:
            raise ReaderError(f"{self._source}: its models are nested too deep")
        model = read_model(config, self._source)
        values: dict[tuple[str, int, int], list[str]] = {}
        for index, entry in enumerate(model.inputs):
            if fed is not None and index < len(fed):
                values[entry] = [fed[index]]
        # A call waits for the first of its inputs that is not there yet.
        waiting: dict[tuple[str, int, int], list[Call]] = {}
        ready = list(reversed(model.calls))
        while ready:
            call = ready.pop()
            missing = next((e for e in call.inputs if e not in values), None)
            if missing is not None:
                waiting.setdefault(missing, []).append(call)
                continue
            for entry in self._call(call, prefix, values, depth):
                ready += waiting.pop(entry, ())
        for entry, calls in waiting.items():
            raise ReaderError(
                f"{self._source}: layer {quoted(calls[0].layer.name)} reads "
                f"{quoted(entry[0])}, which nothing makes; the configuration is damaged"
            )
        outputs: list[str] = []
        for entry in model.outputs:
            if entry not in values:
                raise ReaderError(
                    f"{self._source}: no layer makes the output {quoted(entry[0])}; "
                    f"the configuration is damaged"
                )
            outputs += values[entry]
        return outputs

    def _call(
        self,
        call: Call,
        prefix: str,
        values: dict[tuple[str, int, int], list[str]],
        depth: int,
    ) -> list[tuple[str, int, int]]:
        """Write a call; return the values that are there now."""
        layer, key = call.layer, (call.layer.name, call.index, 0)
        if key in values:  # an input that another model feeds
            return [key]
        inputs = [name for entry in call.inputs for name in values[entry]]
        name = f"{prefix}{layer.name}" + (f"/call{call.index}" if call.index else "")
        if layer.kind in _MODELS:
            inner = {"class_name": layer.kind, "config": layer.config}
            outputs = self.model(inner, f"{name}/", inputs, depth + 1)
            made = [(layer.name, call.index, index) for index in range(len(outputs))]
            values.update(
                (entry, [output]) for entry, output in zip(made, outputs, strict=True)
            )
            return made
        self._layer(layer, name, inputs, call.arguments)
        values[key] = [name]
        return [key]

    def _layer(
        self,
        layer: LayerConfig,
        name: str,
        inputs: list[str],
        arguments: Mapping[str, Any],
    ) -> None:
        view = Layer(layer, name, inputs, arguments, self, self._source)
        write = LAYERS.get(layer.kind)
        before = len(self.nodes)
        if write is None or not write(view):
            kept = [node for node in self.nodes[before:] if node.op == "Const"]
            del self.nodes[before:]
            # Under Keras's name, which may be one of TensorFlow's operations too.
            foreign = GraphNode(name, f"{layer.kind} layer", tuple(inputs), {})
            self.nodes += kept
            self.add(foreign)

    # -- what layers use ---------------------------------------------------------

    def add(self, node: GraphNode) -> None:
        """Append a node.

        Models within models can be called many times, and each call is written out.
        """
        self.nodes.append(node)
        if len(self.nodes) > _MAX_NODES:
            raise ReaderError(
                f"{self._source}: its models unfold to more than {_MAX_NODES} "
                f"operations; it is no network of this kind"
            )

    def writer(self, kind: str) -> Callable[[Layer], bool] | None:
        """What writes a layer of this class."""
        return LAYERS.get(kind)

    def constant(self, name: str, value: Any) -> str:
        """A constant that is not in the file."""
        self.tensors[name] = np.asarray(value)
        self.nodes.append(GraphNode(name, "Const"))
        return name

    def weight(self, layer: str, role: str) -> str | None:
        """Name of a layer's weight, or None."""
        name = self._by_layer.get(layer, {}).get(role)
        if name is not None and name not in self._used:
            self._used.add(name)
            self.nodes.append(GraphNode(name, "Const"))
        return name
