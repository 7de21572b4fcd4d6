"""The order in which Darknet stores a network's numbers, and what each of them is.

================  ==========================================================
layer             order in the file
================  ==========================================================
convolutional     biases; scales, means, variances if normalised; weights
deconvolutional   the same
connected         biases; weights; scales, means, variances if normalised
batchnorm         biases, scales, means, variances
local             biases, weights
shortcut          weights, if it has any
implicit          weights
rnn, crnn         input, self, output: connected or convolutional
gru               input_z, _r, _h, state_z, _r, _h (pjreddie: state first)
lstm              wf, wi, wg, wo, uf, ui, ug, uo (pjreddie: i, f, o, g)
conv_lstm         vf, vi, vo if any; then as lstm, as far as they exist
================  ==========================================================

Filters are O x I x H x W in Darknet and H x W x I x O here; with ``flipped=1``
the file holds I x H x W x O. Those of a [deconvolutional] are I x O x H x W in
Darknet and H x W x O x I here, those of a [local] place x O x I x H x W and
place x H x W x I x O. The matrix of a [connected] is output x input in both. Darknet
flattens images as C x H x W, zoo as H x W x C. A layer with ``share_index`` stores
nothing.

Sources: ``load_*_weights`` of AlexeyAB/darknet and pjreddie/darknet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zoo.errors import WeightsError
from zoo.layers.base import Array, Layer
from zoo.layers.recurrent import Recurrent
from zoo.network import Network
from zoo.registry import registry
from zoo.shapes import Shape

__all__ = ["NORMALIZATION", "Slot", "float_counts", "slots"]

NORMALIZATION = ("scales", "rolling_mean", "rolling_variance")
_FILTERS = ("biases", *NORMALIZATION, "weights")
_ORDERS = {
    "convolutional": _FILTERS,
    "deconvolutional": _FILTERS,
    "connected": ("biases", "weights", *NORMALIZATION),
    "batchnorm": ("biases", *NORMALIZATION),
    "local": ("biases", "weights"),
    "shortcut": ("weights",),
    "implicit": ("weights",),
}
_PARTS = {
    "rnn": ("input", "self", "output"),
    "crnn": ("input", "self", "output"),
    "gru": ("input_z", "input_r", "input_h", "state_z", "state_r", "state_h"),
    "lstm": ("wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo"),
    "conv_lstm": ("vf", "vi", "vo", "wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo"),
}
_PARTS_OF_PJREDDIE = {
    "gru": ("state_z", "state_r", "state_h", "input_z", "input_r", "input_h"),
    "lstm": ("wi", "wf", "wo", "wg", "ui", "uf", "uo", "ug"),
}


@dataclass(frozen=True)
class Slot:
    """One run of numbers in the file.

    Attributes
    ----------
    layer : int
    kind : str
        Canonical name of the layer.
    name : str
        Of the tensor in the layer.
    role : str
        What it is in the part that holds it: weights, biases, scales, rolling_mean or
        rolling_variance.
    holder : str
        Kind of the part: the layer's own, or connected or convolutional.
    size : int
        How many numbers.
    tensor : ndarray or None
        None where Darknet stores biases and the layer has none.
    read : callable
        From the numbers, and whether matrices are transposed, to the tensor's order.
    write : callable
        From the tensor to Darknet's order.
    """

    layer: int
    kind: str
    name: str
    role: str
    holder: str
    size: int
    tensor: Array | None
    read: Callable[[Array, bool], Array]
    write: Callable[[Array], Array]

    @property
    def full_name(self) -> str:
        """The tensor's name in ``network.tensors``."""
        return f"{self.layer}.{self.kind}.{self.name}"


def slots(network: Network) -> Iterator[Slot]:
    """What a file of the network holds, in its order.

    Raises
    ------
    WeightsError
        If the network has tensors that Darknet does not know.
    """
    height, width = network.nominal_size
    flow = network.flow(height, width)
    for index, layer in enumerate(network):
        if not layer.tensors or index in network.owners:
            continue
        kind = network.canonical_kinds[index]
        inputs, output = flow[index]
        found = []
        if isinstance(layer, Recurrent):
            given = layer.part_inputs(inputs[0])
            for name in _parts_of(kind, layer):
                part, shape = layer.parts[name], given[name]
                holder = _kind_of(part)
                after = part.output_shape(shape)
                for role in _ORDERS[holder]:
                    tensor = layer.tensors.get(f"{name}_{role}")
                    found.append((holder, part, f"{name}_{role}", role, tensor))
                    if tensor is None and role == "biases":
                        raise AssertionError("parts of recurrent layers have biases")
                    if tensor is not None:
                        yield _slot(index, kind, found[-1], shape, after)
        else:
            for role in _ORDERS.get(kind, ()):
                tensor = layer.tensors.get(role)
                found.append((kind, layer, role, role, tensor))
                if tensor is not None or role == "biases":
                    yield _slot(index, kind, found[-1], inputs[0], output)
        foreign = layer.tensors.keys() - {name for _, _, name, _, _ in found}
        if foreign:
            raise WeightsError(
                f"{network.where(index)} has {' and '.join(sorted(foreign))}, for which "
                f"Darknet's format has no place; use .safetensors"
            )


