"""Which files the arguments of a call name: files, folders, series of slices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo import formats as formats_module
from zoo.errors import ImageError, UsageError
from zoo.formats import STREAM, Kind, named, open_source, series_format, usual_suffixes
from zoo.images.folders import find
from zoo.images.zarr_header import is_zarr

__all__ = ["InputFile", "InputFiles", "find_inputs", "open_input", "series_in"]


@dataclass(frozen=True)
class InputFile:
    """A file to read, and its place below the argument that named it.

    Attributes
    ----------
    path : str
    relative : Path
    is_from_folder : bool
        Whether others may have come with it.
    others : tuple of str
        The rest of a series of slices that is one volume.
    place : str
        What a result lies beside; empty for the path.
    """

    path: str
    relative: Path
    is_from_folder: bool = False
    others: tuple[str, ...] = ()
    place: str = ""


@dataclass
class InputFiles:
    """The files that arguments name.

    Attributes
    ----------
    items : list of InputFile
    has_folder : bool
        Whether one of the arguments is a folder.
    left_out : list of str
        What of the folders is no input, in words.
    """

    items: list[InputFile] = field(default_factory=list)
    has_folder: bool = False
    left_out: list[str] = field(default_factory=list)


def find_inputs(arguments: Sequence[str], output: str | None) -> InputFiles:
    """Find all files that arguments name: files, folders and ``-``.

    Folders are walked recursively, in alphabetical order. Files are known by
    their ending there; what is hidden, and the folder of the output, are left
    out. Slices of one series are one input. A file that is named is taken whatever it
    is called.

    Raises
    ------
    UsageError
        If there is nothing to read, or ``-`` comes with others.
    """
    if STREAM in arguments and len(arguments) > 1:
        raise UsageError("- (standard input) is one picture; give no other beside it")
    inside = None if output in (None, STREAM) else Path(output)
    inputs = InputFiles()
    for argument in arguments:
        path = Path(argument)
        if argument == STREAM or not path.is_dir() or is_zarr(path):
            name = str(path) if path.is_dir() else argument
            inputs.items.append(InputFile(name, Path(path.name)))
            continue
        inputs.has_folder = True
        kinds: tuple[Kind, ...] = ("picture", "volume", "video")
        found = find(path, recursive=True, without=inside, kinds=kinds, stores=True)
        items, words = _joined(path, found.files)
        inputs.left_out += found.left_out() + words
        inputs.items += items
        if not items and len(arguments) == 1:
            endings = ", ".join(usual_suffixes())
            others = "; ".join(inputs.left_out)
            raise UsageError(
                f"there is no picture in {argument} ({endings})"
                + (f", only {others}" if others else "")
            )
    items = inputs.items
    if not any(item.path == STREAM or os.path.exists(item.path) for item in items):
        missing = ", ".join(item.path for item in items[:3]) or ", ".join(arguments)
        raise UsageError(f"there is no picture {missing}")
    return inputs


def _joined(root: Path, files: Sequence[Path]) -> tuple[list[InputFile], list[str]]:
    """The files of a folder as inputs, series as one each, and what is left out."""
    items: list[InputFile] = []
    words: list[str] = []
    parts: dict[tuple[Path, str], list[Path]] = {}
    for file in files:
        format = None if file.is_dir() else series_format(file)
        if format is None:
            items.append(InputFile(str(file), file.relative_to(root), True))
        else:
            parts.setdefault((file.parent, format.name), []).append(file)
    for (folder, name), own in parts.items():
        groups, left = named(name).series(own)
        ending = named(name).suffixes[0]
        if left:
            noun = "file" if left == 1 else "files"
            words.append(f"{left} {noun} without slices in {folder}")
        for number, (first, *others) in enumerate(groups, start=1):
            relative, place = first.relative_to(root), ""
            if others:
                mark = f"-{number}" if groups[1:] else ""
                whole = folder.resolve()
                place = f"{whole}{mark}{ending}"
                above = folder.relative_to(root).parent
                relative = above / f"{whole.name}{mark}{ending}"
            rest = tuple(map(str, others))
            items.append(InputFile(str(first), relative, True, rest, place))
    if len(items) == 1 and items[0].others and Path(items[0].path).parent == root:
        # The folder is that series: it is named as a file is.
        items[0] = replace(items[0], is_from_folder=False)
    return sorted(items, key=lambda item: item.path), words


def series_in(folder: Path) -> list[tuple[Path, ...]]:
    """The series of slices that lie in a folder itself."""
    kind: Kind = "volume"
    files = find(folder, kinds=(kind,)).files
    own = [file for file in files if series_format(file) is not None]
    if not own:
        return []
    format = series_format(own[0])
    assert format is not None
    return format.series(own)[0]


@contextmanager
def open_input(path: str | Path) -> Iterator[formats_module.Source]:
    """Open a file, or the series that a folder is.

    Raises
    ------
    ImageError
        Also if a folder is no series, or several.
    """
    if not Path(path).is_dir():
        with open_source(path) as source:
            yield source
        return
    groups = series_in(Path(path))
    if len(groups) != 1:
        what = f"holds {len(groups)} series of slices" if groups else "holds no series"
        raise ImageError(f"the folder {path} {what}; name a folder of one")
    first, *others = groups[0]
    with open_source(first, others) as source:
        yield source
