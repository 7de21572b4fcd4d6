"""Which files become which: what ``zoo run`` does before it computes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

from zoo.errors import ImageError, UsageError, ZooError
from zoo.formats import (
    STREAM,
    Format,
    by_suffix,
    open_source,
    recognise,
    suffix_of,
    usual_suffixes,
)
from zoo.images.zarr_header import ZARR, is_zarr, is_zarr_name
from zoo.run.inputs import InputFile, InputFiles
from zoo.run.names import (
    beside,
    ending_of,
    fitting,
    keys,
    origin_of,
    own_ending,
    with_format,
)

__all__ = [
    "Job",
    "check_targets",
    "exists",
    "make_jobs",
    "require_folder",
]


@dataclass(frozen=True)
class Job:
    """One file to read and one file to write.

    Attributes
    ----------
    source, target : str
        Paths, or ``-``.
    format : str or None
        Of the target; None for that of the file read.
    is_free : bool
        Whether the name of the target was made here, so that its ending may
        change where the format cannot hold the result.
    barred : tuple of str
        Endings that it may not change to, for other jobs take these names.
    others : tuple of str
        The rest of a series of slices, whose first is the source.
    """

    source: str
    target: str
    format: str | None
    is_free: bool = False
    barred: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def with_format(self, name: str) -> Job:
        """The same job with another format, and the ending that goes with it."""
        target = self.target
        if target != STREAM:
            suffix = ending_of(name)
            changed = with_format(target, name)
            if suffix in self.barred:  # a.jpg.png: a.png is another's
                changed = str(Path(target).with_name(Path(target).name + suffix))
            target = changed
        return replace(self, target=target, format=name)


def make_jobs(
    inputs: InputFiles,
    output: str | None,
    format: str | None,
    scale: float | str,
    *,
    skip_existing: bool = False,
) -> list[Job]:
    """Decide where every file goes.

    Without an output, what zoo made of another of the files is no input
    (``photo_x2.png`` beside ``photo.png``), so that ``zoo run N *.png`` can be
    called again; it is added to what is left out.

    Parameters
    ----------
    inputs : InputFiles
    output : str or None
        A file, a folder or ``-``; None for a file beside the input whose name
        ends in ``_x2`` or whatever the scale is.
    format : str or None
        As given to ``--format``.
    scale : float or str
        For the names, see :func:`zoo.run.names.beside`.
    skip_existing : bool
        Whether a target that is there stays as it is.

    Raises
    ------
    UsageError
        If the output cannot be meant: a file for several pictures, two formats,
        two pictures for one file.
    """
    items = inputs.items
    if output is None:
        if any(item.is_from_folder for item in items):
            raise UsageError(
                "pictures of a folder go to another folder; name it with -o FOLDER"
            )
        items = _originals(inputs)
        jobs = [_beside(item, format, scale) for item in items]
    elif output == STREAM:
        if len(items) != 1:
            raise UsageError(
                f"-o - takes one picture, not {len(items)}; give -o FOLDER"
            )
        jobs = [_on_stdout(items[0], format)]
    elif _is_folder(output, items, format):
        jobs = _mirrored(items, Path(output), format)
    else:
        wanted = _format_of(output)
        if wanted and format and wanted != format:
            raise UsageError(f"-o {output} and -f {format} are two formats; give one")
        only = items[0]
        jobs = [Job(only.path, output, format or wanted, others=only.others)]
    _require_distinct(jobs, skip_existing)
    return _barred(jobs)


def _originals(inputs: InputFiles) -> list[InputFile]:
    """The inputs that zoo did not make of another one of them."""
    stems = {
        os.path.realpath(item.path).removesuffix(own_ending(item.path))
        for item in inputs.items
    }
    kept = [item for item in inputs.items if origin_of(item.path) not in stems]
    count = len(inputs.items) - len(kept)
    if count:
        files = "file" if count == 1 else "files"
        inputs.left_out.append(f"{count} {files} that zoo made of others of them")
    return kept


def _on_stdout(item: InputFile, format: str | None) -> Job:
    if format == ZARR or (format is None and is_zarr(item.path)):
        raise UsageError("Zarr is a folder; -o - takes a file, name another with -f")
    found = by_suffix(item.place or item.path)
    chosen = format or (found.written_as if found is not None else "") or None
    return Job(item.path, STREAM, chosen, format is None, others=item.others)


def _beside(item: InputFile, format: str | None, scale: float | str) -> Job:
    """The job whose target lies beside its source, or on standard output."""
    if item.path == STREAM:
        return _on_stdout(item, format)
    path = item.place or item.path
    if is_zarr(path):
        stem, chosen = str(Path(path).with_suffix("")), format or ZARR
        target = beside(stem, ending_of(chosen), scale)
        return Job(path, target, chosen, is_free=format is None)
    own = by_suffix(path) or _by_content(path)
    chosen = format or (_written_as(own) if own is not None else "png")
    suffix = suffix_of(path)
    if own is None or own.name != chosen or not suffix:
        suffix = ending_of(chosen)
    target = beside(path, suffix, scale)
    return Job(item.path, target, chosen, format is None, others=item.others)


def _by_content(path: str) -> Format | None:
    """The format of a file whose name tells nothing."""
    try:
        with open_source(path) as source:
            return recognise(source.head)
    except ImageError:  # which running it says
        return None


def _written_as(format: Format) -> str:
    """Name of the format of a result."""
    return format.written_as or format.name


def _is_folder(output: str, items: Sequence[InputFile], format: str | None) -> bool:
    """Whether -o names a folder rather than a file."""
    path = Path(output)
    if path.is_dir() and not is_zarr_name(path):
        return True
    several = len(items) > 1 or any(item.is_from_folder for item in items)
    if output.endswith((os.sep, "/")):
        return True
    if several:
        if path.exists() or _format_of(path):
            raise UsageError(
                f"-o {output} is one file for {len(items)} pictures; name a folder"
            )
        return True
    if _format_of(path) or format is not None:
        return False
    endings = ", ".join(usual_suffixes())
    raise UsageError(
        f"-o {output} has none of the endings {endings}; add one, give -f, or write "
        f"{output}/ for a folder"
    )


def _mirrored(
    items: Sequence[InputFile], folder: Path, format: str | None
) -> list[Job]:
    """Jobs whose targets lie in a folder as their inputs lie in theirs."""
    jobs = []
    for item in items:
        if item.path == STREAM:
            raise UsageError(f"-o {folder} is a folder; name a file for standard input")
        own = by_suffix(item.relative) or _by_content(item.path)
        chosen = format or (_written_as(own) if own is not None else "png")
        if is_zarr(item.path):
            chosen = format or ZARR
        target = str(folder / item.relative)
        if _format_of(target) != chosen:
            target = with_format(target, chosen)
        jobs.append(Job(item.path, target, chosen, format is None, others=item.others))
    # a.png and a.jpg must not both become a.png: they become a.png.png and a.jpg.png.
    known = keys(job.target for job in jobs)
    taken = Counter(known[job.target] for job in jobs)
    for index, (job, item) in enumerate(zip(jobs, items, strict=True)):
        if taken[known[job.target]] > 1:
            name = fitting(item.relative.name, ending_of(job.format or "png"))
            jobs[index] = replace(job, target=str(folder / item.relative.parent / name))
    return jobs


def _require_distinct(jobs: Sequence[Job], skip_existing: bool) -> None:
    """Refuse two jobs for one target, and a target that is also a source.

    A target that is there and would be skipped hurts nobody.
    """
    known = keys(path for job in jobs for path in (job.source, job.target))
    sources = {known[job.source] for job in jobs if job.source != STREAM}
    seen: dict[str, str] = {}
    for job in jobs:
        if job.target == STREAM or (skip_existing and exists(job)):
            continue
        place = known[job.target]
        if place in sources:
            raise UsageError(
                f"{job.target} would be written over a picture that is read; "
                f"name another output with -o"
            )
        if place in seen:
            raise UsageError(
                f"{seen[place]} and {job.source} would both be written to "
                f"{job.target}; run them apart, or with different -o"
            )
        seen[place] = job.source


def _barred(jobs: list[Job]) -> list[Job]:
    """Note for each job which other endings its target may not get."""
    if len(jobs) < 2:
        return jobs
    known = keys(job.target for job in jobs)
    taken: dict[str, set[str]] = {}
    for job in jobs:
        ending = suffix_of(job.target)
        taken.setdefault(known[job.target].removesuffix(ending), set()).add(ending)
    # Another job of the same stem may have to change its ending as well.
    usual = set(usual_suffixes())
    result = []
    for job in jobs:
        ending = suffix_of(job.target)
        others = taken[known[job.target].removesuffix(ending)]
        if job.is_free and len(others) > 1:
            job = replace(job, barred=tuple(sorted((usual | others) - {ending})))
        result.append(job)
    return result


def _format_of(path: str | Path) -> str | None:
    """Name of the format that a file's name stands for, or None."""
    if is_zarr_name(path):
        return ZARR
    found = by_suffix(path)
    return None if found is None else found.name


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
