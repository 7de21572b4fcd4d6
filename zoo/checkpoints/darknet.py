"""Which number of a Darknet .weights file belongs to which tensor of a network.

================  ==========================================================
layer             order in the file
================  ==========================================================
convolutional     biases; scales, means, variances if normalised; weights
deconvolutional   the same
connected         biases; weights; scales, means, variances if normalised
batchnorm         biases, scales, means, variances
shortcut          weights, if it has any
================  ==========================================================

Filters are O x I x H x W in Darknet and H x W x I x O here; with ``flipped=1``
the file holds I x H x W x O. Those of a [deconvolutional] are I x O x H x W in
Darknet and H x W x O x I here. The matrix of a [connected] is output x input in
both; Darknet flattens the input as C x H x W, zoo as H x W x C.

A layer with ``dontload=1`` is not in the files that Darknet reads, and the scales
and statistics of one with ``dontloadscales=1`` are not. Darknet then leaves them
as they are; so does a partial loading here, and any other is refused.

Sources: ``load_convolutional_weights``, ``load_connected_weights``,
``load_batchnorm_weights``, ``load_shortcut_weights`` of AlexeyAB/darknet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import WeightsError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.parsers.weights import DarknetStream, open_weights, write_weights
from zoo.shapes import Shape

__all__ = ["read_darknet", "write_darknet"]

_NORMALIZATION = ("scales", "rolling_mean", "rolling_variance")
_ORDERS = {
    "convolutional": ("biases", *_NORMALIZATION, "weights"),
    "deconvolutional": ("biases", *_NORMALIZATION, "weights"),
    "connected": ("biases", "weights", *_NORMALIZATION),
    "batchnorm": ("biases", *_NORMALIZATION),
    "shortcut": ("weights",),
}


class _Slot(NamedTuple):
    """One run of numbers in the file.

    ``tensor`` is None where Darknet stores biases and the layer has none.
    """

    layer: int
    kind: str
    name: str
    size: int
    tensor: Array | None
    input: Shape
    flipped: bool

    @property
    def full_name(self) -> str:
        """The tensor's name in ``network.tensors``."""
        return f"{self.layer}.{self.kind}.{self.name}"


def read_darknet(
    network: Network, path: Path, *, partial: bool = False
) -> tuple[dict[str, Array], dict[str, tuple[int, int]]]:
    """Read the tensors of a network from a .weights file.

    Parameters
    ----------
    network : Network
        Not changed.
    path : Path
    partial : bool
        Whether the file may end between two layers before the last.

    Returns
    -------
    state : dict of str to ndarray
        By the names of ``network.tensors``, in the network's orders.
    placed : dict of str to (int, int)
        First float and the one after the last, of each.

    Raises
    ------
    WeightsError
        If the file has too few or too many numbers, or the network has tensors
        that Darknet does not know.
    ReaderError
        If the file is unreadable.
    """
    slots = [slot for slot in _slots(network) if _is_loaded(network, slot)]
    wanted = sum(slot.size for slot in slots)
    state: dict[str, Array] = {}
    placed: dict[str, tuple[int, int]] = {}
    with open_weights(path) as stream:
        last = _last_layer(network, slots, stream, wanted, partial)
        for slot in slots:
            if slot.layer > last:
                break
            start = stream.position
            values = stream.take(slot.size, slot.full_name)
            if slot.tensor is None:
                if np.any(values):
                    raise WeightsError(
                        f"{path} has biases for {network.where(slot.layer)}, which "
                        f"the cfg leaves without; nothing was loaded"
                    )
                continue
            state[slot.full_name] = _from_darknet(
                slot, values, stream.header.is_transposed
            )
            placed[slot.full_name] = (start, stream.position)
    return state, placed


def write_darknet(network: Network, path: Path) -> None:
    """Write a network's tensors as a .weights file of version 0.2.5.

    Raises
    ------
    WeightsError
        If it has tensors that Darknet does not know.
    ZooError
        If the file cannot be written.
    """
    slots = list(_slots(network))
    write_weights(path, (_to_darknet(slot) for slot in slots))


