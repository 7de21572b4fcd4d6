"""How the layers of a Keras configuration are wired, in any version's spelling.

===========  ==================================================================
Sequential   each layer reads the one before it
Keras 1, 2   inbound_nodes: per call a list of [layer, call, output, arguments]
Keras 3      inbound_nodes: per call args and kwargs that hold keras_history
===========  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import quoted

__all__ = ["Call", "LayerConfig", "Model", "read_model"]

Entry = tuple[str, int, int]
"""A value: of which layer, which of its calls, which output of that."""

_MAX_DEPTH: Final = 16


class LayerConfig(NamedTuple):
    """A layer.

    Attributes
    ----------
    name : str
    kind : str
        Name of its class, without the package.
    config : mapping
        Its arguments.
    """

    name: str
    kind: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A layer applied to values.

    Attributes
    ----------
    layer : LayerConfig
    index : int
        Which call of this layer it is.
    inputs : tuple of Entry
    arguments : mapping
        Other arguments of the call.
    """

    layer: LayerConfig
    index: int
    inputs: tuple[Entry, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Model(NamedTuple):
    """A model: its calls in the file's order, what it is fed and what it gives."""

    calls: Sequence[Call]
    inputs: Sequence[Entry]
    outputs: Sequence[Entry]


def read_model(model: Mapping[str, Any], source: str) -> Model:
    """Read the configuration of a model.

    Raises
    ------
    ReaderError
        If it is not one that Keras writes.
    """
    config = model.get("config")
    if isinstance(config, list):  # Keras 1 wrote a Sequential so
        config = {"layers": config}
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise ReaderError(f"{source}: the model's configuration lists no layers")
    layers = [_layer(item, source) for item in config["layers"]]
    if not layers:
        raise ReaderError(f"{source}: the model has no layers")
    if len({layer.name for layer in layers}) < len(layers):
        raise ReaderError(f"{source}: two layers of the model have one name")
    if "output_layers" not in config:
        return _sequential(layers)
    calls: list[Call] = []
    for layer, item in zip(layers, config["layers"], strict=True):
        nodes = item.get("inbound_nodes") or []
        if not isinstance(nodes, list):
            raise ReaderError(
                f"{source}: the inputs of {quoted(layer.name)} are no list"
            )
        if not nodes:
            calls.append(Call(layer, 0, ()))
        for index, node in enumerate(nodes):
            calls.append(_call(layer, index, node, source))
    inputs = tuple(_entries(config.get("input_layers") or [], source))
    outputs = tuple(_entries(config["output_layers"], source))
    return _renumbered(Model(calls, inputs, outputs))


def _renumbered(model: Model) -> Model:
    """Count calls from 0.

    Keras 2 counts the making of a model within a model as its first call.
    """
    made: dict[str, int] = {}
    for call in model.calls:
        made[call.layer.name] = call.index
    most: dict[str, int] = {}
    read = [entry for call in model.calls for entry in call.inputs]
    for name, index, _ in (*read, *model.outputs):
        most[name] = max(most.get(name, 0), index)
    skipped = {name: max(most.get(name, 0) - last, 0) for name, last in made.items()}

    def entries(items: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple(
            (name, index - skipped.get(name, 0), output)
            for name, index, output in items
        )

    calls = [
        Call(call.layer, call.index, entries(call.inputs), call.arguments)
        for call in model.calls
    ]
    return Model(calls, model.inputs, entries(model.outputs))


def _layer(item: Any, source: str) -> LayerConfig:
    config = item.get("config") if isinstance(item, dict) else None
    kind = item.get("class_name") if isinstance(item, dict) else None
    if isinstance(config, list):
        config = {"layers": config}
    if not isinstance(config, dict) or not isinstance(kind, str):
        raise ReaderError(f"{source}: a layer of the model has no class or no config")
    name = item.get("name") or config.get("name")
    if not isinstance(name, str) or not name:
        raise ReaderError(f"{source}: a layer of class {quoted(kind)} has no name")
    return LayerConfig(name, kind.rpartition(">")[2], config)


def _sequential(layers: list[LayerConfig]) -> Model:
    """Each layer reads the one before; what is fed may not be said."""
    if layers[0].kind != "InputLayer":
        first = layers[0].config
        shape = first.get("batch_input_shape") or first.get("batch_shape")
        fed = LayerConfig("input", "InputLayer", {"batch_input_shape": shape})
        layers = [fed, *layers]
    calls = [
        Call(layer, 0, ((layers[index - 1].name, 0, 0),) if index else ())
        for index, layer in enumerate(layers)
    ]
    return Model(calls, [(layers[0].name, 0, 0)], [(layers[-1].name, 0, 0)])


def _call(layer: LayerConfig, index: int, node: Any, source: str) -> Call:
    if isinstance(node, dict):  # Keras 3
        found = tuple(_histories(node.get("args"), source))
        arguments = node.get("kwargs")
        found += tuple(_histories(arguments, source))
        return Call(
            layer, index, found, arguments if isinstance(arguments, dict) else {}
        )
    found = tuple(_entries(node, source))
    arguments = {}
    items = node if node and isinstance(node[0], list) else [node]
    for item in items:
        if len(item) > 3 and isinstance(item[3], dict):
            arguments.update(item[3])
    # A function of TensorFlow's may be given more values by name: {"y": [...]}.
    more = tuple(
        (value[0], value[1], value[2])
        for value in arguments.values()
        if _is_entry(value)
    )
    return Call(layer, index, found + more, arguments)


def _entries(item: Any, source: str) -> Iterator[Entry]:
    """Values named [layer, call, output], alone, in a list or in a dictionary."""
    if isinstance(item, dict):
        item = list(item.values())
    if isinstance(item, list) and item:
        if isinstance(item[0], list):
            for part in item:
                yield from _entries(part, source) if _is_entry(part) else _bad(source)
            return
        if _is_entry(item):
            yield item[0], item[1], item[2]
            return
    if item != []:
        _bad(source)


def _is_entry(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) >= 3
        and isinstance(item[0], str)
        and type(item[1]) is int
        and type(item[2]) is int
    )


def _bad(source: str) -> Iterator[Entry]:
    raise ReaderError(
        f"{source}: the wiring of the model's layers is damaged, or of a version of "
        f"Keras that zoo does not know"
    )


def _histories(item: Any, source: str, depth: int = 0) -> Iterator[Entry]:
    """Values within the arguments of a call in Keras 3."""
    if depth > _MAX_DEPTH:
        _bad(source)
    if isinstance(item, list):
        for part in item:
            yield from _histories(part, source, depth + 1)
    elif isinstance(item, dict):
        config = item.get("config")
        if item.get("class_name") == "__keras_tensor__" and isinstance(config, dict):
            yield from _entries(config.get("keras_history"), source)
        else:
            for part in item.values():
                yield from _histories(part, source, depth + 1)