def float_counts(network: Network) -> list[int]:
    """How many numbers of each layer a .weights file holds.

    Raises
    ------
    WeightsError
        If the network has tensors that Darknet does not know.
    """
    counts = [0] * len(network)
    for slot in slots(network):
        counts[slot.layer] += slot.size
    return counts


def _parts_of(kind: str, layer: Recurrent) -> list[str]:
    order = _PARTS.get(kind, ())
    if getattr(layer, "dialect", "") == "pjreddie":
        order = _PARTS_OF_PJREDDIE.get(kind, order)
    return [name for name in order if name in layer.parts]


def _kind_of(layer: Layer) -> str:
    """Canonical name of a layer that is a part of another one."""
    known = registry("zoo.layers")
    return next(
        name
        for name in ("connected", "convolutional")
        if known.load(name) is type(layer)
    )


def _slot(
    index: int,
    kind: str,
    found: tuple[str, Layer, str, str, Array | None],
    before: Shape,
    after: Shape,
) -> Slot:
    """The slot of a tensor of a layer, or of a part, that makes after of before."""
    holder, layer, name, role, tensor = found
    if tensor is None:
        size = after.channels
        return Slot(index, kind, name, role, holder, size, None, _as_is, _as_is)
    read: _Read
    write: _Write
    shape = tensor.shape
    match holder, role:
        case "convolutional", "weights" if getattr(layer, "flipped", False):
            read, write = _filters_flipped(shape), _axes(2, 0, 1, 3)
        case "convolutional", "weights":
            read, write = _filters(shape, (2, 3, 1, 0)), _axes(3, 2, 0, 1)
        case "deconvolutional", "weights":
            read, write = _filters(shape, (2, 3, 1, 0)), _axes(3, 2, 0, 1)
        case "connected", "weights":
            read, write = _matrix(shape, before)
        case "local", "weights":
            read, write = _local(shape), _axes(0, 1, 5, 4, 2, 3)
        case ("local", "biases") | ("implicit", "weights"):
            read, write = _planes(shape), _axes(2, 0, 1)
        case _:
            read, write = _reshaped(shape), _unchanged
    return Slot(index, kind, name, role, holder, tensor.size, tensor, read, write)


# -- orders ----------------------------------------------------------------

_Read = Callable[[Array, bool], Array]
_Write = Callable[[Array], Array]


def _as_is(values: Array, transposed: bool = False) -> Array:
    return values


def _unchanged(tensor: Array) -> Array:
    return tensor


def _reshaped(shape: tuple[int, ...]) -> _Read:
    return lambda values, _: values.reshape(shape)


def _axes(*axes: int) -> _Write:
    return lambda tensor: tensor.transpose(axes)


def _filters(shape: tuple[int, ...], axes: tuple[int, ...]) -> _Read:
    height, width, third, last = shape
    stored = (last, third, height, width)
    return lambda values, _: values.reshape(stored).transpose(axes)


def _filters_flipped(shape: tuple[int, ...]) -> _Read:
    height, width, inputs, outputs = shape
    stored = (inputs, height, width, outputs)
    return lambda values, _: values.reshape(stored).transpose(1, 2, 0, 3)


def _local(shape: tuple[int, ...]) -> _Read:
    rows, columns, height, width, inputs, outputs = shape
    stored = (rows, columns, outputs, inputs, height, width)
    return lambda values, _: values.reshape(stored).transpose(0, 1, 4, 5, 3, 2)


def _planes(shape: tuple[int, ...]) -> _Read:
    height, width, channels = shape
    return lambda values, _: values.reshape(channels, height, width).transpose(1, 2, 0)


def _matrix(shape: tuple[int, ...], image: Shape) -> tuple[_Read, _Write]:
    outputs, size = shape
    places = _from_chw(image)

    def read(values: Array, transposed: bool) -> Array:
        matrix = values.reshape((size, outputs) if transposed else shape)
        return (matrix.T if transposed else matrix)[:, places]

    def write(tensor: Array) -> Array:
        return tensor[:, np.argsort(places)]

    return read, write


def _from_chw(shape: Shape) -> NDArray[np.intp]:
    """For every value of an H x W x C image, its position in C x H x W."""
    places = np.arange(math.prod(shape), dtype=np.intp)
    planes = places.reshape(shape.channels, shape.height, shape.width)
    return planes.transpose(1, 2, 0).reshape(-1)
