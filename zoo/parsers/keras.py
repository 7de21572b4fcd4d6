"""Keras's HDF5 files (``.h5``): weights, and the model's configuration if saved with it.

Kernels are kh x kw x I x O (kh x kw x O x I for transposed convolutions). Read with
h5py, which is an extra of zoo's (``keras``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.graphs.graph import Graph
from zoo.parsers._hdf5 import SIGNATURE, BoundedHdf5, open_hdf5
from zoo.parsers._json import parse_json
from zoo.parsers._keras.graph import translate
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
        with open_hdf5(path) as file:
            text = file.text(file.root, "model_config")
            group = file.root
            if file.texts(group, "layer_names") is None and "model_weights" in group:
                group = file.child(group, "model_weights")
            names = file.texts(group, "layer_names")
            tensors: dict[str, NDArray[Any]]
            if names is None:
                tensors = {
                    name: file.array(file.child(group, name), name)
                    for name in file.walk(group)
                }
            else:
                tensors = _by_layers(file, group, names, text is not None)
            if not tensors:
                raise file.error("there are no weights in it")
        metadata: dict[str, Any] = {"layers": names or []}
        if text is None:
            metadata["graph_missing"] = (
                "it holds weights only, so nothing says how its layers are wired; "
                "save the whole model in Keras (model.save), and zoo translates it"
            )
            return Checkpoint(cls.name, tensors, metadata)
        if len(text) > _MAX_CONFIG:
            raise ReaderError(f"{path}: its configuration has {len(text)} characters")
        config = parse_json(text, str(path), "the model's configuration")

        def graph() -> Graph:
            return translate(config, tensors, str(path))

        return Checkpoint(cls.name, tensors, metadata, graph)


def _is_archive(head: bytes) -> bool:
    return head[:2] == b"PK" and head[30:41] in (b"metadata.js", b"config.json")


def _by_layers(
    file: BoundedHdf5, group: Any, layers: list[str], wired: bool
) -> dict[str, NDArray[Any]]:
    """The weights, layer by layer, each layer's in the order of its own list.

    ``wired`` says whether a configuration tells the layers of models within the model.
    """
    found: dict[str, NDArray[Any]] = {}
    for layer in layers:
        owner = file.child(group, layer)
        weights = file.texts(owner, "weight_names") or []
        parents = {weight.rpartition("/")[0].rpartition("/")[2] for weight in weights}
        for weight in weights:
            # Of a layer called conv: conv/kernel:0, scope/conv/kernel:0, kernel; of a
            # model within the model: inner/kernel:0, with as many inner as it has.
            scope, _, role = weight.removesuffix(":0").rpartition("/")
            inner = scope.rpartition("/")[2]
            if inner in ("", layer) or (len(parents) == 1 and not wired):
                name = f"{layer}/{role}"
            else:
                name = f"{layer}/{scope.removeprefix(f'{layer}/')}/{role}"
            if name in found:
                raise file.error(f"two weights are called {name[:80]!r}")
            found[name] = file.array(file.child(owner, weight), name)
    return found
