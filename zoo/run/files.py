"""One file through a network to one file: the unit of all work.

The command line, a pool of processes and a cluster map the same function,
:func:`run_file`, over jobs. Jobs, options and what comes back are small and can
be pickled.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any, Literal, Protocol

from zoo.errors import DamagedError, ImageError, WeightsError, ZooError
from zoo.formats import STREAM, Format, Kind, Source, named, open_source
from zoo.images.reading import format_in
from zoo.images.zarr_header import ZARR, is_zarr
from zoo.run.jobs import Job, exists
from zoo.run.sizes import Wanted

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.plugins import Precision

__all__ = [
    "NetworkFile",
    "Options",
    "Record",
    "VolumeOptions",
    "Work",
    "forget_models",
    "run_file",
]

_MOST_NAMED = 4  # formats that are proposed


@dataclass(frozen=True)
class NetworkFile:
    """Where a network is found, and how it runs: what :func:`zoo.load` takes.

    Attributes
    ----------
    cfg : str
        A file or the name of a network that ships.
    weights : str or None
        A file; by default what lies beside the cfg, or ships.
    backend, threads, memory, precision, lenient, header
        See :func:`zoo.load`.
    settings : tuple of (name, text)
        What a checkpoint does not state that is converted in passing.
    sha256 : str or None
        The fingerprint that its files must have, where another process names them.
    """

    cfg: str
    weights: str | None = None
    backend: str | None = None
    threads: int | None = None
    memory: str | None = None
    precision: Precision = "f32"
    lenient: bool = False
    header: int | None = None
    settings: tuple[tuple[str, str], ...] = ()
    sha256: str | None = None

    def find(self) -> Path:
        """Its cfg, made of a checkpoint if it is one.

        Raises
        ------
        ZooError
            As :func:`zoo.checkpoints.passing.find_network` does.
        """
        from zoo.checkpoints.passing import find_network

        return find_network(self.cfg, dict(self.settings))

    def load(self) -> Model:
        """The network with its weights; read once in a process.

        Raises
        ------
        WeightsError
            If it has none, or they are others than those of ``sha256``.
        """
        return _load(self)

    def fingerprint(self) -> str:
        """One hash of the contents of its cfg and weights."""
        from zoo.checkpoints.cards import digest

        origin = self.origin
        return digest(self.find())[:32] + (digest(origin)[:32] if origin else "")

    @property
    def origin(self) -> str | None:
        """The file of the weights, or None if there is none."""
        from zoo.catalog import find_weights

        if self.weights is not None:
            return self.weights
        found = find_weights(self.find())
        return None if found is None else str(found)


@lru_cache(maxsize=8)
def _load(file: NetworkFile) -> Model:
    from zoo.api import load

    path = file.find()
    if file.sha256 is not None and file.fingerprint() != file.sha256:
        raise WeightsError(
            f"{file.cfg} or its weights are other files on {gethostname()} than where "
            f"the call was made; copy them, or send them with --ship"
        )
    model = load(
        path,
        file.origin,
        backend=file.backend,
        threads=file.threads,
        memory=file.memory,
        precision=file.precision,
        lenient=file.lenient,
        header=file.header,
    )
    if not model.network.trained:
        raise WeightsError(
            f"{file.cfg} has no weights: `zoo convert CHECKPOINT` makes them, with "
            f"their cfg, from a published checkpoint; --weights FILE names them; "
            f"trained weights beside the cfg with the same stem "
            f"({path.stem}.safetensors) are found by themselves"
        )
    return model


def forget_models() -> None:
    """Load every network anew: what kernels are made of has changed."""
    _load.cache_clear()


@dataclass(frozen=True)
class VolumeOptions:
    """What is asked for volumes alone.

    Attributes
    ----------
    plane : {"auto", "axial", "coronal", "sagittal"}
    channels : {"mean", "luma", "each"}
        Of a network of colours on gray slices.
    dtype : {"float32", "same"}
        Of the result; "same" rounds, saturates and counts.
    through : bool
        Enlarge across the slices instead of within them.
    nan : {"keep", "zero"}
        What voxels become that are NaN or infinite.
    """

    plane: Literal["auto", "axial", "coronal", "sagittal"] = "auto"
    channels: Literal["mean", "luma", "each"] = "mean"
    dtype: Literal["float32", "same"] = "float32"
    through: bool = False
    nan: Literal["keep", "zero"] = "keep"


@dataclass(frozen=True)
class Options:
    """What is the same for all files of one call.

    Attributes
    ----------
    network : NetworkFile
    use_ensemble : bool
        Mean over the symmetries of the picture.
    white : float or None
        The value of white in float pictures.
    quality : int or None
        Of lossy formats.
    force, skip_existing : bool
        What happens where the target exists.
    damaged : bool
        Take what can be read of damaged files.
    background : tuple of int, or None
        R, G, B from 0 to 255: where a format holds no transparency or fewer bits,
        the result is laid on this colour and rounded.
    wanted : Wanted
        The size of the result, if it is not the network's.
    others : tuple of NetworkFile
        The same network for other scales, of which the nearest is taken.
    window : int or None
        TIFF and Zarr are read and written in parts of so many pixels a side; None where it is
        huge, in parts that suit it.
    """

    network: NetworkFile
    use_ensemble: bool = False
    white: float | None = None
    quality: int | None = None
    force: bool = False
    skip_existing: bool = False
    damaged: bool = False
    background: tuple[int, int, int] | None = None
    volume: VolumeOptions = VolumeOptions()
    wanted: Wanted = field(default_factory=Wanted)
    others: tuple[NetworkFile, ...] = ()
    window: int | None = None


@dataclass
class Record:
    """What became of one file.

    Attributes
    ----------
    input, output : str
    seconds : float
    error : str or None
        One sentence, with the name of the file.
    skipped : bool
        Whether the target was there already.
    notes : list of str
        What its reader should know: losses, other formats.
    facts : dict
        Sizes and times, as JSON has them.
    trace : str
        The traceback of an error that nobody foresaw.
    """

    input: str
    output: str
    seconds: float = 0.0
    error: str | None = None
    skipped: bool = False
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    trace: str = ""

    @property
    def state(self) -> str:
        """One of "done", "skipped" and "failed"."""
        if self.error is not None:
            return "failed"
        return "skipped" if self.skipped else "done"

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        plain = asdict(self)
        facts = plain.pop("facts")
        del plain["trace"]
        if not plain["skipped"]:
            del plain["skipped"]
        error = plain.pop("error")
        plain["seconds"] = round(self.seconds, 4)
        return {**plain, **facts, "error": error}


@dataclass
class Work:
    """One job in progress, as the runner of a kind of files sees it.

    Attributes
    ----------
    job : Job
        Replaced where another format is written than was planned.
    options : Options
    model : Model
    record : Record
        Notes and facts are added to it.
    progress : callable
        Called with the part done, from 0 to 1.
    say : callable or None
        Takes lines for ``-v``; None where nobody listens.
    count : callable
        Called with the number of frames done, and that of all or None.
    """

    job: Job
    options: Options
    model: Model
    record: Record
    progress: Callable[[float], None]
    say: Callable[[str], None] | None
    count: Callable[[int, int | None], None]

    def choose(self, needed: float) -> None:
        """Take the network whose scale is the least that suffices, or the largest."""
        if not self.options.others:
            return
        models = sorted(
            [self.model, *(other.load() for other in self.options.others)],
            key=lambda model: model.scale,
        )
        able = [model for model in models if model.scale >= needed * (1 - 1e-9)]
        self.model = able[0] if able else models[-1]

    def note(self, text: str) -> None:
        """Add what the user should know to the record."""
        self.record.notes.append(text)

    def fit(
        self,
        given: Format,
        misfit: Callable[[Format], str],
        *,
        can_flatten: bool = False,
        among: Iterable[Format] | None = None,
    ) -> Format:
        """Choose the format to be written; the job's target follows it.

        Parameters
        ----------
        given : Format
            Of the file that was read.
        misfit : callable
            What a format cannot hold of the result; empty if nothing.
        can_flatten : bool
            Whether ``options.background`` would help, for the message.
        among : iterable of Format, optional
            What may be written instead; by default all of the kind of ``given``.

        Raises
        ------
        ImageError
            If the format that was asked for cannot hold it, or no other name is
            free.
        """
        from zoo.formats import formats

        chosen = named(self.job.format) if self.job.format else given
        if chosen.missing():
            raise ImageError(f"{chosen.name} is a format which {chosen.missing()}")
        reason = misfit(chosen)
        if reason:
            able = [
                item
                for item in (formats(given.kind).values() if among is None else among)
                if item.can_write and not item.missing() and not misfit(item)
            ]
            if not self.job.is_free or not able:
                names = " or ".join(item.name for item in able[:_MOST_NAMED])
                ways = [f"choose {names} (-f, or the ending of -o)"] if able else []
                if can_flatten:
                    ways.append(f"--flatten white makes it fit {chosen.name}")
                raise ImageError(
                    f"{chosen.name} cannot hold {'; '.join((reason, *ways))}"
                )
            other = self.job.with_format(able[0].name)
            if other.target not in (STREAM, self.job.target) and (
                os.path.lexists(other.target) and not self.options.force
            ):
                if self.options.skip_existing:
                    self.job = other
                    raise Skipped
                raise ImageError(
                    f"{chosen.name} cannot hold {reason}; {other.target} is taken"
                )
            self.note(
                f"{chosen.name} cannot hold {reason}; {able[0].name} is written instead"
            )
            chosen = able[0]
            self.job = other
        elif not self.job.format:
            self.job = self.job.with_format(chosen.name)
        self.record.output = self.job.target
        return chosen


class Skipped(Exception):
    """The file that would be written is there already, and may stay."""


class _Runner(Protocol):
    def __call__(self, work: Work, source: Source, format: Format) -> None: ...


# Where files of each kind are run: a function of Work, Source and Format.
_RUNNERS: dict[Kind, str] = {
    "picture": "zoo.run.pictures:run_picture",
    "video": "zoo.run.clips:run_video",
    "volume": "zoo.run.volumes:run_volume",
}


def run_file(
    job: Job,
    options: Options,
    *,
    model: Model | None = None,
    progress: Callable[[float], None] | None = None,
    say: Callable[[str], None] | None = None,
    count: Callable[[int, int | None], None] | None = None,
) -> Record:
    """Run a network on one file and write the result.

    Whatever is wrong with the file is in the record, so that others can go on.

    Parameters
    ----------
    job : Job
    options : Options
    model : Model, optional
        By default ``options.network`` is loaded, once in a process.
    progress : callable, optional
        Called with the part of the work done, from 0 to 1.
    say : callable, optional
        Called with lines of what is done, and how.
    count : callable, optional
        Called with the number of frames of a video that are done, and with that of
        all frames, or None where nobody knows it.

    Raises
    ------
    ZooError
        If the network cannot be loaded.
    BrokenPipeError
        If nobody reads standard output any more.
    """
    record = Record(job.source, job.target)
    start = time.perf_counter()
    if options.skip_existing and exists(job):
        return _skipped(record, say)
    model = options.network.load() if model is None else model
    work = Work(
        job,
        options,
        model,
        record,
        progress or (lambda part: None),
        say,
        count or (lambda done, total: None),
    )
    try:
        if is_zarr(job.source):
            from zoo.run.stores import run_store

            run_store(work)
            return _finished(record, start, model)
        with open_source(job.source, job.others) as source:
            found = format_in(source)
            if found.kind == "volume" and options.wanted.mark is not None:
                raise ImageError("a size, a width or a factor is for pictures alone")
            if found.name == "tiff":
                from zoo.run.huge import look, run_huge

                huge = look(source, job, options, model)
                if huge is not None:
                    run_huge(work, huge)
                    return _finished(record, start, model)
            if job.format == ZARR and found.kind != "picture":
                raise ImageError(
                    f"is a {found.kind}; Zarr is written of pictures alone"
                )
            module, _, name = _RUNNERS[found.kind].partition(":")
            runner: _Runner = getattr(import_module(module), name)
            runner(work, source, found)
    except BrokenPipeError:
        raise
    except Skipped:
        record.output = work.job.target
        return _skipped(record, say)
    except (ZooError, OSError, MemoryError) as problem:
        record.error = _sentence(job, problem)
    except Exception as problem:  # noqa: BLE001 - one file never ends a batch
        what = f"{type(problem).__name__}: {problem}".rstrip(": ")
        record.error = _sentence(
            job, ZooError(f"something unexpected happened ({what})")
        )
        record.trace = traceback.format_exc()
    return _finished(record, start, model)


def _finished(record: Record, start: float, model: Model) -> Record:
    record.seconds = time.perf_counter() - start
    record.facts |= {
        "backend": model.kernels.name,
        "instruction_set": model.kernels.instruction_set,
        "threads": model.kernels.threads,
    }
    return record


def _skipped(record: Record, say: Callable[[str], None] | None) -> Record:
    record.skipped = True
    if say is not None:
        say(f"{record.input}: {record.output} exists, skipped")
    return record


def _sentence(job: Job, problem: Exception) -> str:
    """What went wrong, with the name of the picture."""
    name = "standard input" if job.source == STREAM else job.source
    if isinstance(problem, MemoryError):
        return f"{name}: there is not enough memory for it"
    text = str(problem)
    if isinstance(problem, OSError) and not isinstance(problem, ZooError):
        text = problem.strerror or text
    text = " ".join(text.split())
    if isinstance(problem, DamagedError):
        text += "; --damaged reads what is left of it"
    return text if text.startswith(name) else f"{name}: {text}"