def _is_loaded(network: Network, slot: _Slot) -> bool:
    """Whether Darknet would read the tensor from a file."""
    layer = network[slot.layer]
    if getattr(layer, "numload", 0):
        raise WeightsError(
            f"{network.where(slot.layer)} has numload, which zoo does not support; "
            f"remove it, or load a .safetensors file"
        )
    if getattr(layer, "dontload", False):
        return False
    return not (
        getattr(layer, "dontloadscales", False)
        and slot.kind == "convolutional"
        and slot.name in _NORMALIZATION
    )


def _slots(network: Network) -> Iterator[_Slot]:
    """What the file holds, in its order."""
    height, width = network.nominal_size
    flow = network.flow(height, width)
    for index, layer in enumerate(network):
        kind = network.canonical_kinds[index]
        tensors = layer.tensors
        if not tensors or index in network.owners:
            continue
        order = _ORDERS.get(kind, ())
        foreign = [name for name in tensors if name not in order]
        if foreign:
            raise WeightsError(
                f"{network.where(index)} has {' and '.join(foreign)}, for which "
                f"Darknet's format has no place; use .safetensors"
            )
        for name in order:
            tensor = tensors.get(name)
            if tensor is not None:
                size = tensor.size
            elif name == "biases":
                size = flow[index][1].channels
            else:
                continue
            flipped = bool(getattr(layer, "flipped", False))
            yield _Slot(index, kind, name, size, tensor, flow[index][0][0], flipped)


def _last_layer(
    network: Network,
    slots: list[_Slot],
    stream: DarknetStream,
    wanted: int,
    partial: bool,
) -> int:
    """The last layer to fill; refuse a file of the wrong length before reading it."""
    found = stream.total
    if found > wanted:
        raise WeightsError(
            f"{stream.source} holds {found} floats and {network.source} takes {wanted}; "
            f"{found - wanted} are left over, so the file belongs to another cfg"
        )
    if found == wanted:
        return len(network)
    sizes: dict[int, int] = {}
    for slot in slots:
        sizes[slot.layer] = sizes.get(slot.layer, 0) + slot.size
    left = found
    for layer, size in sizes.items():
        if left < size:
            break
        left -= size
    if partial and not left:
        return layer - 1
    raise WeightsError(
        f"{stream.source} holds {found} floats and {network.source} takes {wanted}: it "
        f"ends {'within' if left else 'before'} {network.where(layer)}, which takes "
        f"{size} and finds {left}; it is truncated, or belongs to another cfg, a "
        f"backbone's say, from which `zoo train` starts with --from and --from-cfg"
    )


def _from_darknet(slot: _Slot, values: Array, transposed: bool) -> Array:
    """Bring the numbers of one slot into the tensor's order."""
    assert slot.tensor is not None
    shape = slot.tensor.shape
    if slot.name != "weights":
        return values.reshape(shape)
    match slot.kind:
        case "convolutional":
            height, width, inputs, outputs = shape
            if slot.flipped:
                values = values.reshape(-1, outputs).T
            return values.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)
        case "deconvolutional":
            height, width, outputs, inputs = shape
            return values.reshape(inputs, outputs, height, width).transpose(2, 3, 1, 0)
        case "connected":
            outputs, size = shape
            matrix = values.reshape((size, outputs) if transposed else shape)
            return (matrix.T if transposed else matrix)[:, _from_chw(slot.input)]
    return values.reshape(shape)


def _to_darknet(slot: _Slot) -> Array:
    """The inverse of :func:`_from_darknet`."""
    if slot.tensor is None:
        return np.zeros(slot.size, np.float32)
    if slot.name != "weights":
        return slot.tensor
    match slot.kind:
        case "convolutional":
            axes = (2, 0, 1, 3) if slot.flipped else (3, 2, 0, 1)
            return slot.tensor.transpose(axes)
        case "deconvolutional":
            return slot.tensor.transpose(3, 2, 0, 1)
        case "connected":
            return slot.tensor[:, np.argsort(_from_chw(slot.input))]
    return slot.tensor


def _from_chw(shape: Shape) -> NDArray[np.intp]:
    """For every value of an H x W x C image, its position in C x H x W."""
    places = np.arange(math.prod(shape), dtype=np.intp)
    planes = places.reshape(shape.channels, shape.height, shape.width)
    return planes.transpose(1, 2, 0).reshape(-1)
