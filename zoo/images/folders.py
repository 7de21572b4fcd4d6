"""Which files of a folder are pictures."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.formats import by_suffix

__all__ = ["pictures_in"]


def pictures_in(
    folder: str | Path, *, recursive: bool = False, without: Path | None = None
) -> list[Path]:
    """The pictures of a folder, known by their ending, sorted.

    Parameters
    ----------
    folder : str or Path
        Must exist.
    recursive : bool
        Whether what is below counts too.
    without : Path, optional
        A folder to leave out. Hidden files and folders always are.
    """
    inside = None if without is None else without.resolve()
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        found += (
            path
            for path in (Path(root, name) for name in files)
            if _is_shown(path) and _is_picture(path) and path.is_file()
        )
        below = (Path(root, name) for name in folders) if recursive else ()
        # What is left in this list is where os.walk goes next.
        folders[:] = [
            path.name for path in below if _is_shown(path) and path.resolve() != inside
        ]
    return sorted(found)


def _is_shown(path: Path) -> bool:
    return not path.name.startswith(".")


def _is_picture(path: Path) -> bool:
    found = by_suffix(path)
    return found is not None and found.kind == "picture"
