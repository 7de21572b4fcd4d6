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

from zoo.errors import (
    CfgError,
    ShapeError,
    UsageError,
    WeightsError,
    ZooError,
    did_you_mean,
)
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Optimizer
from zoo.layers.darknet_keys import FREEZING_KEYS
from zoo.net_section import (
    INHERITED,
    NET_KEYS,
    TRAINING_KEYS,
    PixelFormat,
    pixel_format,
    vector_input,
)
from zoo.origins import origins_beside
from zoo.parsers.cfg import (
    Entry,
    Section,
    fingerprint,
    parse_cfg,
    read_cfg,
    read_values,
    value_text,
)
from zoo.plugins import Kernels, select
from zoo.registry import registry
from zoo.shapes import Shape

__all__ = ["INPUT", "Network", "only"]

_HEADS = ("net", "network")

INPUT = -1
"""Index of the network's input among the sources of a layer."""

# Parameters are sized at these, where [net] leaves height and width open. Both
# divide by every common stride; two of them show what depends on the size.
_NOMINAL = (96, 192)
_MOST_PARAMETERS = 2**31


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
        if not sections:
            raise CfgError("the cfg has no sections; the first must be [net]")
        head, *rest = sections
        self.source = head.source
        if head.kind not in _HEADS:
            hint = ""
            if head.kind.lower() in _HEADS:
                hint = "; names of sections are written in small letters"
            raise CfgError(
                f"the first section must be [net], not [{head.kind}]{hint}",
                head.source,
                head.line,
            )
        if not rest:
            raise CfgError("there is no layer after [net]", head.source, head.line)
        if len(rest) > _MOST_LAYERS:
            raise CfgError(
                f"the cfg has {len(rest)} layers; {_MOST_LAYERS} are the most that "
                f"are read",
                head.source,
                rest[_MOST_LAYERS].line,
            )
        self.sections = tuple(sections)
        _require_known(rest)
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
        plain = [_plain(head, NET_KEYS, self.settings)] if lenient else []
        for index, section in enumerate(rest):
            layer, values = _make_layer(section, lenient, inherited)
            self.layers.append(layer)
            if lenient:
                plain.append(_plain(section, layer.keys, values))
            self.kinds.append(section.kind)
            self.sources.append(_links(layer, index, section))
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
                {key.name for key in layer.keys if key in FREEZING_KEYS}
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
        return {
            f"{index}.{self.canonical_kinds[index]}.{name}": tensor
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
        deltas = self._back(delta, kernels or select(), layer, for_input=True)
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
        self._back(delta, kernels or select(), layer, for_input=False)

    def _back(
        self,
        delta: Array | Sequence[Array | None],
        kernels: Kernels,
        layer: int | None,
        *,
        for_input: bool,
    ) -> dict[int, Array]:
        wanted = self._wanted(for_input)
        deltas = self._first_deltas(delta, layer)
        start = max(deltas)
        del delta
        own: set[int] = set()  # sources whose gradient is nobody else's array
        for index in reversed(range(start + 1)):
            if index not in deltas:
                pass
            elif any(wanted[source] for source in self.sources[index]):
                self._back_through(index, deltas, own, wanted, kernels)
            elif wanted[index]:
                self.layers[index].backward_parameters(
                    deltas.pop(index), kernels=kernels
                )
            if self.layers[index].frozen:
                self.layers[index].gradients = {}
            if not for_input:
                self.layers[index].forget()
        self._gather_shared()
        return deltas

    def _gather_shared(self) -> None:
        """Add the gradients of layers that share parameters to those of the owner."""
        for index, owner in self.owners.items():
            gradients = self.layers[owner].gradients
            for name, gradient in self.layers[index].gradients.items():
                known = gradients.get(name)
                gradients[name] = gradient if known is None else known + gradient
            self.layers[index].gradients = {}

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

    def _back_through(
        self,
        index: int,
        deltas: dict[int, Array],
        own: set[int],
        wanted: dict[int, bool],
        kernels: Kernels,
    ) -> None:
        """Take the gradient of a layer from deltas, and add those of its sources."""
        delta = deltas.pop(index)
        gradients = self.layers[index].backward(delta, kernels=kernels)
        for source, gradient in zip(self.sources[index], gradients, strict=True):
            if not wanted[source]:
                continue
            others = [delta, *(g for g in gradients if g is not gradient)]
            is_new = sum(g is gradient for g in gradients) == 1 and not any(
                np.may_share_memory(gradient, other) for other in others
            )
            _add_gradient(deltas, own, source, gradient, is_new, kernels)

    def _wanted(self, for_input: bool) -> dict[int, bool]:
        """Whether the gradient by the output of each layer is of use to anybody."""
        wanted = {INPUT: for_input}
        for index, layer in enumerate(self.layers):
            wanted[index] = index > self.stop and (
                (bool(layer.parameters) and not layer.frozen)
                or any(wanted[source] for source in self.sources[index])
            )
        return wanted

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


def _add_gradient(
    deltas: dict[int, Array],
    own: set[int],
    source: int,
    gradient: Array,
    is_new: bool,
    kernels: Kernels,
) -> None:
    """Add to the gradient of a source, in place where an array is nobody else's."""
    known = deltas.get(source)
    if known is None:
        deltas[source] = gradient
        if is_new:
            own.add(source)
        return
    alike = known.dtype == gradient.dtype and known.shape == gradient.shape
    if alike and source in own and known.flags.writeable:
        kernels.accumulate(known, gradient)
    elif alike and is_new and gradient.flags.writeable:
        kernels.accumulate(gradient, known)
        deltas[source] = gradient
    else:
        deltas[source] = known + gradient
    own.add(source)


_YOLOR = ("implicit_add", "implicit_mul", "shift_channels", "control_channels")


# Beyond what any computer holds; kernels count in 32 and 64 bits.
_LARGEST_SIDE = 1 << 31
_LARGEST_SIZE = 1 << 50
# Planning takes time with every layer, and a cfg of a few kB has thousands.
_MOST_LAYERS = 10_000


def _brief(shape: Shape) -> str:
    """A shape of any size, in few digits."""
    sides = (
        f"{min(side, 10**300):.3g}" if side > 10**9 else str(side) for side in shape
    )
    return " x ".join(sides) + " values"


def _require_known(sections: Sequence[Section]) -> None:
    """Refuse sections that no layer answers to, all of them in one message."""
    known = registry("zoo.layers")
    missing: dict[str, list[Section]] = {}
    for section in sections:
        if section.kind in _HEADS:
            raise CfgError(
                f"[{section.kind}] comes once, as the first section",
                section.source,
                section.line,
            )
        if section.kind not in known:
            missing.setdefault(section.kind, []).append(section)
    if not missing:
        return
    origins = origins_beside(sections[0].source)
    parts = []
    for kind, found in missing.items():
        hint = did_you_mean(kind, known, "[{}]")
        if kind in _YOLOR:
            hint = "; it belongs to the dialect of YOLOR, which zoo does not read"
        more = ", ".join(str(section.line) for section in found[1:6])
        if more:
            dots = ", ..." if len(found) > 6 else ""
            more = f" (also in line{'s' * (len(found) > 2)} {more}{dots})"
        if kind in origins:
            hint = f"; it came from {origins[kind]}, which is not installed"
        parts.append(f"there is no layer [{kind}]{more}{hint}")
    first = next(iter(missing.values()))[0]
    text = parts[0]
    for kind, part in zip(list(missing)[1:], parts[1:], strict=True):
        text += f"; line {missing[kind][0].line}: {part}"
    raise CfgError(f"{text} (`zoo layers` lists them all)", first.source, first.line)


def _plain(section: Section, keys: Sequence[Key], values: dict[str, Any]) -> Section:
    """A section that was read leniently, so that strict reading gives the same."""
    known = {name: key for key in keys for name in (key.name, *key.aliases)}
    entries: dict[str, Entry] = {}
    for entry in section.entries:
        key = known.get(entry.key)
        if key is None:
            if entry.key in section.variables:
                entries.setdefault(entry.key, entry)
            continue
        value = values[key.attribute]
        try:
            is_strict = key.parse(entry.value) == value
        except ValueError:
            is_strict = False
        if not is_strict:
            entry = replace(entry, value=value_text(value), text=None)
        if entry.value:
            entries.setdefault(key.attribute, entry)
    return replace(section, entries=tuple(entries.values()))


def _shapes_text(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(
        f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items()
    )


def _make_layer(
    section: Section, lenient: bool, inherited: dict[str, Any]
) -> tuple[Layer, dict[str, Any]]:
    """Make the layer that a section describes, and give the values it was made of.

    ``inherited`` are settings of [net] that hold where the section gives no own.
    """
    layer_type = registry("zoo.layers").load(section.kind)
    values = read_values(section, layer_type.keys, lenient=lenient)
    given = {entry.key for entry in section.entries}
    defaults = {
        **layer_type.dialects.get(inherited.get("dialect", ""), {}),
        **inherited,
    }
    for key in layer_type.keys:
        if key.attribute in defaults and not given & {key.name, *key.aliases}:
            values[key.attribute] = defaults[key.attribute]
    try:
        return layer_type(**values), values
    except (ZooError, ValueError) as error:
        raise CfgError(
            f"[{section.kind}] {error}", section.source, section.line
        ) from None


def _links(layer: Layer, index: int, section: Section) -> tuple[int, ...]:
    """Indices of the layers that feed the layer at ``index``, checked."""
    sources = layer.sources(index)
    for source in sources:
        if source >= index:
            raise CfgError(
                f"layer {index} [{section.kind}] reads layer {source}, which does not "
                f"come before it; a network has no cycles",
                section.source,
                section.line,
            )
        if source < INPUT:
            raise CfgError(
                f"layer {index} [{section.kind}] reads layer {source}, which does not "
                f"exist; layers count from 0",
                section.source,
                section.line,
            )
    return sources
