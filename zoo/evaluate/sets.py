"""Large pictures with their small ones: which belong together, by name and place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.degradation.degradation import Degradation
from zoo.errors import ImageError, UsageError
from zoo.evaluate.layouts import partner_stems
from zoo.evaluate.pairs import read_rgb
from zoo.evaluate.volumes import is_volume
from zoo.formats import series_format
from zoo.images.folders import find
from zoo.volumes.geometry import PlaneName

__all__ = [
    "GENERATED",
    "PictureSet",
    "files_below",
    "generated",
    "paired",
    "set_of_files",
]

GENERATED = "MATLAB's bicubic"
"""Where small pictures come from that no file holds."""


@dataclass(frozen=True)
class PictureSet:
    """Large pictures, and the small ones that belong to them.

    Attributes
    ----------
    root : Path
        The folder that was named.
    high : tuple of Path
        Large pictures, sorted.
    low : tuple of Path or None
        The small one of each; None where it is made of the large one.
    names : tuple of str
        Of each, for people: its place below the folder of the large ones.
    scale : int or None
        What the names of the small ones, or the first pair, say.
    origin : str
        Where the small pictures come from, for the record.
    note : str
        What was seen and left out, for people; empty if nothing.
    plane : str
        In which volumes are cut into slices.
    mask : Path or None
        Of the one volume that the set is.
    degradation : Degradation
        What happens to the small pictures when they are read.
    """

    root: Path
    high: tuple[Path, ...]
    low: tuple[Path | None, ...]
    names: tuple[str, ...]
    scale: int | None
    origin: str
    note: str = ""
    plane: PlaneName = "auto"
    mask: Path | None = None
    degradation: Degradation = field(default_factory=Degradation)

    def __len__(self) -> int:
        return len(self.high)

    @property
    def low_resolution(self) -> str:
        """Where the small pictures come from, and what happens to them."""
        return "; ".join(filter(None, (self.origin, str(self.degradation))))

    @property
    def has_volumes(self) -> bool:
        """Whether slices of volumes are among them."""
        return any(is_volume(path) for path in self.high)


def set_of_files(files: Sequence[Path]) -> PictureSet:
    """Large pictures that were named one by one."""
    names = tuple(path.name for path in files)
    low = (None,) * len(files)
    return PictureSet(Path(), tuple(files), low, names, None, GENERATED)


def files_below(folder: Path) -> list[Path]:
    """Pictures and volumes of a folder and those below; a series is its folder."""
    found = find(folder, recursive=True, kinds=("picture", "volume")).files
    whole = {
        place
        for place in {path.parent for path in found if series_format(path) is not None}
        if is_volume(place)
    }
    alone = [
        path
        for path in found
        if path.parent not in whole or series_format(path) is None
    ]
    return sorted([*alone, *whole])


def generated(
    root: Path, base: Path, files: Sequence[Path], origin: str = GENERATED
) -> PictureSet:
    files = sorted(files)
    low = (None,) * len(files)
    return PictureSet(root, tuple(files), low, _names(files, base), None, origin)


def _names(files: Sequence[Path], base: Path) -> tuple[str, ...]:
    """What they are called: a volume by its file's name, where no other has it."""
    alike = Counter(path.name for path in files)
    return tuple(
        path.name if alike[path.name] == 1 and is_volume(path) else _name(path, base)
        for path in files
    )


def _name(path: Path, base: Path) -> str:
    place = path.relative_to(base) if path.is_relative_to(base) else Path(path.name)
    return place.with_suffix("").as_posix()


def paired(
    root: Path,
    base: Path,
    files: Sequence[Path],
    low: Path,
    scale: int | None,
    low_name: str | None,
) -> PictureSet:
    """Find the small picture of each large one.

    Raises
    ------
    UsageError
        If one has none, or more than one.
    """
    if low_name is not None and low_name.count("{}") != 1:
        raise UsageError(f"--lr-name {low_name!r} must hold {{}} once, as in '{{}}x2'")
    small: dict[tuple[Path, str], list[Path]] = {}
    for path in files_below(low):
        key = path.parent.relative_to(low), path.stem
        small.setdefault(key, []).append(path)
    files, partners = sorted(files), []
    for path in files:
        place = path.parent.relative_to(base) if path.is_relative_to(base) else Path()
        partners.append(_partner(path, place, small, low, scale, low_name))
    known = scale if scale is not None else _measured(files, partners)
    names = _names(files, base)
    return PictureSet(root, tuple(files), tuple(partners), names, known, str(low))


def _partner(
    path: Path,
    place: Path,
    small: dict[tuple[Path, str], list[Path]],
    low: Path,
    scale: int | None,
    low_name: str | None,
) -> Path:
    scales = (scale,) if scale is not None else (2, 3, 4, 8)
    stems = (
        [low_name.replace("{}", path.stem)]
        if low_name is not None
        else list(dict.fromkeys(s for n in scales for s in partner_stems(path.stem, n)))
    )
    for stem in stems:
        found = [other for other in small.get((place, stem), []) if other != path]
        same = [other for other in found if other.suffix == path.suffix]
        if len(same or found) == 1:
            return (same or found)[0]
        if found:
            raise UsageError(
                f"{path} has {len(found)} small pictures {stem!r} in {low}; remove one"
            )
    raise UsageError(
        f"{path} has no small picture {stems[0]!r} in {low}; if they are named "
        f"otherwise, say how with --lr-name, as in '{{}}x2'"
    )


def _measured(files: Sequence[Path], partners: Sequence[Path | None]) -> int | None:
    """The enlargement of the first pair that can be read."""
    for large, small in zip(files, partners, strict=True):
        if small is None:
            continue
        try:
            return max(1, round(len(read_rgb(large)) / len(read_rgb(small))))
        except ImageError:  # the next pair may tell as well
            continue
    return None
