"""Darknet's .weights files, into a network and out of one.

What stands where: :mod:`zoo.checkpoints.darknet_order`.

A layer with ``dontload=1`` is not in the files that Darknet reads, and the scales
and statistics of one with ``dontloadscales=1`` are not. Darknet then leaves them
as they are; so does a partial loading here, and any other is refused.

The header has 16 or 20 bytes. The version says which, but old 32-bit builds and ports
to PyTorch wrote the other one; the file is then one number short or long. It is read
with the other width where that gives the right length and only it makes all variances
0 or more; where the variances do not tell, the caller must say.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.checkpoints.darknet_order import NORMALIZATION, Slot, slots
from zoo.errors import WeightsError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.parsers.weights import DarknetStream, open_weights, write_weights

__all__ = ["HEADER_WIDTHS", "StoredRun", "read_darknet", "write_darknet"]

HEADER_WIDTHS = (16, 20)
"""Bytes that a header may have."""


@dataclass(frozen=True)
class StoredRun:
    """Where the values of a tensor stand in a file: bytes [start, stop)."""

    start: int
    stop: int

    def __str__(self) -> str:
        return f"bytes {self.start}..{self.stop - 1}"


def read_darknet(
    network: Network,
    path: Path,
    *,
    partial: bool = False,
    header: int | None = None,
) -> tuple[dict[str, Array], dict[str, StoredRun]]:
    """Read the tensors of a network from a .weights file.

    Parameters
    ----------
    network : Network
        Not changed.
    path : Path
    partial : bool
        Whether the file may end between two layers before the last.
    header : {16, 20}, optional
        Bytes of the header; what the version says, or else fits, if None.

    Returns
    -------
    state : dict of str to ndarray
        By the names of ``network.tensors``, in the network's orders.
    placed : dict of str to StoredRun
        Which bytes of the file each came from.

    Raises
    ------
    WeightsError
        If the file has too few or too many numbers, or the network has tensors
        that Darknet does not know.
    ReaderError
        If the file is unreadable.
    """
    wanted = [slot for slot in slots(network) if _is_loaded(network, slot)]
    total = sum(slot.size for slot in wanted)
    state: dict[str, Array] = {}
    placed: dict[str, StoredRun] = {}
    with open_weights(path) as stream:
        if header is not None:
            stream.assume_header(header)
        elif abs(stream.total - total) == 1:
            _choose_header(network, wanted, stream)
        last = _last_layer(network, wanted, stream, total, partial)
        for slot in wanted:
            if slot.layer > last:
                break
            start = stream.byte_position
            values = stream.take(slot.size, slot.full_name)
            if slot.tensor is None:
                if np.any(values):
                    raise WeightsError(
                        f"{path} has biases for {network.where(slot.layer)}, which "
                        f"the cfg leaves without; nothing was loaded"
                    )
                continue
            state[slot.full_name] = slot.read(values, stream.header.is_transposed)
            placed[slot.full_name] = StoredRun(start, stream.byte_position)
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
    write_weights(
        path,
        (
            np.zeros(slot.size, np.float32)
            if slot.tensor is None
            else slot.write(slot.tensor)
            for slot in slots(network)
        ),
    )


def _is_loaded(network: Network, slot: Slot) -> bool:
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
        and slot.name in NORMALIZATION
    )


def _choose_header(network: Network, wanted: list[Slot], stream: DarknetStream) -> None:
    """Let a file that is one number off be read with the other width, if it is sure."""
    given = stream.header.size
    (other,) = (width for width in HEADER_WIDTHS if width != given)
    version = f"{stream.header.major}.{stream.header.minor}"
    total = sum(slot.size for slot in wanted)
    is_right = {}
    for width in (other, given):
        stream.assume_header(width)
        is_right[width] = _variances_fit(wanted, stream)
        if width == other and stream.total != total:
            is_right[width] = False
    if not is_right[other]:
        return  # one number is missing or too many, whatever the header
    if not is_right[given]:
        stream.assume_header(other)
        warnings.warn(
            f"{stream.source} has a header of {other} bytes, though its version "
            f"{version} says {given}; read so, it fits {network.source} and all "
            f"variances are right",
            UserWarning,
            stacklevel=4,
        )
        return
    found = stream.total
    raise WeightsError(
        f"{stream.source} holds {found} floats after a header of {given} bytes, as its "
        f"version {version} says, and {network.source} takes {total}, one "
        f"{'more' if total > found else 'less'}: perhaps its header has {other} bytes, or it is damaged. "
        f"Say which: --header {other} reads it so; nothing was loaded"
    )


def _variances_fit(wanted: list[Slot], stream: DarknetStream) -> bool:
    """Whether all variances are numbers from 0 on, if there are any to tell."""
    start = 0
    for slot in wanted:
        stop = min(start + slot.size, stream.total)
        if slot.role == "rolling_variance" and stop > start:
            values = stream.peek(start, stop)
            if not (np.isfinite(values).all() and (values >= 0).all()):
                return False
        start += slot.size
    return True


def _last_layer(
    network: Network,
    wanted: list[Slot],
    stream: DarknetStream,
    total: int,
    partial: bool,
) -> int:
    """The last layer to fill; refuse a file of the wrong length before reading it."""
    found = stream.total
    if found > total:
        raise WeightsError(
            f"{stream.source} holds {found} floats and {network.source} takes {total}; "
            f"{found - total} are left over, so the file belongs to another cfg"
        )
    if found == total:
        return len(network)
    sizes: dict[int, int] = {}
    for slot in wanted:
        sizes[slot.layer] = sizes.get(slot.layer, 0) + slot.size
    left = found
    for layer, size in sizes.items():
        if left < size:
            break
        left -= size
    if partial and not left:
        return layer - 1
    raise WeightsError(
        f"{stream.source} holds {found} floats and {network.source} takes {total}: it "
        f"ends {'within' if left else 'before'} {network.where(layer)}, which takes "
        f"{size} and finds {left}; it is truncated, or belongs to another cfg, a "
        f"backbone's say, from which `zoo train` starts with --from and --from-cfg"
    )
