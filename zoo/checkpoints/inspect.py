"""What a file is, for people who have a folder of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from zoo.catalog import cfg_of_weights
from zoo.checkpoints.convert import make_network
from zoo.checkpoints.files import refuse_run_state
from zoo.checkpoints.npz import METADATA
from zoo.errors import ReaderError, WeightsError, ZooError
from zoo.models.identify import identify
from zoo.models.stated import as_stated
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.parsers.detect import NAMELESS, reader_of
from zoo.parsers.shards import checkpoint_in, refuse_lone_shard

__all__ = ["CheckpointInfo", "find_checkpoints", "inspect"]

_MOST_FILES: Final = 100_000
# What lies beside networks and is none.
_OTHERS: Final = frozenset(
    {
        *(".cfg", ".yaml", ".yml", ".md", ".txt", ".png", ".jpg", ".jpeg", ".webp"),
        *(".py", ".json", ".csv", ".html", ".gitattributes", ".gitignore"),
    }
)


@dataclass(frozen=True)
class CheckpointInfo:
    """What is known of one file.

    Attributes
    ----------
    file : str
    format : str or None
        Name of the reader.
    family, layout : str or None
        "graph" where the file's own graph is translated.
    scale : float or None
    channels : int or None
        Of the picture.
    parameters : int or None
    licence : str
        As the file says; "unknown" if it does not.
    tensors : int or None
    notes : tuple of str
        Which tensors are meant, and what was left aside.
    reason : str or None
        Why it is not converted.
    """

    file: str
    format: str | None = None
    family: str | None = None
    layout: str | None = None
    scale: float | None = None
    channels: int | None = None
    parameters: int | None = None
    licence: str = "unknown"
    tensors: int | None = None
    notes: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether ``zoo convert`` and ``zoo run`` take the file."""
        return self.reason is None

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON."""
        return asdict(self)


def inspect(path: str | Path) -> CheckpointInfo:
    """Say what a checkpoint is; what is wrong with it is told as well."""
    path = Path(path)
    known: dict[str, Any] = {"file": str(path)}
    try:
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise ReaderError("is a folder that cannot be read: Permission denied")
            path = checkpoint_in(path)
        refuse_lone_shard(path)
        reader = reader_of(path)
        known["format"] = reader.name
        if reader.name in NAMELESS:
            raise ReaderError("weights without names; give their cfg (--cfg)")
        checkpoint = reader.read(path)
        known["tensors"] = len(checkpoint.tensors)
        known["licence"] = _licence(checkpoint)
        known |= _network(checkpoint, path)
    except ZooError as error:
        reason = str(error).removeprefix(f"{str(path)!r} ").removeprefix(f"{path}: ")
        known["reason"] = " ".join(reason.split())
    return CheckpointInfo(**known)


def _network(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Family and sizes; of a family's file no tensor is read for it."""
    if "zoo.format" in checkpoint.metadata or METADATA in checkpoint.tensors:
        return _ours(checkpoint, path)
    refuse_run_state(path, checkpoint.metadata)
    try:
        found = identify(checkpoint, str(path))
    except (WeightsError, ReaderError):
        if checkpoint.graph is None:
            raise
        made = make_network(path, checkpoint, "graph", None, {}, Path("net.cfg"))
        network, recognition, notes = made.network, made.recognition, made.notes
    else:
        recognition = as_stated(found.recognition, checkpoint)
        network = Network.parse(found.family.write(**recognition.options))
        notes = found.notes
    return {
        "family": recognition.family,
        "layout": recognition.layout,
        "scale": network.scale,
        "channels": network.pixels.channels,
        "parameters": network.parameter_count,
        "notes": tuple(notes),
    }


def _ours(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Of weights that zoo wrote, what the cfg beside them says."""
    cfg = cfg_of_weights(path)
    if cfg is None:
        name = path.with_suffix(".cfg").name
        raise ReaderError(f"weights of zoo's own, without their {name} beside them")
    network = Network.read(cfg)
    return {
        "family": str(checkpoint.metadata.get("family", "zoo"))[:40],
        "layout": "zoo",
        "scale": network.scale,
        "channels": network.pixels.channels,
        "parameters": network.parameter_count,
    }


def _licence(checkpoint: Checkpoint) -> str:
    """The licence, where a file states one."""
    for values in (checkpoint.metadata, checkpoint.metadata.get("scalars") or {}):
        for key, value in values.items():
            last = str(key).rpartition(".")[2].lower()
            if last in ("license", "licence") and isinstance(value, str) and value:
                return value[:80]
    return "unknown"


def find_checkpoints(paths: list[str]) -> Iterator[Path]:
    """Files as given, and of folders those that may be checkpoints, sorted."""
    for text in paths:
        path = Path(text)
        if not path.is_dir():
            yield path
            continue
        files = sorted(_below(path))
        indexed = {file.parent for file in files if file.name.endswith(".index.json")}
        for file in files:
            if not (file.parent in indexed and "-of-0" in file.name):
                yield file


def _below(folder: Path) -> Iterator[Path]:
    """Files that may be checkpoints, and folders that cannot be read."""
    locked: list[Path] = []
    number = 0
    for root, folders, files in os.walk(
        folder, onerror=lambda error: locked.append(Path(error.filename))
    ):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if not os.access(root, os.X_OK):  # names can be read, and nothing else
            locked.append(Path(root))
            folders.clear()
            continue
        for name in files:
            number += 1
            if number > _MOST_FILES:
                return
            path = Path(root, name)
            named = name.endswith((".index.json", "model.json"))
            if name[0] != "." and path.is_file() and (named or _may_be(path)):
                yield path
    yield from locked


def _may_be(path: Path) -> bool:
    """Whether a file of a folder is worth a line: other kinds are passed over."""
    if path.suffix.lower() in _OTHERS:
        return False
    try:
        reader = reader_of(path)
    except ZooError:
        return path.suffix.lower() in (".pth", ".pt", ".ckpt", ".safetensors", ".bin")
    return reader.name not in NAMELESS
