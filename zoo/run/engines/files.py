"""Files on an engine: the jobs of ``zoo run``, one item each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.files import atomic_write
from zoo.formats import STREAM, by_suffix
from zoo.images.zarr_header import ZARR, is_zarr
from zoo.run.engines import Call, Engine, Lost
from zoo.run.engines.parts import Gathering, PartItem, look_at
from zoo.run.files import NetworkFile, Options, Record, run_file
from zoo.run.jobs import Job, require_folder

__all__ = ["FileItem", "Made", "run_jobs"]


@dataclass(frozen=True)
class Made:
    """The record of a file, and what was written where nobody else sees it.

    Attributes
    ----------
    record : Record
    name : str
        Of the file that was made.
    data : bytes or None
        What is in it; None where the disk is shared, or nothing was made.
    """

    record: Record
    name: str
    data: bytes | None = None


@dataclass(frozen=True)
class FileItem:
    """One file to one file."""

    job: Job
    is_away: bool = False

    def reads(self) -> tuple[str, ...]:
        """The input, or all slices of one."""
        return (self.job.source, *self.job.others)

    def moved(self, places: Mapping[str, str], folder: str) -> FileItem:
        """The same where the input is another file, and the result will be."""
        name = Path(self.job.target).name
        job = replace(
            self.job,
            source=places[self.job.source],
            target=os.path.join(folder, name),
            others=tuple(places[path] for path in self.job.others),
        )
        return FileItem(job, is_away=True)

    def run(self, common: Options, networks: tuple[NetworkFile, ...]) -> Made:
        """Run it; whatever is wrong is in the record."""
        options = replace(common, network=networks[0], others=networks[1:])
        record = run_file(self.job, options)
        if record.error is not None:
            record.error = record.error.replace(networks[0].cfg, common.network.cfg)
        name = Path(record.output).name
        if self.is_away and record.state == "done":
            return Made(record, name, Path(record.output).read_bytes())
        return Made(record, name)


def run_jobs(engine: Engine, jobs: Sequence[Job], options: Options) -> Iterator[Record]:
    """Work files off on an engine, in any order.

    What is wrong with a file is in its record. The pixels are those that this
    process would make.

    Raises
    ------
    UsageError
        If one is standard input or output.
    ZooError, KeyboardInterrupt
        See :meth:`zoo.run.engines.Engine.work`.
    """
    if any(STREAM in (job.source, job.target) for job in jobs):
        raise UsageError("--on takes files, not standard input or output")
    waiting = []
    for job in jobs:
        # Asked here: a worker that files are sent to does not see the target.
        if options.skip_existing and os.path.lexists(job.target):
            yield Record(job.source, job.target, skipped=True)
        else:
            waiting.append(job)
    if not waiting:
        return
    for folder in {Path(job.target).parent for job in waiting}:
        require_folder(folder, create=True)
    items: list[FileItem | PartItem] = []
    owners: list[Job | Gathering] = []
    for job in waiting:
        whole, found = _absolute(job), None
        is_store = is_zarr(job.source) or job.format == ZARR
        if _may_be_huge(job) and not (is_store and engine.ship):
            found = look_at(job, whole, options)
        if isinstance(found, Record):
            yield found
        elif found is None and not (is_store and engine.ship):
            items.append(FileItem(whole))
            owners.append(job)
        elif found is None or engine.ship:
            error = f"{job.source}: --ship sends whole files; run it on a common disk"
            yield Record(job.source, job.target, error=error)
        else:
            parts = list(found.items())
            items += parts
            owners += [found] * len(parts)
    if not items:
        return
    call = Call(
        items,
        options,
        (options.network, *options.others),
        os.path.commonpath([os.path.dirname(_absolute(j).target) for j in waiting]),
    )
    for number, result in engine.work(call):
        owner = owners[number]
        if isinstance(owner, Gathering):
            record = owner.take(result)
            if record is not None:
                yield record
        elif isinstance(result, Lost):
            error = f"{owner.source} {result.reason}"
            yield Record(owner.source, owner.target, error=error)
        else:
            yield _arrived(owner, result, options)


def _may_be_huge(job: Job) -> bool:
    """Whether a file is worth a look at its header, by its name."""
    if is_zarr(job.source):
        return True
    found = by_suffix(job.source)
    return found is not None and found.name == "tiff" and os.path.isfile(job.source)


def _arrived(job: Job, made: Made, options: Options) -> Record:
    """A record with the names that the user gave; what was sent is written."""
    record = made.record
    target = str(Path(job.target).with_name(made.name))
    if record.error is not None:
        record.error = record.error.replace(record.input, job.source)
    record.notes = [text.replace(record.output, target) for text in record.notes]
    record.input, record.output = job.source, target
    if made.data is None:
        return record
    try:
        if target != job.target and os.path.lexists(target) and not options.force:
            if options.skip_existing:
                return Record(job.source, target, skipped=True)
            raise ZooError(f"{target} is taken")
        with atomic_write(target) as file:
            file.write(made.data)
    except ZooError as problem:
        record.error = f"{job.source}: {problem}"
    return record


def _absolute(job: Job) -> Job:
    return replace(
        job,
        source=os.path.abspath(job.source),
        target=os.path.abspath(job.target),
        others=tuple(map(os.path.abspath, job.others)),
    )
