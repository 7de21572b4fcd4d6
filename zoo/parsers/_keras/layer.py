"""A layer of Keras on its way to operations of TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from zoo.errors import ReaderError
from zoo.parsers._keras.wiring import LayerConfig
from zoo.parsers._pickle_values import quoted
from zoo.parsers._tensorflow.types import GraphNode

__all__ = ["Layer", "Writers", "plainly"]

_ACTIVATIONS: Final = {
    "elu": "Elu",
    "exponential": "Exp",
    "gelu": "Gelu",
    "hard_sigmoid": "HardSigmoid",
    "leaky_relu": "LeakyRelu",
    "linear": "Identity",
    "mish": "Mish",
    "relu": "Relu",
    "relu6": "Relu6",
    "selu": "Selu",
    "sigmoid": "Sigmoid",
    "silu": "Swish",
    "softmax": "Softmax",
    "softplus": "Softplus",
    "softsign": "Softsign",
    "swish": "Swish",
    "tanh": "Tanh",
}
_AS_ACTIVATION: Final = ("ReLU", "LeakyReLU", "ELU", "Softmax")


class _Nodes(Protocol):
    """Where layers write their operations."""

    def add(self, node: GraphNode) -> None: ...

    def constant(self, name: str, value: Any) -> str: ...

    def weight(self, layer: str, role: str) -> str | None: ...

    def writer(self, kind: str) -> Callable[[Layer], bool] | None: ...


class Layer:
    """One call of a layer.

    Parameters
    ----------
    layer : LayerConfig
    name : str
        Name of the call, and of its output.
    inputs : list of str
    arguments : mapping
        Of the call.
    nodes : object
        Where its operations go.
    source : str
        The file, for messages.
    """

    def __init__(
        self,
        layer: LayerConfig,
        name: str,
        inputs: list[str],
        arguments: Mapping[str, Any],
        nodes: _Nodes,
        source: str,
    ) -> None:
        self.layer = layer
        self.config = layer.config
        self.name = name
        self.inputs = inputs
        self.arguments = arguments
        self._nodes = nodes
        self._source = source
        self._made = 0

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the layer."""
        return ReaderError(
            f"{self._source}: {reason} in the {self.layer.kind} "
            f"{quoted(self.layer.name)}; its configuration is damaged"
        )

    @property
    def input(self) -> str:
        """The only input."""
        if len(self.inputs) != 1:
            raise self.error(f"{len(self.inputs)} inputs where one belongs")
        return self.inputs[0]

    # -- configuration -----------------------------------------------------------

    def number(self, key: str, default: float) -> float:
        """An argument that is a number; None counts as absent."""
        value = self.config.get(key)
        if value is None:
            return default
        if type(value) not in (int, float):
            raise self.error(f"{key} is no number")
        return float(value)

    def pair(self, key: str, default: int = 1) -> tuple[int, int]:
        """An argument for rows and columns, one number or two."""
        value = self.config.get(key)
        if value is None:
            return default, default
        if type(value) is int:
            return value, value
        if (
            isinstance(value, (list, tuple))
            and len(value) == 2
            and all(type(item) is int for item in value)
        ):
            return value[0], value[1]
        raise self.error(f"{key} is neither one whole number nor two")

    def sides(self, key: str) -> tuple[tuple[int, int], tuple[int, int]]:
        """An argument for four sides: ((top, bottom), (left, right))."""
        value = self.config.get(key, 0)
        if type(value) is int:
            value = [[value, value]] * 2
        if isinstance(value, (list, tuple)) and len(value) == 2:
            rows, columns = (
                [item, item] if type(item) is int else item for item in value
            )
            flat = [*rows, *columns]
            if len(flat) == 4 and all(type(item) is int and item >= 0 for item in flat):
                return (rows[0], rows[1]), (columns[0], columns[1])
        raise self.error(f"{key} is no list of four sides")

    @property
    def is_last(self) -> bool:
        """Whether the channels are the last axis."""
        return self.config.get("data_format") in (None, "channels_last")

    # -- operations --------------------------------------------------------------

    def weight(self, role: str) -> str:
        """Name of one of the layer's weights.

        Raises
        ------
        ReaderError
            If the file does not have it.
        """
        name = self._nodes.weight(self.layer.name, role)
        if name is None:
            raise ReaderError(
                f"{self._source}: the {role} of layer {quoted(self.layer.name)} is not "
                f"among the weights; they belong to another model"
            )
        return name

    def weight_if_any(self, role: str) -> str | None:
        """Name of one of the layer's weights, None if the file does not have it."""
        return self._nodes.weight(self.layer.name, role)

    def constant(self, value: Any) -> str:
        """A constant that is not in the file."""
        self._made += 1
        return self._nodes.constant(f"{self.name}/constant{self._made}", value)

    def add(self, op: str, inputs: Sequence[str], **attrs: Any) -> str:
        """Append an operation."""
        self._made += 1
        name = f"{self.name}/{op}{self._made}"
        self._nodes.add(GraphNode(name, op, tuple(inputs), attrs))
        return name

    def give(self, op: str, inputs: Sequence[str], **attrs: Any) -> bool:
        """Append the operation that makes the layer's output."""
        self._nodes.add(GraphNode(self.name, op, tuple(inputs), attrs))
        return True

    def finish(self, value: str) -> bool:
        """Append the bias and the activation that many layers end with."""
        if self.config.get("use_bias", True):
            value = self.add("BiasAdd", [value, self.weight("bias")])
        return self.activate(value, self.config.get("activation"))

    def activate(self, value: str, activation: Any) -> bool:
        """Append an activation, given by its name or its configuration."""
        if isinstance(activation, dict):
            config = activation.get("config")
            if activation.get("class_name") == "function":
                activation = config
            else:
                kind = str(activation.get("class_name")).rpartition(">")[2]
                inner = LayerConfig(
                    self.layer.name, kind, config if isinstance(config, dict) else {}
                )
                write = self._nodes.writer(kind)
                view = Layer(inner, self.name, [value], {}, self._nodes, self._source)
                return write is not None and kind in _AS_ACTIVATION and write(view)
        if activation is None:
            activation = "linear"
        op = _ACTIVATIONS.get(activation) if isinstance(activation, str) else None
        if op is None:
            return False
        attrs = {"alpha": 0.2} if op == "LeakyRelu" else {}
        return self.give(op, [value], **attrs)


Writers = Mapping[str, Callable[[Layer], bool]]
"""What writes a layer, by the name of its class; False for a form without words."""


def plainly(op: str) -> Callable[[Layer], bool]:
    """An operation of one value."""

    def write(layer: Layer) -> bool:
        return layer.give(op, [layer.input])

    return write
