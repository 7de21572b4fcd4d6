"""PyTorch checkpoints, read without PyTorch and without running anything.

A checkpoint is a pickle beside raw storages. The pickle is interpreted by
:mod:`zoo.parsers._pickle`, which can execute nothing; storages are read by
:mod:`zoo.parsers._torch_containers`. What remains here is to find the
state_dict among what a training script may have saved beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._pickle_values import Opaque, quoted
from zoo.parsers._torch_containers import LEGACY_MAGIC, is_tar, open_container
from zoo.parsers._torch_objects import NumpyArray, TensorRef
from zoo.parsers._torch_storage import Storages
from zoo.parsers._zip import BoundedZip
from zoo.parsers.base import Checkpoint, Reader

__all__ = ["TorchReader"]

# Where training scripts keep the weights, the ones to use for inference first.
_USUAL_KEYS = (
    "params_ema",
    "params-ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "netg",
    "net_g",
    "generator",
    "g",
    "net",
    "network",
    "module",
    "weights",
)
_UNWANTED = re.compile(r"optim|discriminator|scheduler|^net_?d$|^d$", re.IGNORECASE)
_MAX_DEPTH = 4
_MAX_REPORT = 1000
# Without the protocol's number: protocols 0 and 1.
_OLD_PICKLE = re.compile(rb"\}q\x00|\(?(d?p0\n|c[\w.]+\n[\w.]+\n|i[\w.]+\n[\w.]+\n)")


class TorchReader(Reader):
    """Reads ``.pt``, ``.pth``, ``.pth.tar``, ``.ckpt``: state_dicts of PyTorch.

    Zip and legacy containers and bare pickles are read. Floats of every width
    become float32, whole numbers and bool stay as they are, names and orders of
    axes are the file's.

    The metadata has

    ``container``
        "zip", "legacy" or "pickle".
    ``state_key``
        Dotted path of keys to the state_dict; empty if it is all there is.
    ``candidates``
        The number of tensors in each other dictionary of tensors, by path.
    ``scalars``
        Numbers and short texts beside or in the state_dict, by path.
    ``opaque``
        Classes of objects that were left alone, by path.
    ``prefix``
        First component that all names share ("module."), or "".
    """

    name: ClassVar[str] = "torch"
    suffixes: ClassVar[tuple[str, ...]] = (".pt", ".pth", ".pth.tar", ".ckpt", ".bin")

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is a zip with a data.pkl, PyTorch's old format, or a pickle."""
        if head[:4] == b"PK\x03\x04":
            if b"/data.pkl" in head[:512]:
                return True
            try:
                with closing(BoundedZip(path)) as archive:
                    return any(name.endswith("/data.pkl") for name in archive.sizes())
            except ReaderError:
                return False
        if is_tar(head):
            return head[:100].rstrip(b"\0").removeprefix(b"./") in (
                b"sys_info",
                b"pickle",
                b"tensors",
                b"storages",
            )
        if LEGACY_MAGIC.to_bytes(10, "little") in head[:32]:
            return True
        if len(head) > 2 and head[0] == 0x80 and head[1] <= 5:
            return True
        return _OLD_PICKLE.match(head) is not None

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read the state_dict of a checkpoint.

        Raises
        ------
        ReaderError
            If the file is truncated, damaged or hostile, if it holds a pickled
            module or program instead of tensors, or tensors that are quantized,
            sparse or complex.
        """
        container, root, storages = open_container(path)
        with closing(storages):
            found = _find_state(str(path), root)
            tensors = {
                name: _tensor(storages, name, value)
                for name, value in found.state.items()
                if isinstance(value, (TensorRef, NumpyArray, Opaque))
            }
        return Checkpoint(
            format=cls.name,
            tensors=tensors,
            metadata={
                "container": container,
                "state_key": found.path,
                "candidates": found.others,
                "scalars": found.scalars,
                "opaque": found.opaque,
                "prefix": _common_prefix(tensors),
            },
        )


class _Found(NamedTuple):
    path: str
    state: dict[str, Any]
    others: dict[str, int]
    scalars: dict[str, Any]
    opaque: dict[str, str]


def _find_state(source: str, root: Any) -> _Found:
    """Choose the state_dict among the dictionaries of a checkpoint."""
    candidates: list[tuple[tuple[str, ...], dict[str, Any]]] = []
    scalars: dict[str, Any] = {}
    opaque: dict[str, str] = {}
    for path, value in _walk(root):
        if isinstance(value, dict):
            if _tensor_count(value):
                candidates.append((path, value))
        elif isinstance(value, Opaque):
            if len(opaque) < _MAX_REPORT:
                opaque[".".join(path)] = str(value.function)
        elif len(scalars) < _MAX_REPORT and _is_scalar(value):
            scalars[".".join(path)] = _scalar(value)
    if not candidates:
        raise ReaderError(f"{source}: {_why_no_state(root, opaque)}")
    candidates.sort(key=lambda found: _rank(*found))
    path, state = candidates[0]
    return _Found(
        ".".join(path),
        {name: value for name, value in state.items() if isinstance(name, str)},
        {".".join(other): _tensor_count(value) for other, value in candidates[1:]},
        scalars,
        opaque,
    )


def _walk(root: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Visit the values under text keys, each dictionary once, to a fixed depth."""
    seen: set[int] = set()
    level: list[tuple[tuple[str, ...], Any]] = [((), root)]
    for _ in range(_MAX_DEPTH + 1):
        below: list[tuple[tuple[str, ...], Any]] = []
        for path, value in level:
            yield path, value
            if isinstance(value, dict) and id(value) not in seen:
                seen.add(id(value))
                below += [
                    ((*path, key), item)
                    for key, item in value.items()
                    if isinstance(key, str)
                ]
        level = below


