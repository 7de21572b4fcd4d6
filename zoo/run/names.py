"""Names of the files that a run makes."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from zoo.formats import named, suffix_of
from zoo.images.zarr_header import ZARR

__all__ = [
    "beside",
    "ending_of",
    "fitting",
    "keys",
    "origin_of",
    "own_ending",
    "told_apart",
    "with_format",
]

_LONGEST = 255  # bytes of a name, on every usual file system
_OURS = re.compile(r"(.+)_(?:x\d+(?:\.\d+)?|\d+x\d+|w\d+)")


def beside(path: str, suffix: str, scale: float | str) -> str:
    """The name of a result beside its picture: ``photo_x2.png``.

    Parameters
    ----------
    path : str
    suffix : str
        Of the result, with its dot.
    scale : float or str
        What stands behind ``_x``; a text stands there as it is, behind ``_``.
    """
    given = Path(path)
    stem = given.name.removesuffix(suffix_of(given))
    mark = scale if isinstance(scale, str) else f"x{scale:g}"
    return str(given.with_name(fitting(f"{stem}_{mark}", suffix)))


def with_format(path: str, name: str) -> str:
    """A path with the usual ending of another format."""
    given = Path(path)
    stem = given.name.removesuffix(own_ending(given)) or given.name
    return str(given.with_name(fitting(stem, ending_of(name))))


def own_ending(path: str | Path) -> str:
    """The ending of a name that stands for a format, Zarr's too; empty if none does."""
    suffix = Path(path).suffix
    return suffix if suffix.lower() == f".{ZARR}" else suffix_of(path)


def ending_of(name: str) -> str:
    """The usual ending of a format; Zarr is a folder, and none of the registry."""
    return f".{ZARR}" if name == ZARR else named(name).suffixes[0]


def fitting(stem: str, suffix: str) -> str:
    """A name of at most 255 bytes; a longer one ends in a mark of its own."""
    name = stem + suffix
    if len(os.fsencode(name)) <= _LONGEST:
        return name
    digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    room = _LONGEST - len(os.fsencode(f"~{digest}{suffix}"))
    # A character may take several bytes: the last one is dropped if it is cut.
    cut = os.fsencode(stem)[:room]
    for length in range(len(cut), max(0, len(cut) - 4), -1):
        short = os.fsdecode(cut[:length])
        if stem.startswith(short):
            break
    return f"{short}~{digest}{suffix}"


def origin_of(path: str) -> str | None:
    """The path, without its ending, of what ``photo_x2.png`` would be made from."""
    given = Path(path)
    match = _OURS.fullmatch(given.name.removesuffix(own_ending(given)))
    return None if match is None else os.path.realpath(given.with_name(match[1]))


def told_apart(paths: Sequence[Path]) -> list[str]:
    """The shortest ends of paths that differ from each other."""
    for length in (1, 2, 3):
        names = [str(Path(*path.parts[-length:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]


def keys(paths: Iterable[str]) -> dict[str, str]:
    """What makes paths one file, for each of them.

    Two that differ only by case are one where the file system says so; it is only
    asked if there are such.
    """
    reals = {path: os.path.realpath(path) for path in paths}
    alike: dict[str, set[str]] = {}
    for real in reals.values():
        alike.setdefault(real.casefold(), set()).add(real)
    return {
        path: real.casefold()
        if len(alike[real.casefold()]) > 1 and _ignores_case(os.path.dirname(real))
        else real
        for path, real in reals.items()
    }


@cache
def _ignores_case(folder: str) -> bool:
    """Whether a.png and A.png are one file in a folder, or the nearest there is."""
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        with tempfile.NamedTemporaryFile(prefix=".zoo-case", dir=folder) as file:
            name = os.path.basename(file.name).swapcase()
            return os.path.exists(os.path.join(folder, name))
    except OSError:
        return os.name == "nt"
