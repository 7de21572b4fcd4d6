"""TensorFlow.js's models: ``model.json``, and shards of numbers beside it.

The JSON holds either a configuration of Keras's layers or a frozen graph, and a
manifest: which weights are in which shards, one after the other. Weights quantised to
8 or 16 bits are given back as floats, value = number x scale + min.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._companions import beside, read_bytes
from zoo.parsers._json import read_json
from zoo.parsers._keras import graph as _keras_graph
from zoo.parsers._pickle_values import quoted
from zoo.parsers._tensor_proto import TYPES
from zoo.parsers._tensorflow import graph as _tf_graph
from zoo.parsers._tensorflow.types import GraphNode
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["TFJSReader"]

_MAX_JSON: Final = 16 << 20
_MAX_AXES: Final = 16
_TYPES: Final = {
    "float32": "<f4",
    "float16": "<f2",
    "int32": "<i4",
    "uint8": "|u1",
    "uint16": "<u2",
    "bool": "|b1",
}
_BY_ENUM: Final = {f"DT_{kind.name.upper()}": kind.name for kind in TYPES.values()}
_BY_ENUM.update(DT_FLOAT="float32", DT_DOUBLE="float64", DT_HALF="float16")
_KEYS: Final = (b'"modelTopology"', b'"weightsManifest"')


class TFJSReader(Reader):
    """Reads layers models and graph models; tensors have the manifest's names.

    The metadata has ``files``, the shards.
    """

    name: ClassVar[str] = "tfjs"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is JSON with TensorFlow.js's keys."""
        return head.lstrip().startswith(b"{") and any(key in head for key in _KEYS)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the JSON and its shards.

        Raises
        ------
        ReaderError
            If a shard is missing, outside the folder, too short or too long, or
            the JSON is damaged.
        """
        model = read_json(path, _MAX_JSON, "a TensorFlow.js model")
        topology, manifest = model.get("modelTopology"), model.get("weightsManifest")
        if not isinstance(manifest, list) or not manifest:
            raise ReaderError(
                f"{path}: it lists no weights (weightsManifest); it is incomplete"
            )
        tensors: dict[str, NDArray[Any]] = {}
        shards: list[str] = []
        for group in manifest:
            _Group(path, group, shards).read(tensors)
        if not tensors:
            raise ReaderError(f"{path}: there are no weights in it")
        metadata: dict[str, Any] = {"files": shards}
        if not isinstance(topology, dict):
            metadata["graph_missing"] = "its modelTopology, which wires it, is missing"
            return Checkpoint(cls.name, tensors, metadata)

        def graph() -> Graph:
            return _translate(topology, tensors, str(path))

        return Checkpoint(cls.name, tensors, metadata, graph)


class _Group:
    """Weights that lie in some shards, one after the other."""

    def __init__(self, path: Path, group: Any, shards: list[str]) -> None:
        self._path = path
        if not isinstance(group, dict):
            raise self._error("a part of its weightsManifest is no object")
        weights, names = group.get("weights"), group.get("paths")
        if not isinstance(weights, list) or not isinstance(names, list):
            raise self._error(
                "a part of its weightsManifest has no weights or no paths"
            )
        self._weights = weights
        self._data = bytearray()
        for name in names:
            if not isinstance(name, str):
                raise self._error("a path of its weightsManifest is no text")
            shard = beside(path, name)
            if name in shards:
                raise self._error(f"the shard {quoted(name)} is listed twice")
            shards.append(name)
            self._data += read_bytes(shard)
        self._at = 0

    def read(self, tensors: dict[str, NDArray[Any]]) -> None:
        """Cut the shards into weights, which must use them up."""
        for item in self._weights:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                raise self._error("a weight of its weightsManifest has no name")
            name = item["name"].removesuffix(":0")
            if name in tensors:
                raise self._error(f"two weights are called {quoted(name)}")
            tensors[name] = self._weight(item, name)
        left = len(self._data) - self._at
        if left:
            raise self._error(
                f"its shards have {left} bytes more than its weights take; they belong "
                f"to another model"
            )

    def _weight(self, item: Mapping[str, Any], name: str) -> NDArray[Any]:
        shape, kind = item.get("shape"), item.get("dtype")
        if not isinstance(shape, list) or len(shape) > _MAX_AXES:
            raise self._error(f"weight {quoted(name)} has no shape")
        if any(type(side) is not int or not 0 <= side < 1 << 40 for side in shape):
            raise self._error(f"weight {quoted(name)} has the shape {str(shape)[:60]}")
        packing = item.get("quantization")
        stored = packing.get("dtype") if isinstance(packing, dict) else kind
        if not isinstance(stored, str) or stored not in _TYPES:
            raise self._error(
                f"weight {quoted(name)} is of type {str(stored)[:40]!r}, which zoo does "
                f"not read"
            )
        dtype = np.dtype(_TYPES[stored])
        size = prod(shape) * dtype.itemsize
        if size > len(self._data) - self._at:
            raise self._error(
                f"its shards end too early: weight {quoted(name)} takes {size} bytes "
                f"and {len(self._data) - self._at} are left; one is truncated or missing"
            )
        values = np.frombuffer(self._data, dtype, prod(shape), self._at).reshape(shape)
        self._at += size
        if stored == "float16":
            return values.astype(np.float32)
        if not isinstance(packing, dict):
            return values
        scale, low = packing.get("scale"), packing.get("min")
        if not isinstance(scale, (int, float)) or not isinstance(low, (int, float)):
            raise self._error(
                f"weight {quoted(name)} is quantised without scale or min"
            )
        restored: NDArray[Any] = values * np.float32(scale) + np.float32(low)
        if kind == "int32":
            return np.round(restored).astype(np.int32)
        return restored.astype(np.float32)

    def _error(self, reason: str) -> ReaderError:
        return ReaderError(f"{self._path}: {reason}")


def _translate(
    topology: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], source: str
) -> Graph:
    """Translate either kind of model."""
    if isinstance(topology.get("node"), list):
        nodes = list(_nodes(topology["node"], source))
        return _tf_graph.translate(nodes, tensors, source)
    config = topology.get("model_config", topology)
    if isinstance(config, dict) and "config" in config:
        return _keras_graph.translate(config, tensors, source)
    raise ReaderError(f"{source}: its modelTopology is neither a graph nor layers")


# -- a GraphDef in JSON -----------------------------------------------------------


def _nodes(items: list[Any], source: str) -> Iterator[GraphNode]:
    seen: set[str] = set()
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        op = item.get("op") if isinstance(item, dict) else None
        inputs = item.get("input") or [] if isinstance(item, dict) else []
        attrs = item.get("attr") or {} if isinstance(item, dict) else {}
        if (
            not isinstance(name, str)
            or not isinstance(op, str)
            or name in seen
            or not isinstance(inputs, list)
            or not all(isinstance(text, str) for text in inputs)
            or not isinstance(attrs, dict)
        ):
            raise ReaderError(f"{source}: a node of its graph is damaged")
        seen.add(name)
        values = {key: _value(value) for key, value in attrs.items()}
        yield GraphNode(name, op, tuple(inputs), values)


def _value(item: Any) -> Any:
    """An attribute: an object with one key, which says of what kind it is."""
    if not isinstance(item, dict) or len(item) != 1:
        return None
    ((kind, value),) = item.items()
    if kind == "list":
        if not isinstance(value, dict):
            return None
        for inner, values in value.items():
            if isinstance(values, list) and values:
                return tuple(_plain(inner, part) for part in values)
        return ()
    return _plain(kind, value)


def _plain(kind: str, value: Any) -> Any:
    try:
        if kind == "i":
            return int(str(value)[:20])
        if kind == "f":
            return float(str(value)[:40])
        if kind == "b":
            return bool(value)
        if kind == "type":
            return _BY_ENUM.get(value, str(value))
        if kind == "s":
            return base64.b64decode(value, validate=True).decode()
        if kind == "shape":
            sides = value.get("dim") or []
            return tuple(int(str(side.get("size", 0))[:20]) for side in sides)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return None
    return None
