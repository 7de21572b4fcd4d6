"""Checkpoints in place of networks: converted in passing, and kept.

Wherever a command takes a network, it takes a published checkpoint as well:
``zoo run model.pth photo.png``. The conversion is kept in the user's cache under the
SHA-256 of the file, so that the second time costs only reading it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from zoo._version import __version__
from zoo.cache import cache_folder
from zoo.catalog import RUN_CFG, cfg_of_weights, find_cfg, find_weights
from zoo.checkpoints.cards import digest
from zoo.checkpoints.npz import METADATA
from zoo.checkpoints.published import Published, fetched, published
from zoo.errors import ReaderError, UnknownNetworkError, UsageError
from zoo.files import read_head
from zoo.formats import by_suffix
from zoo.parsers.base import Reader
from zoo.parsers.detect import NAMELESS, reader_of
from zoo.parsers.npz import NpzReader
from zoo.parsers.safetensors import SafetensorsReader, read_metadata
from zoo.parsers.shards import checkpoint_in, holds_checkpoint, settings_beside

__all__ = ["find_network"]

# These read more files of the folder than the one that is named.
_SEVERAL_FILES: Final = frozenset({"shards", "ncnn", "mxnet", "tfjs", "onnx", "keras"})


def find_network(
    name_or_path: str | Path, settings: Mapping[str, str] | None = None
) -> Path:
    """Find a network's cfg file, or make it from a published checkpoint.

    Parameters
    ----------
    name_or_path : str or Path
        What :func:`zoo.catalog.find_cfg` takes; or a checkpoint of any format that
        ``zoo convert`` reads, a folder with one in it, or the name of one that
        ``zoo fetch`` has fetched. What the file does not state is assumed as
        published, and a warning says so when it is converted.
    settings : mapping of str to str, optional
        What a checkpoint does not state: ``zoo convert --set``.

    Returns
    -------
    Path
        Of a cfg whose weights :func:`zoo.catalog.find_weights` finds.

    Raises
    ------
    UnknownNetworkError
        If there is no such file or network.
    ReaderError, WeightsError, UsageError
        If it is a checkpoint that cannot be converted, or something else and there
        are settings for it.
    """
    settings = settings or {}
    found = _checkpoint(Path(name_or_path))
    if isinstance(found, Path):
        if settings:
            raise UsageError(
                f"--set is for checkpoints that are converted in passing; "
                f"{found} states all about its network"
            )
        return found
    return _converted(*found, settings)


def _checkpoint(path: Path) -> Path | tuple[Path, type[Reader], str]:
    """A cfg as it is; or a checkpoint, its reader and its licence."""
    name = str(path)
    if path.is_dir() and not (path / RUN_CFG).is_file():
        if not holds_checkpoint(path):
            return find_cfg(name)
        path = checkpoint_in(path)
    licence = "unknown"
    if not path.exists():
        try:
            return find_cfg(name)
        except UnknownNetworkError:
            card = published().get(name.lower())
            if card is None:
                raise
        path, licence = _fetched(card), card.license
    if not path.is_file() or path.suffix == ".cfg" or by_suffix(path) is not None:
        return find_cfg(name)
    try:
        reader = reader_of(path)
    except ReaderError:
        if _is_text(path):
            return find_cfg(path)
        raise
    if reader.name in NAMELESS or _is_ours(path, reader):
        return _beside(path)
    return path, reader, licence


def _fetched(card: Published) -> Path:
    """The file of a card, which was fetched before."""
    path = fetched(card)
    if path is None:
        raise UnknownNetworkError(
            f"{card.name} is published elsewhere ({card.page}); "
            f"`zoo fetch {card.name}` fetches it"
        )
    return path


def _is_text(path: Path) -> bool:
    """Whether a file may be a cfg under another ending."""
    head = read_head(path, 4096, ReaderError, "a network")
    return b"\0" not in head and b"[" in head and b"://" not in head[:200]


def _is_ours(path: Path, reader: type[Reader]) -> bool:
    """Whether these are weights that zoo wrote, which a cfg goes with."""
    if reader is NpzReader:
        return METADATA in NpzReader.read(path).tensors
    return reader is SafetensorsReader and "zoo.format" in read_metadata(path)


def _beside(path: Path) -> Path:
    """The cfg that weights without names belong to."""
    cfg = cfg_of_weights(path)
    if cfg is not None:
        found = find_weights(cfg)
        if found is not None and found.resolve() == path.resolve():
            return cfg
        raise UnknownNetworkError(
            f"{cfg} finds {found} before {path}; give the cfg, and these weights with "
            f"--weights"
        )
    name = f"{path.name.removesuffix(path.suffix)}.cfg"
    raise UnknownNetworkError(
        f"{str(path)!r} holds weights and no network, and there is no {name} "
        f"beside it; give the cfg, and the weights with --weights"
    )


def _converted(
    path: Path, reader: type[Reader], licence: str, settings: Mapping[str, str]
) -> Path:
    from zoo.checkpoints.convert import convert

    folder = cache_folder("converted", _key(path, reader, settings))
    stem = path.name.removesuffix(path.suffix) or path.name
    cfg = folder / f"{stem[:80]}.cfg"
    if cfg.is_file() and cfg.with_name(f"{stem[:80]}.safetensors").is_file():
        return cfg
    done = convert(path, cfg, options=settings, licence=licence, force=True)
    assumed = ", ".join(
        f"{item.option}={_text(item.value)}" for item in done.assumptions
    )
    known = done.recognition
    what = f"{known.family} as named by {known.layout}" if known else done.format
    warnings.warn(
        f"{path} was converted in passing: {what}"
        + (f"; {'; '.join(done.notes)}" if done.notes else "")
        + (f"; assumed {assumed} (--set changes it)" if assumed else ""),
        UserWarning,
        stacklevel=4,
    )
    return cfg


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(str, value)) or "auto"
    return str(value)


def _key(path: Path, reader: type[Reader], settings: Mapping[str, str]) -> str:
    """What a conversion depends on: the file and those beside it, settings, program."""
    found = hashlib.sha256(digest(path).encode())
    found.update(f"{reader.name} {__version__} {_program()}".encode())
    said = (*sorted(settings_beside(path).items()), *sorted(settings.items()))
    found.update(repr(said).encode("utf-8", "surrogateescape"))
    if reader.name in _SEVERAL_FILES:
        for other in sorted(path.parent.iterdir()):
            facts = other.stat() if other.is_file() else None
            if facts is not None:
                named = f"{other.name} {facts.st_size} {facts.st_mtime_ns}\n"
                found.update(named.encode("utf-8", "surrogateescape"))
    return found.hexdigest()[:32]


@cache
def _program() -> int:
    """When the newest file of this program was written: conversions improve."""
    root = Path(__file__).parents[1]
    rooms = ("models", "graphs", "parsers", "checkpoints", "layers")
    files = (file for room in rooms for file in (root / room).rglob("*.py"))
    return max((file.stat().st_mtime_ns for file in files), default=0)
