"""Weights in and out of a network, all or nothing.

Zoo's own format is safetensors with a tensor ``index.kind.name`` for every
stored array of the network (``5.convolutional.weights``) and this metadata:

=============  ==========================================================
zoo.format     "1"
zoo.version    the zoo that wrote the file
zoo.cfg        fingerprint of the cfg (:func:`zoo.parsers.cfg.fingerprint`)
zoo.crc32      checksum of the float32 values, in the network's order
source         where the weights came from
license        SPDX identifier of the weights' licence
=============  ==========================================================

Darknet's ``.weights`` is read and written too (:mod:`zoo.darknet_state`).
Every other format is converted first, by ``zoo convert``.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo._version import __version__
from zoo.darknet_state import read_darknet, write_darknet
from zoo.errors import ReaderError, UsageError, WeightsError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.parsers.safetensors import SafetensorsReader, write_safetensors
from zoo.parsers.weights import DarknetReader

__all__ = ["Ledger", "Placed", "assign", "load_weights", "save_weights"]

FORMAT = "1"
_MOST_LINES = 10
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Placed:
    """One tensor of a network and where its values came from.

    Attributes
    ----------
    tensor : str
        Name in the network, ``index.kind.name``.
    origin : str
        Name in the file, or the floats of it.
    shape : tuple of int
    """

    tensor: str
    origin: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Ledger:
    """Account of a loading: what went where, and what stayed as it was.

    Attributes
    ----------
    source : str
        The file.
    placed : tuple of Placed
    untouched : tuple of str
        Tensors of the network that a partial loading left alone.
    metadata : mapping of str to object
        What else the file says.
    """

    source: str
    placed: tuple[Placed, ...]
    untouched: tuple[str, ...]
    metadata: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.placed)

    def __iter__(self) -> Iterator[Placed]:
        return iter(self.placed)

    def __str__(self) -> str:
        lines = [
            f"{entry.tensor} {_shape(entry.shape)} <- {entry.origin}"
            for entry in self.placed
        ]
        lines += [f"{name} untouched" for name in self.untouched]
        return "\n".join(lines)


# -- loading ---------------------------------------------------------------


def load_weights(
    network: Network, path: str | Path, *, partial: bool = False
) -> Ledger:
    """Load a weights file into a network: every tensor, or none at all.

    Parameters
    ----------
    network : Network
        Its ``trained`` becomes True when all its tensors have values.
    path : str or Path
        A .safetensors file of zoo or a Darknet .weights file.
    partial : bool
        Let tensors stay as they are for which the file has no values: a
        backbone in a larger network. Left-over or misshapen ones are still
        errors.

    Raises
    ------
    WeightsError
        If tensors are missing, left over, misshapen or not finite, or the file
        is of another format; the network is unchanged then.
    ReaderError
        If the file is unreadable, truncated or damaged.
    """
    path = Path(path)
    match _format_of(path):
        case "safetensors":
            return _load_safetensors(network, path, partial)
        case _:
            state, placed = read_darknet(network, path, partial=partial)
            origins = {
                name: f"floats {start}..{stop - 1}"
                for name, (start, stop) in placed.items()
            }
            return assign(network, state, str(path), partial=partial, origins=origins)


def _format_of(path: Path) -> Literal["safetensors", "weights"]:
    """Which of the two formats a file has, by its content before its name."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise WeightsError(f"there is no file {str(path)!r}") from None
    except IsADirectoryError:
        raise WeightsError(f"{str(path)!r} is a folder, not a weights file") from None
    except OSError as error:
        raise WeightsError(f"{str(path)!r} cannot be read: {error.strerror}") from None
    if not head:
        raise ReaderError(f"{str(path)!r} is empty; fetch or convert it again")
    if SafetensorsReader.recognizes(path, head):
        return "safetensors"
    if DarknetReader.recognizes(path, head):
        return "weights"
    # The name decides how a damaged file is complained about.
    if path.suffix in SafetensorsReader.suffixes:
        return "safetensors"
    if path.suffix in DarknetReader.suffixes:
        return "weights"
    raise WeightsError(
        f"{str(path)!r} is neither a .safetensors nor a Darknet .weights file; "
        f"convert it first: zoo convert {path}"
    )


