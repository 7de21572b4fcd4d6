"""What the worker does: a run of a network, an evaluation of several."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.formats import suffix_of
from zoo.run import jobs
from zoo.run.files import Options, run_file
from zoo.run.names import beside
from zoo.serve.networks import Choice
from zoo.serve.store import Dropped, Job, Store

__all__ = ["Cancelled", "evaluate", "run"]


class Cancelled(BaseException):
    """A job is to end; nothing that handles errors of files may keep it."""


def run(job: Job, store: Store, choices: dict[str, Choice]) -> None:
    """Run one network on one file, as `zoo run` does.

    Raises
    ------
    ZooError
        If it fails.
    Cancelled
    """
    dropped = store.inputs[job.inputs[0]]
    choice = choices[job.networks[0]]
    model = choice.file.load()
    if dropped.pixels * model.scale**2 > store.limits.output_pixels:
        raise UsageError(
            f"the result would have {int(dropped.pixels * model.scale**2):,} pixels, and "
            f"at most {store.limits.output_pixels:,} are made here; use `zoo run`"
        )
    target = store.new_path(suffix_of(dropped.path))
    part = _reporter(job, store)
    record = run_file(
        jobs.Job(str(dropped.path), str(target), None, is_free=True),
        Options(choice.file),
        model=model,
        progress=part,
        count=lambda done, total: part(done / total if total else 0.0),
    )
    said = _named(dropped, record.output)
    if record.error is not None:
        raise ZooError(said(record.error))
    job.notes = [said(note) for note in record.notes]
    job.output = Path(record.output)
    job.output_name = beside(dropped.name, suffix_of(record.output), model.scale)
    if "network_seconds" in record.facts:
        choice.took(record.facts["network_seconds"], dropped.pixels)


def evaluate(job: Job, store: Store, choices: dict[str, Choice]) -> None:
    """Measure networks on what was dropped, as `zoo eval --report` does.

    Raises
    ------
    ZooError
    Cancelled
    """
    from zoo.evaluate.contest import Contest
    from zoo.evaluate.datasets import set_of_files
    from zoo.evaluate.entrants import Bicubic, NetworkEntrant
    from zoo.evaluate.planes import Gathered
    from zoo.evaluate.presets import protocol_named
    from zoo.evaluate.report import Worst, write_report
    from zoo.evaluate.score_tables import cells

    dropped = [store.inputs[identifier] for identifier in job.inputs]
    networks = [
        NetworkEntrant(name, choices[name].file.load()) for name in job.networks
    ]
    if len({entrant.scale for entrant in networks}) > 1:
        raise UsageError("choose networks of one scale")
    if len({one.kind for one in dropped}) > 1:
        raise UsageError("choose pictures or volumes, not both")
    pictures = replace(
        set_of_files([one.path for one in dropped]),
        names=_apart([one.name for one in dropped]),
    )
    entrants = [Bicubic(), *networks]
    kind = "mri" if pictures.has_volumes else "benchmark"
    done, total = 0, len(entrants) * len(pictures)
    part = _reporter(job, store)

    def count() -> None:
        nonlocal done
        done += 1
        part(min(1.0, done / total))

    contest = Contest(entrants, networks[0].scale, how=protocol_named(kind))
    contest.on_picture = count
    worst, gathered = [], Gathered()
    for entrant in entrants:
        part(min(1.0, done / total))
        seen = Worst(entrant, gathered)
        contest.measure(entrant, "dropped", pictures, seen)
        worst.append((entrant.name, "dropped", seen))
    header, rows = cells(contest.results)
    names = [name.removeprefix("dropped ") for name in header]  # the only set
    job.table = [names, *(list(row) for row in rows)]
    for one in dropped:
        said = _named(one)
        for result in contest.results:
            job.notes += [said(reason) for reason in result.left_out.values()]
    job.notes = list(dict.fromkeys(job.notes))
    target = store.new_path(".html")
    command = f"zoo eval bicubic {' '.join(job.networks)} FOLDER --report report.html"
    write_report(contest.results, worst, target, command)
    job.output, job.output_name = target, "report.html"


def _apart(names: list[str]) -> tuple[str, ...]:
    """Names of which no two are alike: files of two folders may be called the same."""
    times = [names[:index].count(name) for index, name in enumerate(names)]
    return tuple(
        name
        if not time
        else f"{name.removesuffix(suffix_of(name))} ({time + 1}){suffix_of(name)}"
        for name, time in zip(names, times, strict=True)
    )


def _reporter(job: Job, store: Store) -> Callable[[float], None]:
    """What is called with the part that is done; it ends what has to end."""

    def report(part: float) -> None:
        if job.stop.is_set():
            raise Cancelled
        if time.monotonic() - job.started > store.limits.job_seconds:
            raise UsageError(
                f"it has taken {store.limits.job_seconds:.0f} s, which is the limit here"
            )
        job.part = part

    return report


def _named(dropped: Dropped, *others: str) -> Callable[[str], str]:
    """What replaces our paths by the name that the user knows."""

    def said(text: str) -> str:
        for path in (str(dropped.path), *others, dropped.path.name):
            text = text.replace(path, dropped.name)
        return text

    return said
