"""Weights as an archive of NumPy: for people who want arrays and nothing else.

Every tensor is an entry of zoo's own name (``5.convolutional.weights.npy``), float32,
in zoo's order of axes; ``zoo.metadata`` is JSON, as bytes. ``np.load(path)`` opens it,
``zoo run CFG --weights FILE.npz`` too.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.files import atomic_write
from zoo.parsers.base import Checkpoint
from zoo.parsers.npz import NpzReader

__all__ = ["METADATA", "read_npz", "write_npz"]

METADATA: Final = "zoo.metadata"
"""The entry that is no tensor; tells that zoo wrote the archive."""

_MOST: Final = 1 << 20  # bytes of metadata


def write_npz(
    path: str | Path, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Write tensors; equal arguments give equal files.

    Raises
    ------
    ZooError
        If the file cannot be written.
    """
    text = json.dumps(dict(sorted(metadata.items())), ensure_ascii=False)
    entries = {**tensors, METADATA: np.frombuffer(text.encode(), np.uint8)}
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, tensor in entries.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.ascontiguousarray(tensor))
            # ZipInfo's own date, 1980, in place of now.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue())


def read_npz(path: Path) -> Checkpoint:
    """Read an archive that zoo wrote: its tensors, and its metadata as text.

    Raises
    ------
    ReaderError
        If it is damaged, or no archive of zoo's.
    """
    found = NpzReader.read(path)
    tensors = dict(found.tensors)
    data = tensors.pop(METADATA, np.zeros(0, np.uint8))
    try:
        if data.dtype != np.uint8 or data.size > _MOST:
            raise ValueError("it is no short text")
        values = json.loads(data.tobytes() or b"{}")
        if not isinstance(values, dict):
            raise TypeError("it is no mapping")
    except (ValueError, TypeError, RecursionError) as error:
        raise ReaderError(f"{path}: its {METADATA} is damaged ({error})") from None
    metadata = {str(key): str(value) for key, value in values.items()}
    return Checkpoint(found.format, tensors, metadata)
