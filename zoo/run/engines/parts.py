"""Huge pictures on an engine: a part of a result is an item."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from zoo.errors import ImageError, UsageError, ZooError
from zoo.formats import named, open_source
from zoo.images.reading import about
from zoo.images.zarr_header import is_zarr
from zoo.program.geometry import Window
from zoo.run.engines import Lost
from zoo.run.files import NetworkFile, Options, Record
from zoo.run.huge import Huge, look, look_into, make_piece
from zoo.run.jobs import Job
from zoo.run.pieces import Pieces
from zoo.run.windows import open_windows

__all__ = ["Gathering", "PartItem", "look_at"]


@dataclass(frozen=True)
class PartItem:
    """A part of a result, from the picture to a file beside the others."""

    huge: Huge
    window: Window
    folder: str

    def reads(self) -> tuple[str, ...]:
        """The picture."""
        return (self.huge.job.source,)

    def moved(self, places: Mapping[str, str], folder: str) -> PartItem:
        """Refused: the whole picture would be sent for every part."""
        raise UsageError("--ship sends whole files; parts of one need a common disk")

    def run(self, common: Options, networks: tuple[NetworkFile, ...]) -> str | Lost:
        """Compute it; the file, or what is wrong."""
        model = networks[0].load()
        try:
            name = self.huge.job.source
            with open_windows(name) as reader, about(name):
                return make_piece(
                    self.huge, reader, self.window, model, common, self.folder
                )
        except (ZooError, OSError, MemoryError) as problem:
            text = str(problem) or "there is not enough memory for it"
            return Lost(text.removeprefix(self.huge.job.source).strip())


@dataclass
class Gathering:
    """The parts of one picture as they come."""

    job: Job
    huge: Huge
    pieces: Pieces
    paths: list[str] = field(default_factory=list)
    arrived: int = 0
    problem: str = ""
    started: float = field(default_factory=time.perf_counter)

    def items(self) -> Iterator[PartItem]:
        """What is to be done."""
        for window in self.huge.windows:
            yield PartItem(self.huge, window, str(self.pieces.folder))

    def take(self, result: str | Lost) -> Record | None:
        """Take a part in; the record, when it was the last."""
        self.arrived += 1
        if isinstance(result, Lost):
            self.problem = self.problem or result.reason
        else:
            self.paths.append(result)
        if self.arrived < len(self.huge.windows):
            return None
        record = Record(self.job.source, self.job.target)
        record.seconds = time.perf_counter() - self.started
        record.notes = list(self.huge.notes)
        record.facts = dict(self.huge.facts())
        try:
            if self.problem:
                raise ImageError(self.problem)
            self.huge.finish(self.pieces, self.paths)
        except (ZooError, OSError) as problem:
            record.error = f"{self.job.source}: {problem}"
        return record


def look_at(job: Job, absolute: Job, options: Options) -> Gathering | Record | None:
    """How a job's picture is worked off in parts; None if it is run as a whole.

    A record where that must be, and cannot.
    """
    try:
        model = options.network.load()
        if is_zarr(job.source):
            huge = look_into(job.source, absolute, options, model)
        else:
            with open_source(job.source) as source:
                if not named("tiff").recognise(source.head):
                    return None
                huge = look(source, absolute, options, model)
    except (ZooError, OSError) as problem:
        text = str(problem)
        name = "" if text.startswith(job.source) else f"{job.source}: "
        return Record(job.source, job.target, error=name + text)
    if huge is None:
        return None
    reason = huge.sink.misfit(huge.sample, huge.result)
    if reason:
        error = f"{job.source}: {reason}"
        return Record(job.source, job.target, error=error)
    return Gathering(job, huge, huge.pieces())