def _load_safetensors(network: Network, path: Path, partial: bool) -> Ledger:
    """Load a file in zoo's names."""
    checkpoint = SafetensorsReader.read(path)
    metadata = checkpoint.metadata
    version = metadata.get("zoo.format")
    known = network.tensors
    if version is None and not known.keys() & checkpoint.tensors.keys():
        raise WeightsError(
            f"{str(path)!r} holds no tensor named as zoo names them "
            f"(index.kind.tensor); convert it first: zoo convert {path}"
        )
    if version not in (None, FORMAT):
        raise WeightsError(
            f"{str(path)!r} has format {str(version)[:20]!r}, written by zoo "
            f"{str(metadata.get('zoo.version', '?'))[:20]}; this is {__version__} and "
            f"reads format {FORMAT}: upgrade cfgzoo"
        )
    state = dict(checkpoint.tensors)
    checksum = metadata.get("zoo.crc32")
    if checksum is not None and checksum != _checksum(state):
        raise ReaderError(
            f"{str(path)!r} is damaged: its values do not match their checksum; "
            f"fetch or convert it again"
        )
    ledger = assign(network, state, str(path), partial=partial, metadata=metadata)
    if metadata.get("zoo.cfg", network.fingerprint) != network.fingerprint:
        warnings.warn(
            f"{str(path)!r} was written for another cfg than {network.source}; all "
            f"tensors fit, but the result may differ from what they were trained for",
            UserWarning,
            stacklevel=3,
        )
    return ledger


