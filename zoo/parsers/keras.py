"""Keras's HDF5 files (``.h5``): weights, and the model's configuration if saved with it.

Kernels are kh x kw x I x O (kh x kw x O x I for transposed convolutions). Read with
h5py, which is an extra of zoo's (``keras``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._json import parse_json
from zoo.parsers._keras.contents import Contents, extract_apart
from zoo.parsers._keras.graph import translate
from zoo.parsers._keras.hdf5 import SIGNATURE
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["KerasReader"]

_MAX_CONFIG: Final = 16 << 20


class KerasReader(Reader):
    """Reads HDF5 files that Keras wrote; tensors are called LAYER/WEIGHT.

    They come in the order of the file's ``layer_names``, which is the order of the
    model's layers: numbers in names may start anywhere. The metadata have

    ``layers``
        Names of all layers, those without weights too.
    ``graph_missing``
        Where the file has no configuration: says so.
    """

    name: ClassVar[str] = "keras"
    suffixes: ClassVar[tuple[str, ...]] = (".h5", ".hdf5", ".weights.h5", ".keras")

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is an HDF5 file, Keras's or not, or an archive of Keras 3."""
        return head.startswith(SIGNATURE) or _is_archive(head)

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the weights and the configuration.

        Raises
        ------
        ReaderError
            If it is truncated, damaged, holds no weights, needs other files, or
            claims more than its bytes can be; or if h5py is not installed.
        """
        with open(path, "rb") as stream:
            if _is_archive(stream.read(64)):
                raise ReaderError(
                    f"{path}: this is an archive of Keras 3; save the model as HDF5 "
                    f"(model.save('{path.stem}.h5'))"
                )
        return checkpoint_of(extract_apart(path), path)


def checkpoint_of(contents: Contents, path: Path) -> Checkpoint:
    """A file's contents as a checkpoint."""
    tensors, text = contents.tensors, contents.config
    metadata: dict[str, Any] = {"layers": contents.layers}
    if text is None:
        metadata["graph_missing"] = (
            "it holds weights only, so nothing says how its layers are wired; "
            "save the whole model in Keras (model.save), and zoo translates it"
        )
        return Checkpoint(KerasReader.name, tensors, metadata)
    if len(text) > _MAX_CONFIG:
        raise ReaderError(f"{path}: its configuration has {len(text)} characters")
    config = parse_json(text, str(path), "the model's configuration")

    def graph() -> Graph:
        return translate(config, tensors, str(path))

    return Checkpoint(KerasReader.name, tensors, metadata, graph)


def _is_archive(head: bytes) -> bool:
    return head[:2] == b"PK" and head[30:41] in (b"metadata.js", b"config.json")
