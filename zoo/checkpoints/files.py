"""Weights in and out of a network, all or nothing.

Zoo's own format is safetensors with a tensor ``index.kind.name`` for every
stored array of the network (``5.convolutional.weights``) and this metadata:

=============  ==========================================================
zoo.format     "1"
zoo.version    the zoo that wrote the file
zoo.cfg        fingerprint of the cfg (:func:`zoo.parsers.cfg.fingerprint`)
zoo.crc32      checksum of the float32 values, in the network's order
zoo.layers     JSON: the distribution of each layer that is not zoo's own
source         where the weights came from
license        SPDX identifier of the weights' licence
=============  ==========================================================

Darknet's ``.weights`` is read and written too (:mod:`zoo.checkpoints.darknet`).
Every other format is converted first, by ``zoo convert``.
"""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo._version import __version__
from zoo.checkpoints.assign import LoadedTensor, LoadReport, assign, require_sound
from zoo.checkpoints.darknet import read_darknet, write_darknet
from zoo.checkpoints.npz import read_npz, write_npz
from zoo.errors import ReaderError, UsageError, WeightsError
from zoo.files import check_whole, read_head
from zoo.layers.base import Array
from zoo.network import Network
from zoo.origins import METADATA, origins_of
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import reader_of
from zoo.parsers.npz import NpzReader
from zoo.parsers.safetensors import SafetensorsReader, write_safetensors
from zoo.parsers.weights import DarknetReader
from zoo.tables import printable

__all__ = [
    "LoadReport",
    "LoadedTensor",
    "assign",
    "load_weights",
    "refuse_run_state",
    "save_weights",
]

FORMAT = "1"
_HEAD_BYTES = 4096


# -- loading ---------------------------------------------------------------


def load_weights(
    network: Network,
    path: str | Path,
    *,
    partial: bool = False,
    header: int | None = None,
) -> LoadReport:
    """Load a weights file into a network: every tensor, or none at all.

    Parameters
    ----------
    network : Network
        Its ``trained`` becomes True when all its tensors have values.
    path : str or Path
        A .safetensors or .npz file of zoo or a Darknet .weights file.
    partial : bool
        Let tensors stay as they are for which the file has no values: a
        backbone in a larger network. Left-over or misshapen ones are still
        errors.
    header : {16, 20}, optional
        Bytes of the header of a .weights file, where that is not what its version
        says; see :mod:`zoo.checkpoints.darknet`.

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
            read = SafetensorsReader.read(path)
            return _load_named(network, path, read, partial)
        case "npz":
            return _load_named(network, path, read_npz(path), partial)
        case _:
            state, placed = read_darknet(network, path, partial=partial, header=header)
            origins = {name: str(run) for name, run in placed.items()}
            return assign(network, state, str(path), partial=partial, origins=origins)


def _format_of(path: Path) -> Literal["safetensors", "npz", "weights"]:
    """Which of the formats a file has, by its content before its name."""
    check_whole(path, WeightsError, "weights")
    head = read_head(path, _HEAD_BYTES, WeightsError, "a weights file")
    if SafetensorsReader.recognizes(path, head):
        return "safetensors"
    if NpzReader.recognizes(path, head):
        return "npz"
    if DarknetReader.recognizes(path, head):
        return "weights"
    # The name decides how a damaged file is complained about.
    if path.suffix in SafetensorsReader.suffixes:
        return "safetensors"
    if path.suffix in DarknetReader.suffixes:
        return "weights"
    if path.suffix == ".bin":
        reader_of(path)  # refuses what cannot be converted either
    raise WeightsError(
        f"{str(path)!r} is neither a .safetensors, a .npz nor a Darknet .weights file; "
        f"convert it first: zoo convert {path}"
    )


def refuse_run_state(path: Path, metadata: Mapping[str, Any]) -> None:
    """Say of the state of a training run that its weights are beside it.

    Raises
    ------
    WeightsError
    """
    if "zoo.run" in metadata:
        raise WeightsError(
            f"{str(path)!r} is the state of a training run, to go on from (zoo train "
            f"--resume {path.parent}); its weights are best.safetensors beside it"
        )


def _load_named(
    network: Network, path: Path, checkpoint: Checkpoint, partial: bool
) -> LoadReport:
    """Load a file in zoo's names."""
    metadata = checkpoint.metadata
    version = metadata.get("zoo.format")
    refuse_run_state(path, metadata)
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
    report = assign(network, state, str(path), partial=partial, metadata=metadata)
    if metadata.get("zoo.cfg", network.fingerprint) != network.fingerprint:
        warnings.warn(
            f"{str(path)!r} was written for another cfg than {network.source}; all "
            f"tensors fit, but the result may differ from what they were trained for",
            UserWarning,
            stacklevel=3,
        )
    return report


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
        Ends in .safetensors, in .npz for an archive of NumPy, or in .weights for
        Darknet's format, which has no place for the following parameters. Replaced
        if it exists.
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
        require_sound(network, network.tensors, network.source)
        write_darknet(network, path)
        return
    if path.suffix not in SafetensorsReader.suffixes + NpzReader.suffixes:
        raise UsageError(
            f"{str(path)!r}: weights are written as .safetensors, .weights or .npz; "
            f"give the file one of these endings"
        )
    require_sound(network, network.tensors, network.source)
    tensors = _rounded(network, dtype)
    metadata = {str(key): str(value) for key, value in (extra or {}).items()}
    metadata |= {
        "zoo.format": FORMAT,
        "zoo.version": __version__,
        "zoo.cfg": network.fingerprint,
        "zoo.crc32": _checksum(tensors),
    }
    origins = origins_of(network.kinds)
    if origins:
        metadata[METADATA] = json.dumps(origins)
    if source is not None:
        metadata["source"] = printable(source)
    if licence is not None:
        metadata["license"] = licence
    write = write_npz if path.suffix in NpzReader.suffixes else write_safetensors
    write(path, tensors, metadata)


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