def _tensor_count(values: dict[Any, Any]) -> int:
    return sum(
        isinstance(name, str) and isinstance(value, (TensorRef, NumpyArray))
        for name, value in values.items()
    )


def _rank(path: tuple[str, ...], state: dict[str, Any]) -> tuple[bool, int, int, int]:
    """Order of preference; least is best."""
    unwanted = any(_UNWANTED.search(part[:100]) for part in path)
    last = path[-1].lower() if path else ""
    usual = _USUAL_KEYS.index(last) if last in _USUAL_KEYS else len(_USUAL_KEYS)
    return unwanted, usual, -_tensor_count(state), len(path)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, NumpyArray):
        return value.array is not None and value.array.ndim == 0
    if isinstance(value, str):
        return len(value) <= 200
    if isinstance(value, int):
        return abs(value) < 1 << 64
    return value is None or isinstance(value, float)


def _scalar(value: Any) -> Any:
    if isinstance(value, NumpyArray) and value.array is not None:
        return value.array.item()
    return value


def _why_no_state(root: Any, opaque: dict[str, str]) -> str:
    if opaque:
        path, name = next(iter(opaque.items()))
        where = f" under {quoted(path)}" if path else ""
        return (
            f"this file holds a pickled module or object (class {quoted(name)}{where}), "
            f"not a state_dict; in PyTorch, save model.state_dict() and convert that"
        )
    if isinstance(root, dict):
        keys = ", ".join(quoted(key) for key in list(root)[:8] if isinstance(key, str))
        return f"no tensors are in this checkpoint (its keys: {keys or 'none'})"
    kind = type(root).__name__
    if isinstance(root, (TensorRef, NumpyArray)):
        kind = "single tensor"
    return (
        f"a {kind} was saved, not a state_dict, which is a dictionary of named tensors"
    )


def _tensor(
    storages: Storages, name: str, value: TensorRef | NumpyArray | Opaque
) -> NDArray[Any]:
    if isinstance(value, TensorRef):
        return storages.tensor(name, value)
    if isinstance(value, Opaque):
        raise ReaderError(
            f"{storages.source}: {quoted(name)} in the state_dict is made by "
            f"{quoted(str(value.function))}, which is no plain tensor; save dense, "
            f"dequantized tensors"
        )
    if value.array is None:
        raise ReaderError(
            f"{storages.source}: the array {quoted(name)} has no contents"
        )
    if value.array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return value.array.astype(np.float32)
    return value.array


def _common_prefix(names: dict[str, Any]) -> str:
    """Return the first component with its dot if all names share it, else ""."""
    first = {name.partition(".")[0] for name in names if "." in name}
    if len(first) == 1 and all("." in name for name in names):
        return f"{first.pop()}."
    return ""
