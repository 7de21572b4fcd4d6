"""What a run remembers beside its recipe: pictures, back end, how often it reports."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

from zoo.errors import UsageError
from zoo.evaluate.datasets import PictureSet, find_set, set_of_files
from zoo.evaluate.pairs import Pair
from zoo.train.options import TrainingOptions

__all__ = ["RunSettings", "digest_of_cases", "digest_of_files"]


@dataclass(frozen=True)
class RunSettings:
    """What ``data.json`` holds; all but the first two may be missing in old runs.

    Attributes
    ----------
    folders : tuple of str
        Of the pictures, absolute.
    validate : str or None
        Folder to measure PSNR on, absolute; None for a few that are kept for it.
    backend : str or None
        As in :func:`zoo.plugins.select`.
    validate_every, save_every, log_every : int
        Updates between two validations, checkpoints, lines of the log.
    pictures, cases : str
        Digests, to notice when the pictures of either kind are others; "" where
        that is not known.
    low, low_name : str or None
        Folder of the small pictures, absolute, and how they are named; None where
        the layout of the folders tells, or small pictures are made.
    is_high : bool
        The pictures are large ones, whatever their folder is called.
    """

    folders: tuple[str, ...] = ()
    validate: str | None = None
    backend: str | None = None
    validate_every: int = 1000
    save_every: int = 200
    log_every: int = 50
    pictures: str = ""
    cases: str = ""
    low: str | None = None
    low_name: str | None = None
    is_high: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunSettings:
        """Undo :meth:`to_dict`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If there are no folders, or a value is of another type.
        """
        plain = RunSettings(tuple(values["folders"]), values["validate"])
        found = {}
        for name, default in asdict(plain).items():
            value = values.get(name, default)
            if name in ("validate", "backend", "low", "low_name"):
                fits = value is None or isinstance(value, str)
            elif name == "is_high":
                fits = isinstance(value, bool)
            elif name.endswith("_every"):
                fits = isinstance(value, int) and value >= 1
            elif name == "folders":
                value = tuple(value)
                fits = all(isinstance(folder, str) for folder in value)
            else:
                fits = isinstance(value, str)
            if not fits:
                raise ValueError(name)
            found[name] = value
        if not found["cases"].startswith("p"):
            found["cases"] = ""  # of names alone, which older versions looked at
        return cls(**found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def changed_by(self, options: TrainingOptions) -> RunSettings:
        """Return a copy with what the options say.

        Raises
        ------
        UsageError
            If a folder does not exist.
        """
        changes: dict[str, Any] = {
            name: value
            for name in ("backend", "validate_every", "save_every", "log_every")
            if (value := getattr(options, name)) is not None
        }
        if options.data:
            changes["folders"] = tuple(str(Path(f).resolve()) for f in options.data)
            low = options.low
            changes["low"] = None if low is None else str(Path(low).resolve())
            changes["low_name"] = options.low_name
            changes["is_high"] = options.is_high
        elif options.low is not None or options.low_name is not None:
            raise UsageError("--lr and --lr-name go with --hr FOLDER")
        if options.validate:
            changes["validate"] = str(Path(options.validate).resolve())
        settings = replace(self, **changes)
        named = (*settings.folders, settings.validate, settings.low)
        for folder in filter(None, named):
            if not Path(folder).exists():
                raise UsageError(f"there is no folder {folder!r} of pictures")
        return settings

    def sets(self, scale: int) -> list[PictureSet]:
        """What there is to learn from.

        Raises
        ------
        UsageError
            If a folder does not exist, holds no picture, or can be understood in more
            than one way.
        """
        if self.low is not None and len(self.folders) != 1:
            raise UsageError("--lr FOLDER goes with one --hr FOLDER")
        found = []
        for folder in self.folders:
            if Path(folder).is_file():
                found.append(set_of_files([Path(folder)]))
                continue
            pictures = find_set(
                folder,
                scale,
                low=self.low,
                low_name=self.low_name,
                is_high=self.is_high,
            )
            found.append(pictures)
        return found

    def with_environment(self) -> RunSettings:
        """Return a copy with the back end that ``ZOO_BACKEND`` names, if none is."""
        named = self.backend or os.environ.get("ZOO_BACKEND") or None
        return replace(self, backend=named)


def digest_of_files(files: Iterable[Path]) -> str:
    """How many files there are, and a digest of their names and sizes."""
    return _digest([f"{path.name} {path.stat().st_size}" for path in files])


def digest_of_cases(cases: Sequence[Pair], *, low: bool = False) -> str:
    """How many validation pictures there are, and a digest of names and pixels.

    With ``low`` those of the small pictures too, which are not only smaller.
    """
    return "p" + _digest(
        [
            f"{case.name} {case.high.shape[:2]} {crc32(case.high.tobytes())}"
            + (f" {crc32(case.low.tobytes())}" if low else "")
            for case in cases
        ]
    )


def _digest(lines: list[str]) -> str:
    text = "\n".join(sorted(lines)).encode("utf-8", "surrogateescape")
    return f"{len(lines)}:{hashlib.sha256(text).hexdigest()[:16]}"
