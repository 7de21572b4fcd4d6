"""Which pictures become which files: what ``zoo run`` does before it computes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

from zoo.errors import UsageError, ZooError
from zoo.formats import STREAM, by_suffix, formats, named
from zoo.images.folders import pictures_in

__all__ = [
    "Job",
    "check_targets",
    "find_sources",
    "make_jobs",
    "require_folder",
]


@dataclass(frozen=True)
class Source:
    """A picture to read, and its place below the argument that named it."""

    path: str
    relative: Path
    is_from_folder: bool = False


@dataclass(frozen=True)
class Job:
    """One picture to read and one file to write.

    Attributes
    ----------
    source, target : str
        Paths, or ``-``.
    format : str or None
        Of the target; None for that of the picture read.
    is_free : bool
        Whether the name of the target was made here, so that its ending may
        change where the format cannot hold the result.
    """

    source: str
    target: str
    format: str | None
    is_free: bool = False

    def with_format(self, name: str) -> Job:
        """The same job with another format, and the ending that goes with it."""
        target = self.target
        if target != STREAM:
            target = str(Path(target).with_suffix(named(name).suffixes[0]))
        return replace(self, target=target, format=name)


def find_sources(arguments: Sequence[str], output: str | None) -> list[Source]:
    """Find all pictures that arguments name: files, folders and ``-``.

    Folders are walked recursively, in alphabetical order. Files are known by
    their ending there; what is hidden, and the folder of the output, are left
    out. A file that is named is taken whatever it is called.

    Raises
    ------
    UsageError
        If there is nothing to read, or ``-`` comes with others.
    """
    if STREAM in arguments and len(arguments) > 1:
        raise UsageError("- (standard input) is one picture; give no other beside it")
    inside = None if output in (None, STREAM) else Path(output)
    sources: list[Source] = []
    for argument in arguments:
        path = Path(argument)
        if argument != STREAM and path.is_dir():
            found = [
                Source(str(picture), picture.relative_to(path), True)
                for picture in pictures_in(path, recursive=True, without=inside)
            ]
            if not found and len(arguments) == 1:
                endings = ", ".join(item.suffixes[0] for item in formats().values())
                raise UsageError(f"there is no picture in {argument} ({endings})")
            sources += found
        else:
            sources.append(Source(argument, Path(path.name)))
    if not any(item.path == STREAM or os.path.exists(item.path) for item in sources):
        missing = ", ".join(item.path for item in sources[:3]) or ", ".join(arguments)
        raise UsageError(f"there is no picture {missing}")
    return sources


def make_jobs(
    sources: Sequence[Source], output: str | None, format: str | None, scale: float
) -> list[Job]:
    """Decide where every picture goes.

    Parameters
    ----------
    sources : sequence of Source
    output : str or None
        A file, a folder or ``-``; None for a file beside the input whose name
        ends in ``_x2`` or whatever the scale is.
    format : str or None
        As given to ``--format``.
    scale : float

    Raises
    ------
    UsageError
        If the output cannot be meant: a file for several pictures, two formats,
        two pictures for one file.
    """
    if output is None:
        folders = [item.path for item in sources if item.is_from_folder]
        if folders:
            raise UsageError(
                "pictures of a folder go to another folder; name it with -o FOLDER"
            )
        jobs = [_beside(item.path, format, scale) for item in sources]
    elif output == STREAM:
        if len(sources) != 1:
            raise UsageError(
                f"-o - takes one picture, not {len(sources)}; give -o FOLDER"
            )
        jobs = [Job(sources[0].path, STREAM, format, format is None)]
    elif _is_folder(output, sources, format):
        jobs = _mirrored(sources, Path(output), format)
    else:
        named = _format_of(output)
        if named and format and named != format:
            raise UsageError(f"-o {output} and -f {format} are two formats; give one")
        jobs = [Job(sources[0].path, output, format or named)]
    _require_distinct(jobs)
    return jobs


def _beside(path: str, format: str | None, scale: float) -> Job:
    """The job whose target lies beside its source, or on standard output."""
    if path == STREAM:
        return Job(path, STREAM, format, format is None)
    given = Path(path)
    chosen = format or _format_of(path) or "png"
    suffix = given.suffix if _format_of(path) == chosen else named(chosen).suffixes[0]
    target = given.with_name(f"{given.stem}_x{scale:g}{suffix}")
    return Job(path, str(target), chosen, format is None)


def _is_folder(output: str, sources: Sequence[Source], format: str | None) -> bool:
    """Whether -o names a folder rather than a file."""
    path = Path(output)
    if path.is_dir():
        return True
    several = len(sources) > 1 or any(item.is_from_folder for item in sources)
    if output.endswith((os.sep, "/")):
        return True
    if several:
        if path.exists() or _format_of(path):
            raise UsageError(
                f"-o {output} is one file for {len(sources)} pictures; name a folder"
            )
        return True
    if _format_of(path) or format is not None:
        return False
    endings = ", ".join(item.suffixes[0] for item in formats().values())
    raise UsageError(
        f"-o {output} has none of the endings {endings}; add one, give -f, or write "
        f"{output}/ for a folder"
    )


def _mirrored(sources: Sequence[Source], folder: Path, format: str | None) -> list[Job]:
    """Jobs whose targets lie in a folder as their sources lie in theirs."""
    jobs = []
    for item in sources:
        if item.path == STREAM:
            raise UsageError(f"-o {folder} is a folder; name a file for standard input")
        chosen = format or _format_of(item.path) or "png"
        target = folder / item.relative
        if _format_of(target) != chosen:
            target = target.with_suffix(named(chosen).suffixes[0])
        jobs.append(Job(item.path, str(target), chosen, format is None))
    # a.png and a.jpg must not both become a.png: they become a.png.png and a.jpg.png.
    taken = Counter(_key(job.target) for job in jobs)
    for index, (job, item) in enumerate(zip(jobs, sources, strict=True)):
        if taken[_key(job.target)] > 1:
            suffix = Path(job.target).suffix
            full = folder / item.relative.with_name(item.relative.name + suffix)
            jobs[index] = replace(job, target=str(full))
    return jobs


def _key(target: str) -> str:
    """What makes two targets one file; some file systems ignore case."""
    return os.path.realpath(target).casefold()


def _require_distinct(jobs: Sequence[Job]) -> None:
    """Refuse two jobs for one target, and a target that is also a source."""
    sources = {_key(job.source): job.source for job in jobs if job.source != STREAM}
    seen: dict[str, str] = {}
    for job in jobs:
        if job.target == STREAM:
            continue
        key = _key(job.target)
        if key in sources:
            raise UsageError(
                f"{job.target} would be written over a picture that is read; "
                f"name another output with -o"
            )
        if key in seen:
            raise UsageError(
                f"{seen[key]} and {job.source} would both be written to {job.target}; "
                f"run them apart, or with different -o"
            )
        seen[key] = job.source


def check_targets(jobs: Sequence[Job]) -> None:
    """Refuse to start when something would be overwritten.

    Raises
    ------
    UsageError
        Naming the first file that exists.
    """
    existing = [job.target for job in jobs if exists(job)]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        verb = "exist" if more else "exists"
        raise UsageError(
            f"{existing[0]}{more} {verb} already; --force overwrites, "
            f"--skip-existing leaves what is there"
        )


def exists(job: Job) -> bool:
    """Whether the target of a job is there already."""
    return job.target != STREAM and os.path.lexists(job.target)


def require_folder(folder: Path, *, create: bool) -> None:
    """Make sure that files can be written in a folder.

    Parameters
    ----------
    folder : Path
    create : bool
        Make it, with those above it, if it is not there; else only try
        the nearest one that is there.

    Raises
    ------
    ZooError
        In one sentence.
    """
    try:
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        place = folder.resolve()
        while not os.path.lexists(place) and place != place.parent:
            place = place.parent
        if not place.is_dir():
            raise ZooError(f"{place} is a file; -o needs a folder there")
        # Permissions alone tell too little: of root, of a read-only file system.
        with TemporaryFile(dir=place):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise ZooError(f"nothing can be written in {folder}: {reason}") from None


def _format_of(path: str | Path) -> str | None:
    """Name of the format that a file's name stands for, or None."""
    found = by_suffix(path)
    return None if found is None else found.name
