"""A network: layers in order, with their links.

Built from the sections of a cfg file and the layers that plugins register.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.backpropagation import Backpropagation
from zoo.errors import (
    CfgError,
    ShapeError,
    UsageError,
    WeightsError,
)
from zoo.layers.base import INPUT, Array, Layer, Optimizer
from zoo.layers.darknet_keys import FREEZING_KEYS
from zoo.net_section import (
    INHERITED,
    NET_KEYS,
    TRAINING_KEYS,
    PixelFormat,
    pixel_format,
    vector_input,
)
from zoo.parsers.cfg import (
    Section,
    fingerprint,
    parse_cfg,
    read_cfg,
    read_values,
)
from zoo.plugins import Kernels, select
from zoo.registry import registry
from zoo.sections import checked, links, make_layer, strict
from zoo.shapes import Shape

__all__ = ["Network", "only"]

# Parameters are sized at these, where [net] leaves height and width open. Both
# divide by every common stride; two of them show what depends on the size.
_NOMINAL = (96, 192)
_MOST_PARAMETERS = 2**31
# Beyond what any computer holds; kernels count in 32 and 64 bits.
_LARGEST_SIDE = 1 << 31
_LARGEST_SIZE = 1 << 50


class Network:
    """Layers in order, with their links and parameters.

    Parameters
    ----------
    sections : sequence of Section
        Of a cfg file; the first is [net].
    lenient : bool
        Read values as Darknet does.

    Attributes
    ----------
    source : str
        Where the cfg came from, for messages.
    sections : tuple of Section
        What the network was built from; as strict reading takes it, though it was
        read leniently.
    settings : dict of str to object
        The values of [net].
    pixels : PixelFormat
        What the network expects of a picture.
    layers : list of Layer
    kinds : list of str
        The section name of each layer.
    sources : list of tuple of int
        Indices of the layers that feed each layer; -1 is the input.
    outputs : tuple of int
        Indices of the layers that are the network's outputs, in order: those that no
        other layer reads. Most networks have one, the last layer.
    owners : dict of int to int
        For the layers that use the parameters of another one: which that is.
    stop : int
        Index of the last layer with ``stopbackward=1``, or -1: gradients go back no
        further, and up to it training computes what inference computes.
    trained : bool
        Whether parameters were loaded, initialised or are not needed.

    Raises
    ------
    CfgError
        With file:line, if the text does not describe a network.
    """

    def __init__(self, sections: Sequence[Section], *, lenient: bool = False) -> None:
        head, rest = checked(sections)
        self.source = head.source
        self.sections = tuple(sections)
        self.settings: dict[str, Any] = vector_input(
            read_values(head, NET_KEYS, lenient=lenient), head.source, head.line
        )
        self.pixels: PixelFormat = pixel_format(self.settings, head.source, head.line)
        self.layers: list[Layer] = []
        self.kinds: list[str] = []
        self.sources: list[tuple[int, ...]] = []
        inherited = {
            name: self.settings[name]
            for name in INHERITED
            if name == "time_steps" or any(entry.key == name for entry in head.entries)
        }
        plain = [strict(head, NET_KEYS, self.settings)] if lenient else []
        for index, section in enumerate(rest):
            layer, values = make_layer(section, lenient, inherited)
            self.layers.append(layer)
            if lenient:
                plain.append(strict(section, layer.keys, values))
            self.kinds.append(section.kind)
            self.sources.append(links(layer, index, section))
        if lenient:
            self.sections = tuple(plain)
        self.outputs = self._outputs()
        self.owners = self._owners()
        self.stop = max(
            (
                index
                for index, layer in enumerate(self.layers)
                if getattr(layer, "stopbackward", 0) == 1
            ),
            default=INPUT,
        )
        for layer in self.layers[: self.stop + 1]:
            layer.frozen = True
        self._build()
        self.trained = not any(layer.parameters for layer in self.layers)

    @classmethod
    def read(cls, path: str | Path, *, lenient: bool = False) -> Network:
        """Build from a cfg file."""
        return cls(read_cfg(path, lenient=lenient), lenient=lenient)

    @classmethod
    def parse(
        cls, text: str, source: str = "<text>", *, lenient: bool = False
    ) -> Network:
        """Build from the text of a cfg file."""
        return cls(parse_cfg(text, source, lenient=lenient), lenient=lenient)

    # -- structure ---------------------------------------------------------

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Layer:
        return self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    @property
    def fingerprint(self) -> str:
        """Hash of what the network is, whatever comments, spacing and recipe."""
        left_out = [
            TRAINING_KEYS,
            *(
                # The very keys: to compare them value by value takes long.
                {key.name for key in layer.keys if any(key is k for k in FREEZING_KEYS)}
                for layer in self.layers
            ),
        ]
        return fingerprint(
            replace(
                section,
                entries=tuple(e for e in section.entries if e.key not in names),
            )
            for section, names in zip(self.sections, left_out, strict=True)
        )

    @property
    def tensors(self) -> dict[str, Array]:
        """Every stored array, named ``index.kind.tensor`` (``5.convolutional.weights``)."""
        kinds = self.canonical_kinds
        return {
            f"{index}.{kinds[index]}.{name}": tensor
            for index, layer in enumerate(self.layers)
            if index not in self.owners
            for name, tensor in layer.tensors.items()
        }

    @property
    def canonical_kinds(self) -> list[str]:
        """Section names with aliases resolved (``conv`` is ``convolutional``)."""
        known = registry("zoo.layers")
        names = {kind: known.names_of(kind)[0] for kind in set(self.kinds)}
        return [names[kind] for kind in self.kinds]

    @property
    def parameter_count(self) -> int:
        """Number of learned values."""
        return sum(
            parameter.size
            for index, layer in enumerate(self.layers)
            if index not in self.owners
            for parameter in layer.parameters.values()
        )

    @property
    def scale(self) -> float:
        """Output rows per input row; 2.0 for an x2 network."""
        height, width = self.nominal_size
        return self.shapes(height, width)[-1].height / height

    @property
    def nominal_size(self) -> tuple[int, int]:
        """Height and width of [net], or a stand-in where they are open."""
        return (
            self.settings["height"] or self._nominal(0),
            self.settings["width"] or self._nominal(0),
        )

    def shapes(self, height: int, width: int) -> list[Shape]:
        """Output shape of every layer for an input of this size.

        Raises
        ------
        ShapeError
            Naming file:line and layer, if the network cannot take this size.
        """
        return [output for _, output in self.flow(height, width)]

    def flow(self, height: int, width: int) -> list[tuple[tuple[Shape, ...], Shape]]:
        """Input shapes and output shape of every layer, for an input of this size.

        Raises
        ------
        ShapeError
            Naming file:line and layer, if the network cannot take this size.
        """
        entry = Shape(height, width, self.pixels.channels)
        flow: list[tuple[tuple[Shape, ...], Shape]] = []
        for index, layer in enumerate(self.layers):
            inputs = tuple(
                entry if source == INPUT else flow[source][1]
                for source in self.sources[index]
            )
            try:
                output = layer.output_shape(*inputs)
            except ShapeError as error:
                raise ShapeError(f"{self.where(index)}: {error}") from None
            if min(output) < 1:
                raise ShapeError(
                    f"{self.where(index)}: nothing is left of an input of "
                    f"{' and '.join(map(str, inputs))}; the picture is too small"
                )
            if max(output) >= _LARGEST_SIDE or output.size >= _LARGEST_SIZE:
                raise ShapeError(
                    f"{self.where(index)}: its output would have {_brief(output)}; no "
                    f"computer holds that"
                )
            flow.append((inputs, output))
        return flow

    def shapes_for(self, x: Array) -> list[Shape]:
        """As :meth:`shapes`, for the size of an array of pictures.

        Raises
        ------
        ShapeError
            If it is not N x H x W x C, or the network cannot take it.
        """
        if x.ndim != 4 or x.shape[3] != self.pixels.channels:
            raise ShapeError(
                f"{self.source} takes N x H x W x {self.pixels.channels} arrays, "
                f"not {' x '.join(map(str, x.shape))}"
            )
        return self.shapes(x.shape[1], x.shape[2])

    def operations(self, height: int, width: int) -> list[int]:
        """Floating-point operations of every layer, for one picture of this size.

        Raises
        ------
        ShapeError
            As :meth:`flow`.
        """
        flow = self.flow(height, width)
        return [
            layer.operations(*inputs)
            for layer, (inputs, _) in zip(self.layers, flow, strict=True)
        ]

    def where(self, index: int) -> str:
        """``file:line: layer 5 [shortcut]``, for messages."""
        line = self.sections[index + 1].line
        return f"{self.source}:{line}: layer {index} [{self.kinds[index]}]"

    def _outputs(self) -> tuple[int, ...]:
        read = {source for sources in self.sources for source in sources}
        return tuple(
            index
            for index, layer in enumerate(self.layers)
            if index not in read or layer.is_output
        )

    def _owners(self) -> dict[int, int]:
        """Which layers use parameters of others; chains are followed to their end."""
        owners: dict[int, int] = {}
        for index, layer in enumerate(self.layers):
            owner = layer.owner(index)
            if owner is None:
                continue
            if not 0 <= owner < index or type(self.layers[owner]) is not type(layer):
                found = (
                    f"[{self.kinds[owner]}]"
                    if 0 <= owner < len(self.kinds)
                    else "not there"
                )
                raise CfgError(
                    f"{self.where(index)} uses the weights of layer {owner}, which is "
                    f"{found}; it must be an earlier [{self.kinds[index]}]"
                )
            owners[index] = owners.get(owner, owner)
        return owners

    def _nominal(self, which: int) -> int:
        """A stand-in for an open size, of which [input] may want a multiple."""
        multiples = (getattr(layer, "multiple", 1) for layer in self.layers)
        return math.lcm(_NOMINAL[which], *multiples)

    def _build(self) -> None:
        """Allocate parameters; refuse those whose size depends on an open size."""
        height, width = self.nominal_size
        is_open = not (self.settings["height"] and self.settings["width"])
        try:
            flow = self.flow(height, width)
            other = (
                self.flow(
                    self.settings["height"] or self._nominal(1),
                    self.settings["width"] or self._nominal(1),
                )
                if is_open
                else flow
            )
        except ShapeError as error:
            raise CfgError(str(error)) from None
        total = 0
        for index, layer in enumerate(self.layers):
            inputs, _ = flow[index]
            try:
                shapes = layer.parameter_shapes(*inputs)
                others = layer.parameter_shapes(*other[index][0])
            except ShapeError as error:
                raise CfgError(f"{self.where(index)}: {error}") from None
            if shapes != others:
                raise CfgError(
                    f"{self.where(index)}: the size of its weights depends on the "
                    f"picture; give height and width in [net]"
                )
            owner = self.owners.get(index)
            if owner is not None:
                self._share(index, owner, shapes)
                continue
            total += sum(math.prod(shape) for shape in shapes.values())
            if total > _MOST_PARAMETERS:
                raise CfgError(
                    f"{self.where(index)}: here the network reaches {total} weights, "
                    f"more than 2^31; check filters and size"
                )
            layer.build(*inputs)

    def _share(
        self, index: int, owner: int, shapes: dict[str, tuple[int, ...]]
    ) -> None:
        """Let a layer use the arrays of another one."""
        layer, other = self.layers[index], self.layers[owner]
        known = {name: array.shape for name, array in other.parameters.items()}
        if shapes != known:
            raise CfgError(
                f"{self.where(index)} uses the weights of layer {owner}, which has "
                f"{_shapes_text(known)}, and needs {_shapes_text(shapes)}"
            )
        layer.parameters, layer.statistics = other.parameters, other.statistics

    # -- parameters --------------------------------------------------------

    def initialize(self, seed: int = 0) -> Network:
        """Fill every parameter with the values from which training starts."""
        rng = np.random.default_rng(seed)
        for index, layer in enumerate(self.layers):
            if index not in self.owners:
                layer.initialize(rng)
        self.trained = True
        return self

    # -- computation -------------------------------------------------------

    def forward(
        self,
        x: Array,
        *,
        kernels: Kernels | None = None,
        training: bool = False,
        after_layer: Callable[[int], None] | None = None,
    ) -> Any:
        """Run layer by layer.

        Parameters
        ----------
        x : ndarray, float32, N x H x W x C
            As the first layer wants it: normalised, channels in order.
        kernels : Kernels, optional
            A back end; by default what :func:`zoo.plugins.select` finds.
        training : bool
            Whether :meth:`backward` follows.
        after_layer : callable, optional
            Called with the index of each layer when it is done.

        Returns
        -------
        ndarray, float32, N x H' x W' x C'
            Of a network with several :attr:`outputs`, a tuple of them.

        Raises
        ------
        WeightsError
            If the network has no weights yet.
        ShapeError
            If it cannot take an input of this shape.
        """
        self.require_weights()
        kernels = kernels or select()
        self.shapes_for(x)
        last_use = self.last_uses()
        outputs: dict[int, Array] = {INPUT: x}
        for index, layer in enumerate(self.layers):
            sources = self.sources[index]
            outputs[index] = layer.forward(
                *(outputs[source] for source in sources),
                kernels=kernels,
                training=training and index > self.stop,
            )
            for source in set(sources):
                if last_use[source] == index and source not in self.outputs:
                    del outputs[source]
            if after_layer is not None:
                after_layer(index)
        return only([outputs[index] for index in self.outputs])

    def last_uses(self) -> dict[int, int]:
        """For every layer that is read, the last layer that reads it."""
        return {
            source: index
            for index, sources in enumerate(self.sources)
            for source in sources
        }

    def backward(
        self,
        delta: Array | Sequence[Array | None],
        *,
        kernels: Kernels | None = None,
        layer: int | None = None,
    ) -> Array:
        """Propagate gradients back through the last training forward.

        Parameters
        ----------
        delta : ndarray, or sequence of ndarray
            Gradient of the cost with respect to the output; of a network with several
            :attr:`outputs`, one for each, None where it does not matter.
        kernels : Kernels, optional
            A back end; by default what :func:`zoo.plugins.select` finds.
        layer : int, optional
            The layer whose output is meant, with one delta; by default the outputs.

        Returns
        -------
        ndarray
            Gradient with respect to the input.

        Raises
        ------
        UsageError
            If a layer has ``stopbackward=1``: then there is none.
        """
        if self.stop > INPUT:
            raise UsageError(
                f"{self.where(self.stop)} has stopbackward=1, so there is no gradient "
                f"with respect to the input"
            )
        deltas = self._first_deltas(delta, layer)
        self._back.run(deltas, kernels or select(), for_input=True)
        return deltas[INPUT]

    def backward_parameters(
        self,
        delta: Array | Sequence[Array | None],
        *,
        kernels: Kernels | None = None,
        layer: int | None = None,
    ) -> None:
        """As :meth:`backward`, for the gradients of the parameters alone.

        What the forward kept is dropped on the way, layer by layer, so this can be
        done once; and nothing is computed that only the input's gradient needs.
        """
        deltas = self._first_deltas(delta, layer)
        del delta
        self._back.run(deltas, kernels or select(), for_input=False)

    @property
    def _back(self) -> Backpropagation:
        return Backpropagation(self.layers, self.sources, self.owners, self.stop)

    def _first_deltas(
        self, delta: Array | Sequence[Array | None], layer: int | None
    ) -> dict[int, Array]:
        """The gradients to start from, by layer."""
        if layer is None and len(self.outputs) == 1:
            layer = self.outputs[0]
        if layer is not None:
            if not isinstance(delta, np.ndarray):
                raise UsageError(f"layer {layer} of {self.source} takes one gradient")
            return {layer: delta}
        given = [delta] if isinstance(delta, np.ndarray) else list(delta)
        if len(given) != len(self.outputs):
            raise UsageError(
                f"{self.source} has {len(self.outputs)} outputs (layers "
                f"{', '.join(map(str, self.outputs))}) and {len(given)} gradients were "
                f"given; give one for each, None where there is none"
            )
        deltas = {
            index: array
            for index, array in zip(self.outputs, given, strict=True)
            if array is not None
        }
        if not deltas:
            raise UsageError("there is no gradient to go back from")
        return deltas

    def update(self, optimizer: Optimizer) -> None:
        """Let an optimizer change every parameter by its gradient."""
        for index, layer in enumerate(self.layers):
            layer.update(optimizer, prefix=f"{index}.")

    def require_weights(self) -> None:
        """Raise WeightsError unless the parameters have values."""
        if not self.trained:
            raise WeightsError(
                f"{self.source} has no weights yet; give some (--weights FILE, or "
                f"weights=FILE of zoo.load), or train it (`zoo train`)"
            )


def only(arrays: Sequence[Array]) -> Any:
    """The one output of a network, or a tuple of its several ones."""
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def _brief(shape: Shape) -> str:
    """A shape of any size, in few digits."""
    sides = (
        f"{min(side, 10**300):.3g}" if side > 10**9 else str(side) for side in shape
    )
    return " x ".join(sides) + " values"


def _shapes_text(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(
        f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()
    )
