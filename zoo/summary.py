"""What a network is made of and what it costs: :func:`summarize`.

``zoo show``, ``zoo list`` and ``Model.summary`` print from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoo.errors import UsageError
from zoo.layers.base import INPUT
from zoo.network import Network
from zoo.receptive_field import receptive_fields
from zoo.shapes import Shape
from zoo.tables import count, mebibytes, printable, table

__all__ = ["LayerSummary", "Summary", "summarize"]

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class LayerSummary:
    """One row of a :class:`Summary`.

    Attributes
    ----------
    index : int
    kind : str
        Canonical name of the layer.
    sources : tuple of int
        The layers that feed this one; -1 is the picture.
    shape : tuple of int
        Height, width and channels of the output.
    parameters : int
        Number of learned values.
    operations : int
        Floating-point operations, a multiply-add counting two.
    receptive_field : tuple of int or None
        Rows and columns of the picture that one output pixel depends on, at
        most; None where it depends on all of them.
    memory : int
        Bytes of all activations that are alive while this layer runs.
    """

    index: int
    kind: str
    sources: tuple[int, ...]
    shape: tuple[int, int, int]
    parameters: int
    operations: int
    receptive_field: tuple[int | None, int | None]
    memory: int


@dataclass(frozen=True)
class Summary:
    """A network, layer by layer, for one size of picture; ``print`` it.

    Attributes
    ----------
    source : str
        Where the cfg came from.
    input : tuple of int
        Height, width and channels of the picture.
    scale : float
        Output rows per input row.
    outputs : tuple of int
        Indices of the layers that are outputs; mostly the last alone.
    layers : tuple of LayerSummary
    parameters : int
        Number of learned values, biases included.
    weights : int
        How many of them are weights: without biases, scales and slopes.
    operations : int
        Floating-point operations, a multiply-add counting two.
    receptive_field : tuple of int or None
        Of the last layer, see :class:`LayerSummary`.
    memory : int
        Bytes of activations alive at the same time, at most, in float32 and
        layer by layer.
    fingerprint : str
        Hash of what the cfg says.
    """

    source: str
    input: tuple[int, int, int]
    scale: float
    outputs: tuple[int, ...]
    layers: tuple[LayerSummary, ...]
    parameters: int
    weights: int
    operations: int
    receptive_field: tuple[int | None, int | None]
    memory: int
    fingerprint: str

    @property
    def operations_per_megapixel(self) -> float:
        """Floating-point operations per million pixels of the input."""
        height, width, _ = self.input
        return self.operations / (height * width) * 1e6

    def as_dict(self) -> dict[str, Any]:
        """The same as numbers, strings, lists and dicts, for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        header = ("", "layer", "from", "output", "parameters", "GFLOP", "sees", "MiB")
        rows = [
            (
                str(layer.index),
                layer.kind,
                _sources_text(layer),
                "x".join(map(str, layer.shape)),
                count(layer.parameters) if layer.parameters else "",
                f"{layer.operations / 1e9:.3f}" if layer.operations else "",
                _field_text(layer.receptive_field),
                mebibytes(layer.memory),
            )
            for layer in self.layers
        ]
        height, width, channels = self.input
        total = (
            f"{printable(self.source)}: input {height}x{width}x{channels} "
            f"(rows x columns x channels), {self._outputs_text()}\n"
            f"parameters {count(self.parameters)} "
            f"(weights alone {count(self.weights)}), "
            f"{self.operations / 1e9:,.1f} GFLOP "
            f"({self.operations_per_megapixel / 1e9:,.0f} per megapixel of input)\n"
            f"one output pixel sees {_field_text(self.receptive_field)} input pixels; "
            f"activations need {mebibytes(self.memory)} MiB at most, "
            f"parameters {mebibytes(_FLOAT_BYTES * self.parameters)}"
        )
        return f"{table(header, rows, align='rllrrrrr')}\n\n{total}"

    def _outputs_text(self) -> str:
        """What comes out, for people."""
        shapes = {i: "x".join(map(str, self.layers[i].shape)) for i in self.outputs}
        if len(shapes) == 1:
            return f"output {shapes[self.outputs[0]]}, scale {self.scale:g}"
        return "outputs " + ", ".join(
            f"{shape} (layer {index})" for index, shape in shapes.items()
        )


def summarize(network: Network, height: int, width: int) -> Summary:
    """Describe a network for pictures of one size.

    Parameters
    ----------
    network : Network
        With or without weights.
    height, width : int
        Of the picture, in pixels.

    Raises
    ------
    UsageError
        If a size is below 1.
    ShapeError
        If the network cannot take pictures of this size.
    """
    if height < 1 or width < 1:
        raise UsageError(f"a picture of {width}x{height} pixels has no pixels")
    flow = network.flow(height, width)
    fields = receptive_fields(network)
    memory = _live_memory(network, [shape for _, shape in flow], height, width)
    layers = tuple(
        LayerSummary(
            index=index,
            kind=kind,
            sources=network.sources[index],
            shape=(shape.height, shape.width, shape.channels),
            parameters=0
            if index in network.owners
            else sum(array.size for array in layer.parameters.values()),
            operations=layer.operations(*inputs),
            receptive_field=fields[index],
            memory=memory[index],
        )
        for index, (kind, layer, (inputs, shape)) in enumerate(
            zip(network.canonical_kinds, network.layers, flow, strict=True)
        )
    )
    return Summary(
        source=network.source,
        input=(height, width, network.pixels.channels),
        scale=network.scale,
        outputs=network.outputs,
        layers=layers,
        parameters=network.parameter_count,
        weights=sum(
            layer.parameters["weights"].size
            for index, layer in enumerate(network.layers)
            if "weights" in layer.parameters and index not in network.owners
        ),
        operations=sum(layer.operations for layer in layers),
        receptive_field=layers[-1].receptive_field,
        memory=max(memory),
        fingerprint=network.fingerprint,
    )


def _live_memory(
    network: Network, shapes: Sequence[Shape], height: int, width: int
) -> list[int]:
    """Bytes of the activations that exist while each layer runs, the input too."""
    last_use = network.last_uses()
    alive = {INPUT: height * width * network.pixels.channels}
    memory = []
    for index, shape in enumerate(shapes):
        alive[index] = shape.size
        memory.append(_FLOAT_BYTES * sum(alive.values()))
        for source in set(network.sources[index]):
            if last_use[source] == index and source not in network.outputs:
                del alive[source]
    return memory


def _sources_text(layer: LayerSummary) -> str:
    """Sources other than the layer before, for people."""
    if layer.sources == (layer.index - 1,):
        return ""
    return ", ".join("input" if i == INPUT else str(i) for i in layer.sources)


def _field_text(field: tuple[int | None, int | None]) -> str:
    return "x".join("all" if extent is None else str(extent) for extent in field)
