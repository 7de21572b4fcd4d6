"""Which files of a folder are pictures, and what else lies there."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from zoo.formats import Kind, by_suffix, series_format
from zoo.images.zarr_header import is_zarr

__all__ = ["FolderListing", "find", "pictures_in"]

_PICTURES: tuple[Kind, ...] = ("picture",)


@dataclass
class FolderListing:
    """What there is in a folder.

    Attributes
    ----------
    files : list of Path
        Those of formats that are read, sorted.
    others : Counter of str
        How many files there are of each other ending.
    hidden : int
        Files and folders whose names begin with a dot.
    links : list of Path
        Links to folders, which are not followed.
    unreadable : list of (Path, str)
        Folders that cannot be read, and why.
    no_files : list of Path
        Links that lead nowhere, and pipes.
    """

    files: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    hidden: int = 0
    links: list[Path] = field(default_factory=list)
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    no_files: list[Path] = field(default_factory=list)

    def left_out(self) -> list[str]:
        """What was left out, a few words each."""
        words = []
        if self.others:
            total = sum(self.others.values())
            endings = ", ".join(sorted(self.others)[:5])
            more = ", ..." if len(self.others) > 5 else ""
            files = "file" if total == 1 else "files"
            words.append(f"{total} {files} of other endings ({endings}{more})")
        if self.hidden:
            words.append(f"{self.hidden} hidden")
        words += [f"the linked folder {path}" for path in self.links]
        words += [f"the folder {path} ({reason})" for path, reason in self.unreadable]
        words += [f"{path} (no file, or a link to none)" for path in self.no_files]
        return words


def find(
    folder: str | Path,
    *,
    recursive: bool = False,
    without: Path | None = None,
    kinds: Collection[Kind] = _PICTURES,
    stores: bool = False,
) -> FolderListing:
    """Look for files of known formats, known by their ending.

    Parameters
    ----------
    folder : str or Path
        Must exist.
    recursive : bool
        Whether what is below counts too.
    without : Path, optional
        A folder to leave out.
    kinds : collection of str
        Kinds of formats.
    stores : bool
        Whether Zarr folders are pictures; else they are left out. What is in them is
        never looked at.
    """
    inside = None if without is None else without.resolve()
    listing = FolderListing()

    def complain(error: OSError) -> None:
        reason = error.strerror or str(error)
        listing.unreadable.append((Path(error.filename), reason))

    for root, folders, files in os.walk(folder, onerror=complain):
        if not os.access(root, os.X_OK):  # names can be read, and nothing else
            reason = os.strerror(errno.EACCES)
            listing.unreadable.append((Path(root), reason))
            folders.clear()
            continue
        for name in files:
            path = Path(root, name)
            if name.startswith("."):
                listing.hidden += 1
            elif path.is_file() and _kind_of(path, kinds) in kinds:
                listing.files.append(path)
            elif not path.exists() or path.is_fifo():
                listing.no_files.append(path)
            elif not os.path.isdir(path):
                listing.others[path.suffix.lower() or "none"] += 1
        below = [Path(root, name) for name in folders]
        shown = [path for path in below if not path.name.startswith(".")]
        listing.hidden += len(below) - len(shown)
        listing.links += (path for path in shown if path.is_symlink())
        zarr = [path for path in shown if is_zarr(path) and not path.is_symlink()]
        if stores:
            listing.files += zarr
        elif zarr:
            listing.others[".zarr"] += len(zarr)
        # What is left in this list is where os.walk goes next.
        folders[:] = [
            path.name
            for path in shown
            if recursive
            and not path.is_symlink()
            and path not in zarr
            and path.resolve() != inside
        ]
    listing.files.sort()
    return listing


def pictures_in(
    folder: str | Path, *, recursive: bool = False, without: Path | None = None
) -> list[Path]:
    """The pictures of a folder, known by their ending, sorted.

    See :func:`zoo.images.folders.find`, which takes other kinds of files too.
    """
    return find(folder, recursive=recursive, without=without).files


def _kind_of(path: Path, kinds: Collection[Kind]) -> Kind | None:
    found = by_suffix(path)
    if found is None and "volume" in kinds:
        found = series_format(path)
    return None if found is None else found.kind
