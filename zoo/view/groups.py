"""Which files belong together: a picture and what was made of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import UsageError
from zoo.formats import by_suffix
from zoo.images.zarr_header import is_zarr
from zoo.run.inputs import find_inputs, series_in
from zoo.run.names import origin_of, own_ending

__all__ = ["Group", "groups_of"]


@dataclass
class Group:
    """Files that are shown together.

    Attributes
    ----------
    name : str
    paths : list of Path
    reference : Path or None
        What the others should be; not one of ``paths``.
    """

    name: str
    paths: list[Path] = field(default_factory=list)
    reference: Path | None = None


def groups_of(paths: Sequence[Path], reference: Path | None = None) -> list[Group]:
    """What goes together of the files or folders that a call names.

    Files, and folders of one series of slices, are one group. A folder of others is one group for each picture, with what `zoo run`
    made of it beside it (``a.png``, ``a_x2.png``). Of several folders those files go
    together that lie in the same place, with or without such a mark.

    Parameters
    ----------
    paths : sequence of Path
    reference : Path, optional
        A file, or a folder where ``paths`` are folders.

    Raises
    ------
    UsageError
        If files and folders are mixed, or nothing is found.
    """
    folders = [
        path
        for path in paths
        if path.is_dir() and not (is_zarr(path) or series_in(path))
    ]
    if not folders:
        if reference is not None and reference.is_dir():
            raise UsageError(f"{reference} is a folder; the reference is one file here")
        names = dict.fromkeys(path.name for path in paths)
        others = [path for path in paths if path != reference]
        return [Group(", ".join(names), others, reference)]
    if len(folders) < len(paths):
        raise UsageError("give files or folders, not both")
    if reference is not None and not reference.is_dir():
        raise UsageError(f"{reference} is one file; with folders give a folder")
    groups: dict[str, Group] = {}
    for folder in folders:
        for key, path in _keys(folder):
            groups.setdefault(key, Group(key)).paths.append(path)
    if not groups:
        raise UsageError(f"there is no picture in {', '.join(map(str, folders))}")
    if reference is not None:
        for key, path in _keys(reference):
            if key in groups:
                groups[key].reference = path
    return [groups[key] for key in sorted(groups)]


def _keys(folder: Path) -> list[tuple[str, Path]]:
    """Each file of a folder, or series of slices, with the place of what it is of."""
    root = os.path.realpath(folder)
    found = []
    for item in find_inputs([str(folder)], None).items:
        path = Path(item.path)
        known = by_suffix(path)
        kind = "picture" if known is None else known.kind
        if kind == "video":
            continue
        if item.others:  # a series of slices is opened by the name of its folder
            path = path.parent
        own = path.name.removesuffix(own_ending(path))
        stem = origin_of(str(path)) or os.path.join(os.path.realpath(path.parent), own)
        mark = "" if kind == "picture" else f" ({kind})"
        found.append((os.path.relpath(stem, root) + mark, path))
    return found
