"""Which pictures of a folder are large, which small, and which belong together.

One function, :func:`find_set`, for scores and for training: what one measures the
other learns from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from zoo.errors import UsageError
from zoo.evaluate.layouts import Role, plain_stem, sign_of_file, sign_of_path
from zoo.evaluate.sets import (
    GENERATED,
    PictureSet,
    files_below,
    generated,
    paired,
    set_of_files,
)
from zoo.evaluate.volumes import is_volume

__all__ = ["GENERATED", "PictureSet", "find_set", "set_of_files"]

_HINT = "say which with --hr FOLDER and --lr FOLDER"
_SHOWN = 6


def find_set(
    folder: str | Path,
    scale: int | None = None,
    *,
    low: str | Path | None = None,
    low_name: str | None = None,
    is_high: bool = False,
) -> PictureSet:
    """Recognise the layout of a data set.

    A folder of pictures, with others below it that nothing tells apart, is a set of
    large ones, of which small ones are to be made. Folders named as in
    :mod:`zoo.evaluate.layouts` are a set of pairs, as are files of one folder.

    Parameters
    ----------
    folder : str or Path
        Or one large picture.
    scale : int, optional
        Of the small pictures that are wanted; needed where there are several.
    low : str or Path, optional
        The folder of the small pictures; ``folder`` is then that of the large ones.
    low_name : str, optional
        How the stem of a small picture is made of that of the large one:
        ``"{}x2"``. By default what is usual is tried.
    is_high : bool
        The pictures are large ones, whatever the folder is called.

    Raises
    ------
    UsageError
        If there is no such folder, no picture in it, or more than one way to
        understand it; the sentence says what was seen.
    """
    root = Path(folder)
    if is_volume(root):
        return replace(set_of_files([root]), root=root)
    if root.is_file() and low is None and low_name is None:
        return generated(root, root.parent, [root])
    _require_folder(root)
    if low is not None or is_high:
        files = _pictures(root)
        if low is None:
            return generated(root, root, files)
        _require_folder(Path(low))
        return paired(root, root, files, Path(low), scale, low_name)
    if low_name is not None:
        raise UsageError(f"--lr-name {low_name!r} goes with --lr FOLDER")
    groups = _groups(root)
    _require_full(root, groups)
    if not groups:
        raise UsageError(f"there is no picture in {str(root)!r}")
    high = [place for place in groups if _role_in(place, groups[place]) == "high"]
    small = [place for place in groups if _role_in(place, groups[place]) == "low"]
    mixed = [place for place in groups if _role_in(place, groups[place]) == "both"]
    if mixed:
        return _by_file_names(root, mixed, groups, scale)
    if not high and not small:
        return _plain(root, groups)
    if not high:  # those that no name calls small
        high = [place for place in groups if place not in small]
    if not high:
        raise UsageError(
            f"{str(root)!r} holds small pictures alone ({small[0]}); name the large "
            f"ones with --hr FOLDER"
        )
    return _by_folders(root, high, small, groups, scale)


# -- what is there -------------------------------------------------------------


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {str(folder)!r} of pictures")


def _pictures(folder: Path) -> list[Path]:
    every = files_below(folder)
    files = [path for path in every if path.parent == folder] or every
    if not files:
        raise UsageError(f"there is no picture in {str(folder)!r}")
    return files


def _groups(root: Path) -> dict[Path, list[Path]]:
    """Pictures by the folder that holds them, relative to the root; "." first."""
    groups: dict[Path, list[Path]] = {}
    for path in files_below(root):
        groups.setdefault(path.parent.relative_to(root), []).append(path)
    return groups


def _require_full(root: Path, groups: dict[Path, list[Path]]) -> None:
    """Raise UsageError if a folder of small pictures has none: they were meant."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        place = folder.relative_to(root)
        is_empty = not any(place in (found, *found.parents) for found in groups)
        if is_empty and groups and sign_of_path(place).role == "low":
            raise UsageError(
                f"there is no small picture in {str(folder)!r}; fill it, or name the "
                f"large pictures alone with --hr FOLDER"
            )


def _role_in(place: Path, files: Sequence[Path]) -> Role | str | None:
    """What a folder holds; "both" if the names of its files tell large from small."""
    by_stem = {path.stem for path in files}
    signs = [sign_of_file(path.stem) for path in files]
    roles = {sign.role for sign in signs}
    if {"high", "low"} <= roles:
        return "both"
    # 0801.png beside 0801x2.png
    twins = sum(
        sign.scale is not None
        and sign.role is None
        and plain_stem(path.stem) in by_stem - {path.stem}
        for sign, path in zip(signs, files, strict=True)
    )
    if twins and 4 * twins >= len(files):
        return "both"
    found = sign_of_path(place).role
    if found is not None:
        return found
    if len(roles) == 1 and None not in roles:
        return next(iter(roles))
    return None


# -- layouts -------------------------------------------------------------------


