"""Checkpoints in several files with an index, and folders as Hugging Face has them.

``pytorch_model.bin.index.json`` or ``model.safetensors.index.json``::

    {"metadata": {...}, "weight_map": {"body.0.weight": "model-00001-of-00002...."}}

The files lie beside the index. Each is read by the reader of its own format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers.base import Checkpoint, Reader
from zoo.parsers.lazy import LazyTensors

__all__ = [
    "ShardsReader",
    "checkpoint_in",
    "holds_checkpoint",
    "refuse_lone_shard",
    "settings_beside",
]

_MAX_INDEX: Final = 64 << 20
_MAX_FILES: Final = 4096
_MAX_SETTINGS: Final = 1 << 20
_HUGGING_FACE: Final = re.compile(r"(pytorch_model|model)\b.*|pytorch_model_\dx\.pt")
_SHARD: Final = re.compile(r"(.*)-0*(\d{1,6})-of-0*(\d{1,6})(\.[\w.]+)")
_ENDINGS: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pth.tar")


class ShardsReader(Reader):
    """Reads the index of a checkpoint in several files, and the files."""

    name: ClassVar[str] = "shards"
    suffixes: ClassVar[tuple[str, ...]] = (".index.json",)

    @classmethod
    def recognizes(cls, path: Path, head: bytes) -> bool:
        """Whether it is JSON with a weight_map, as far as the head tells."""
        is_json = head.lstrip()[:1] == b"{"
        return is_json and (b'"weight_map"' in head or path.name.endswith(cls.suffixes))

    @classmethod
    def read(cls, path: Path) -> Checkpoint:
        """Read every file that the index names.

        Raises
        ------
        ReaderError
            If the index is none, a file of it is missing or outside its folder, or
            a tensor is not where the index says.
        """
        from zoo.parsers.detect import reader_of

        where = _index(path)
        parts = {}
        for file in dict.fromkeys(where.values()):
            if not (path.parent / file).is_file():
                raise ReaderError(
                    f"{path}: there is no file {file!r} beside the index, which holds "
                    f"a part of the tensors; fetch it too"
                )
            part = path.parent / file
            reader = reader_of(part)
            if reader is cls:
                raise ReaderError(f"{path}: {file!r} is an index itself")
            parts[file] = reader.read(part)
        for name, file in where.items():
            if name not in parts[file].tensors:
                raise ReaderError(f"{path}: {file!r} has no tensor {name[:80]!r}")

        def read(name: str) -> NDArray[Any]:
            return parts[where[name]].tensors[name]

        shapes = {name: parts[file].shape(name) for name, file in where.items()}
        return Checkpoint(
            cls.name,
            LazyTensors(shapes, read),
            {"files": [*dict.fromkeys(where.values())]},
        )


def _index(path: Path) -> Mapping[str, str]:
    """The file of each tensor."""
    try:
        if path.stat().st_size > _MAX_INDEX:
            raise ReaderError(f"{path} is too large for an index")
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ReaderError(f"{path} is no readable index ({error})") from None
    where = values.get("weight_map") if isinstance(values, dict) else None
    if not isinstance(where, dict) or not where:
        raise ReaderError(f"{path} has no weight_map, which an index of shards has")
    for file in where.values():
        if not isinstance(file, str) or not _is_plain(file):
            raise ReaderError(
                f"{path}: {str(file)[:80]!r} is no name of a file beside the index"
            )
    if len(set(where.values())) > _MAX_FILES:
        raise ReaderError(f"{path} names more than {_MAX_FILES} files")
    return where


def settings_beside(path: Path) -> dict[str, Any]:
    """Numbers and texts of the ``config.json`` that Hugging Face keeps beside weights.

    They are by the names that they have there, behind ``config.json.``; a file that
    cannot be read says nothing.
    """
    if not _HUGGING_FACE.match(path.name):
        return {}
    place = path.with_name("config.json")
    try:
        if place.stat().st_size > _MAX_SETTINGS:
            return {}
        values = json.loads(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        f"config.json.{key}": value
        for key, value in values.items()
        if isinstance(value, (int, float, str)) and len(str(value)) <= 200
    }


def _is_plain(name: str) -> bool:
    """Whether a text is the name of a file in the same folder."""
    strange = any(mark in name for mark in "/\\\0:")
    return not strange and name not in ("", ".", "..") and len(name) < 256


def checkpoint_in(folder: Path) -> Path:
    """The one checkpoint of a folder: an index, safetensors before other formats.

    Raises
    ------
    ReaderError
        If there is none, or more than one.
    """
    files = sorted(_files(folder))
    indices = [path for path in files if path.name.endswith(".index.json")]
    for ending in ("safetensors.index.json", ""):
        found = [path for path in indices if path.name.endswith(ending)]
        if len(found) == 1:
            return found[0]
    weights = [path for path in files if path.name.endswith(_ENDINGS)]
    preferred = [path for path in weights if path.suffix == ".safetensors"]
    for found in (preferred, weights):
        if len(found) == 1:
            return found[0]
    if not weights:
        raise ReaderError(
            f"{str(folder)!r} is a folder with no checkpoint in it; give a file"
        )
    names = ", ".join(path.name for path in weights[:6])
    raise ReaderError(
        f"{str(folder)!r} holds {len(weights)} checkpoints ({names}); give one of them"
    )


def holds_checkpoint(folder: Path) -> bool:
    """Whether a file of a folder has the name of a checkpoint or of an index."""
    names = [path.name for path in _files(folder)]
    return any(name.endswith((*_ENDINGS, ".index.json")) for name in names)


def _files(folder: Path) -> Iterator[Path]:
    try:
        for number, path in enumerate(folder.iterdir()):
            if number > 10 * _MAX_FILES:
                return
            if path.is_file():
                yield path
    except OSError as error:
        raise ReaderError(f"{str(folder)!r}: {error.strerror or error}") from None


def refuse_lone_shard(path: Path) -> None:
    """Refuse one file of several.

    Raises
    ------
    ReaderError
        If the name says so; names the index where it lies beside.
    """
    found = _SHARD.fullmatch(path.name)
    if found is None or int(found[3]) < 2:
        return
    stem, number, count, ending = found.groups()
    index = path.with_name(f"{stem}{ending}.index.json")
    advice = f"give {index.name}" if index.is_file() else "its index is needed too"
    raise ReaderError(
        f"{str(path)!r} is shard {number} of {count} of a checkpoint; {advice}"
    )
