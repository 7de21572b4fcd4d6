"""What is in an HDF5 file of Keras's, taken out of it by a process of its own.

HDF5 is read by a library in C that a damaged file can send into an endless loop, or
crash. So a child opens the file, copies what zoo wants, and is ended if it takes too
long or too much; no one but it is hurt. It hands over a .safetensors file.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.extras import how_to_install
from zoo.parsers._keras.hdf5 import BoundedHdf5, open_hdf5

__all__ = ["Contents", "extract", "extract_apart", "main"]

_OUT_OF_TIME: Final = (-9, -24)
"""Exit codes of a child that the system ended for its use of the processor."""

_REFUSED: Final = 3
"""Exit code of a child that names the reason."""

_SECONDS: Final = 4  # of a processor's time
_PATIENCE: Final = 30  # times that, on a busy machine
_BYTES_PER_SECOND: Final = 4 << 20  # of a slow disk
_MEMORY: Final = 4 << 30  # of addresses, most of which the libraries only reserve


@dataclass(frozen=True)
class Contents:
    """What is in a file.

    Attributes
    ----------
    config : str or None
        The model's configuration, JSON.
    layers : list of str
        Names of all layers, those without weights too, in the model's order.
    tensors : dict of str to ndarray
        Called LAYER/WEIGHT, in the order of the layers.
    """

    config: str | None
    layers: list[str]
    tensors: dict[str, NDArray[Any]]


def extract(path: Path) -> Contents:
    """Read a file in this process.

    Raises
    ------
    ReaderError
        If it is damaged, holds no weights, or h5py is not installed.
    """
    with open_hdf5(path) as file:
        config = file.text(file.root, "model_config")
        group = file.root
        if file.texts(group, "layer_names") is None and "model_weights" in group:
            group = file.child(group, "model_weights")
        layers = file.texts(group, "layer_names")
        tensors: dict[str, NDArray[Any]]
        if layers is None:
            tensors = {
                name: file.array(file.child(group, name), name)
                for name in file.walk(group)
            }
        else:
            tensors = _by_layers(file, group, layers, config is not None)
        if not tensors:
            raise file.error("there are no weights in it")
    return Contents(config, layers or [], tensors)


def extract_apart(path: Path) -> Contents:
    """Read a file in a child process, which gets little time and memory.

    Raises
    ------
    ReaderError
        As :func:`extract`; or if the child crashes or does not end.
    """
    from safetensors import safe_open

    try:
        installed = find_spec("h5py") is not None
    except ValueError:
        installed = False
    if not installed:
        raise ReaderError(
            f"{path}: Keras's HDF5 files are read with h5py, which is not installed; "
            f"{how_to_install('keras')}"
        )
    limit = _SECONDS + path.stat().st_size / _BYTES_PER_SECOND
    package = Path(__file__).parents[3]
    known = [str(package), *filter(None, sys.path)]
    with TemporaryDirectory(prefix="zoo-") as folder:
        copy = Path(folder, "contents.safetensors")
        try:
            done = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    _CHILD,
                    str(path),
                    str(copy),
                    str(math.ceil(limit)),
                ],
                capture_output=True,
                timeout=_PATIENCE * limit,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(known),
                    "PYTHONIOENCODING": "utf-8",
                    "OPENBLAS_NUM_THREADS": "1",
                },
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ReaderError(
                f"{path}: the HDF5 file is damaged: reading it does not end"
            ) from None
        if done.returncode == _REFUSED:
            raise ReaderError(done.stderr.decode("utf-8", "replace").strip())
        if done.returncode in _OUT_OF_TIME:
            raise ReaderError(
                f"{path}: the HDF5 file is damaged: reading it does not end"
            )
        if done.returncode or not copy.is_file():
            raise ReaderError(
                f"{path}: the HDF5 file is damaged: the library that reads it crashed "
                f"(exit code {done.returncode})"
            )
        with safe_open(copy, "np") as file:
            said = json.loads(file.metadata()["contents"])
            tensors = {
                name: file.get_tensor(str(index))
                for index, name in enumerate(said["names"])
            }
    return Contents(said["config"], said["layers"], tensors)


_CHILD: Final = "from zoo.parsers._keras.contents import main; main()"


def main() -> None:
    """The child: read the file named first, write what is in it to the second."""
    source, target, seconds = sys.argv[1:4]
    with suppress(ImportError, ValueError, OSError):
        import resource

        size = os.stat(source).st_size
        memory = _MEMORY + 64 * size
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        contents = extract(Path(source))
        _hand_over(contents, target)
    except ReaderError as error:
        print(error, file=sys.stderr)
        sys.exit(_REFUSED)


def _hand_over(contents: Contents, target: str) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    said = {
        "config": contents.config,
        "layers": contents.layers,
        "names": list(contents.tensors),
    }
    numbered = {
        str(index): np.ascontiguousarray(values)
        for index, values in enumerate(contents.tensors.values())
    }
    save_file(numbered, target, {"contents": json.dumps(said)})


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