def _plain(root: Path, groups: dict[Path, list[Path]]) -> PictureSet:
    """No name tells large from small: large ones, all of them."""
    own = sign_of_path(Path(*root.resolve().parts[-2:])).role
    if own == "low":
        raise UsageError(
            f"{str(root)!r} holds small pictures, by its name; name the folder above, "
            f"or the large ones with --hr FOLDER (which takes this one, too)"
        )
    every = sorted(path for part in groups.values() for path in part)
    files = groups.get(Path()) or every
    below = len(every) - len(files)
    note = f"{below} pictures in folders below {root} are left out" if below else ""
    return replace(generated(root, root, files), note=note)


def _by_folders(
    root: Path,
    high: list[Path],
    small: list[Path],
    groups: dict[Path, list[Path]],
    scale: int | None,
) -> PictureSet:
    """Folders whose names tell large from small."""
    scale, origin = _scale_of(root, small, groups, scale)
    large = _one(root, "large", _of_scale(high, scale), groups)
    files = [path for place in large for path in groups[place]]
    base = _common(root, large)
    matching = _of_scale(small, scale)
    if not matching:
        return generated(root, base, files, origin)
    chosen = _one(root, "small", matching, groups)
    return paired(root, base, files, _common(root, chosen), scale, None)


def _scale_of(
    root: Path,
    small: list[Path],
    groups: dict[Path, list[Path]],
    scale: int | None,
) -> tuple[int | None, str]:
    """The enlargement that is meant, and what else there is, for the record."""
    named = {s for place in small if (s := sign_of_path(place).scale)}
    of_folders = bool(named)
    if not named:  # of files, as in LR/0801x2.png
        named = {s for place in small for s in _scales_of_files(groups[place]) if s}
    if scale is None and len(named) > 1:
        raise UsageError(
            f"{str(root)!r} has small pictures for {_several(named)}; say which with "
            f"--scale"
        )
    if scale is None or scale in named or not of_folders:
        return scale or next(iter(named), None), GENERATED
    return scale, f"{GENERATED} (small pictures are there for {_several(named)})"


def _scales_of_files(files: Iterable[Path]) -> set[int | None]:
    return {sign_of_file(path.stem).scale for path in files}


def _several(scales: Iterable[int]) -> str:
    return ", ".join(f"x{scale}" for scale in sorted(scales))


def _of_scale(places: list[Path], scale: int | None) -> list[Path]:
    """Folders of one scale; those that name none only where none names it."""
    signs = {place: sign_of_path(place).scale for place in places}
    exact = [place for place in places if scale is not None and signs[place] == scale]
    return exact or [place for place in places if signs[place] is None]


def _one(
    root: Path, what: str, places: list[Path], groups: dict[Path, list[Path]]
) -> list[Path]:
    """One folder, or the parts of one; else an error that lists them."""
    top = [
        place
        for place in places
        if not any(other != place and other in place.parents for other in places)
    ]
    if len(top) == 1:
        return top  # what lies below a folder of pictures does not count
    # HR/a, HR/b: parts of one set, with a folder above that says what they are.
    for parent in {place.parent for place in top}:
        is_set = sign_of_path(Path(parent.name)).role is not None
        if is_set and all(place.parent == parent for place in top):
            return places
    listed = ", ".join(
        f"{place} ({len(groups[place])})" for place in sorted(places)[:_SHOWN]
    )
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    raise UsageError(
        f"{str(root)!r} has several folders of {what} pictures: {listed or 'none'}"
        f"{more}; {_HINT}"
    )


def _common(root: Path, places: list[Path]) -> Path:
    """The folder that the names of pictures are relative to."""
    first = min(places, key=lambda place: len(place.parts))
    if all(place == first or first in place.parents for place in places):
        return root / first
    return root / first.parent


def _by_file_names(
    root: Path, mixed: list[Path], groups: dict[Path, list[Path]], scale: int | None
) -> PictureSet:
    """Large and small pictures in one folder, told apart by the ends of their names."""
    scales = {
        place: {s for s in _scales_of_files(groups[place]) if s}
        | {s for s in [sign_of_path(place).scale] if s}
        for place in mixed
    }
    every = sorted(set().union(*scales.values()))
    if scale is None and len(every) > 1:
        raise UsageError(
            f"{str(root)!r} has small pictures for {_several(every)}; say which with "
            f"--scale"
        )
    scale = scale or (every[0] if every else None)
    places = [place for place in mixed if not scales[place] or scale in scales[place]]
    if not places:
        raise UsageError(
            f"{str(root)!r} has small pictures for {_several(every)}, not x{scale}"
        )
    (place,) = places if len(places) == 1 else _one(root, "large", places, groups)[:1]
    files = groups[place]
    large = [path for path in files if _is_large(path, files)]
    return paired(root, root / place, large, root / place, scale, None)


def _is_large(path: Path, files: Sequence[Path]) -> bool:
    sign = sign_of_file(path.stem)
    if sign.role is not None:
        return sign.role == "high"
    stems = {other.stem for other in files}
    return sign.scale is None or plain_stem(path.stem) not in stems - {path.stem}