def assign(
    network: Network,
    state: Mapping[str, NDArray[Any]],
    source: str = "the weights",
    *,
    partial: bool = False,
    origins: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Ledger:
    """Put named arrays into a network: all of them, or none if one does not fit.

    Parameters
    ----------
    network : Network
    state : mapping of str to ndarray
        By the names and in the orders of ``network.tensors``.
    source : str
        Where they come from, for messages.
    partial : bool
        Whether tensors of the network may be missing.
    origins : mapping of str to str, optional
        For the ledger: where each came from; its own name by default.
    metadata : mapping of str to object, optional
        For the ledger.

    Raises
    ------
    WeightsError
        If tensors are missing, left over, misshapen, no numbers, or not finite.
    """
    tensors = network.tensors
    problems: list[tuple[int, str]] = []
    for name, tensor in tensors.items():
        if name not in state:
            if not partial:
                problems.append(
                    (_index(name), f"{name} {_shape(tensor.shape)} is missing")
                )
        elif state[name].shape != tensor.shape:
            shapes = f"{_shape(tensor.shape)}, not {_shape(state[name].shape)}"
            problems.append((_index(name), f"{name} must be {shapes}"))
        elif state[name].dtype.kind not in "fiub":
            problems.append((_index(name), f"{name} is {state[name].dtype}"))
    for name in state:
        if name not in tensors:
            shape = _shape(state[name].shape)
            problems.append((_index(name), f"{name[:80]} {shape} is left over"))
    if problems:
        raise WeightsError(_misfit(source, network, problems))
    _require_finite(state, source)
    for name in tensors.keys() & state.keys():
        tensors[name][...] = state[name]
    untouched = tuple(name for name in tensors if name not in state)
    if not untouched:
        network.trained = True
    return Ledger(
        source,
        tuple(
            Placed(name, (origins or {}).get(name, name), tensor.shape)
            for name, tensor in tensors.items()
            if name in state
        ),
        untouched,
        metadata or {},
    )


def _misfit(source: str, network: Network, problems: list[tuple[int, str]]) -> str:
    """The message that lists what does not fit, by layer."""
    problems.sort(key=lambda problem: problem[0])
    lines = [f"  {text}" for _, text in problems[:_MOST_LINES]]
    if len(problems) > _MOST_LINES:
        lines.append(f"  and {len(problems) - _MOST_LINES} more")
    return (
        f"{source} does not fit {network.source}; nothing was loaded, "
        f"{len(problems)} tensors differ:\n" + "\n".join(lines)
    )


def _index(name: str) -> int:
    """Number of the layer that a tensor's name begins with; strangers come last."""
    index = name.partition(".")[0]
    is_number = index.isascii() and index.isdecimal() and len(index) < 10
    return int(index) if is_number else 2**31


def _require_finite(state: Mapping[str, NDArray[Any]], source: str) -> None:
    """Refuse NaN and infinity, which spread over the whole picture."""
    for name, tensor in state.items():
        if not np.isfinite(tensor).all():
            bad = int(np.count_nonzero(~np.isfinite(tensor)))
            raise WeightsError(
                f"{source}: {bad} of the {tensor.size} values of {name} are NaN or "
                f"infinite; such weights are of no use, and nothing was loaded or saved"
            )


# -- saving ----------------------------------------------------------------


def save_weights(
    network: Network,
    path: str | Path,
    *,
    source: str | None = None,
    licence: str | None = None,
    extra: Mapping[str, object] | None = None,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write a network's weights; equal weights give equal files.

    Parameters
    ----------
    network : Network
        With weights.
    path : str or Path
        Ends in .safetensors, or in .weights for Darknet's format, which has no
        place for the following parameters. Replaced if it exists.
    source : str, optional
        Where the weights came from.
    licence : str, optional
        SPDX identifier of their licence.
    extra : mapping of str to object, optional
        More metadata, kept as text.
    dtype : {"float32", "float16"}
        How to store them; float16 halves the file and keeps three digits.

    Raises
    ------
    WeightsError
        If the network has no weights, or they are not finite in ``dtype``.
    UsageError
        If the name ends in nothing known, or Darknet's format cannot hold what
        is asked.
    ZooError
        If the file cannot be written.
    """
    path = Path(path)
    network.require_weights()
    if path.suffix in DarknetReader.suffixes:
        if dtype != "float32":
            raise UsageError(
                f"{str(path)!r}: Darknet's format holds float32 only; "
                f"name the file .safetensors for {dtype}"
            )
        _require_finite(network.tensors, network.source)
        write_darknet(network, path)
        return
    if path.suffix not in SafetensorsReader.suffixes:
        raise UsageError(
            f"{str(path)!r}: weights are written as .safetensors or .weights; "
            f"give the file one of these endings"
        )
    _require_finite(network.tensors, network.source)
    tensors = _rounded(network, dtype)
    metadata = {str(key): str(value) for key, value in (extra or {}).items()}
    metadata |= {
        "zoo.format": FORMAT,
        "zoo.version": __version__,
        "zoo.cfg": network.fingerprint,
        "zoo.crc32": _checksum(tensors),
    }
    if source is not None:
        metadata["source"] = source
    if licence is not None:
        metadata["license"] = licence
    write_safetensors(path, tensors, metadata)


def _rounded(network: Network, dtype: str) -> dict[str, Array]:
    """The tensors as they will be stored."""
    if dtype not in ("float32", "float16"):
        raise UsageError(f"weights are stored as float32 or float16, not {dtype}")
    if dtype == "float32":
        return network.tensors
    with np.errstate(over="ignore"):
        tensors = {
            name: tensor.astype(np.float16) for name, tensor in network.tensors.items()
        }
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise WeightsError(
                f"{network.source}: {name} has values beyond 65504, which float16 "
                f"cannot hold; store the weights as float32"
            )
    return tensors


def _checksum(tensors: Mapping[str, NDArray[Any]]) -> str:
    """CRC-32 of names and float32 values, whatever type they are stored in.

    Safetensors files carry no checksum of their own, and one flipped bit in a
    weight changes every picture without a word.
    """
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(name.encode(), checksum)
        values = np.ascontiguousarray(tensors[name], "<f4")
        checksum = zlib.crc32(values.data, checksum)
    return f"{checksum:08x}"


def _shape(shape: tuple[int, ...]) -> str:
    """A shape for people: 3x3x64x64."""
    return "x".join(map(str, shape)) or "scalar"
