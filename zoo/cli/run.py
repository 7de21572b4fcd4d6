"""``zoo run``: pictures through a network."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli._common import (
    backend_option,
    device_option,
    on_device,
    precision_option,
    print_json,
    say,
    threads_option,
    weights_option,
)
from zoo.errors import UsageError, WeightsError, ZooError

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.images import Image
    from zoo.progress import Bar
    from zoo.run.jobs import Job

__all__ = ["command"]

# As in zoo.images.formats, which is not imported for the sake of --help.
_FORMATS = ("png", "jpg", "webp", "tiff", "bmp")


@dataclass
class _Run:
    """What is the same for all pictures of one call."""

    model: Model
    progress: Bar
    use_ensemble: bool
    white: float | None
    quality: int | None
    force: bool
    skip_existing: bool
    as_json: bool
    verbose: bool
    targets: set[str] = field(default_factory=set)


@click.command(short_help="Run a network on pictures.")
@click.argument("cfg")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="PATH", help="A file, a folder, or - for stdout."
)
@threads_option
@click.option(
    "-x",
    "--ensemble",
    is_flag=True,
    help="Mean over the eight turned and mirrored pictures: better, 8 times slower.",
)
@click.option(
    "-f", "--format", type=click.Choice(_FORMATS), help="Format of the output."
)
@backend_option
@device_option
@precision_option
@weights_option
@click.option("--force", is_flag=True, help="Overwrite files that exist.")
@click.option("--skip-existing", is_flag=True, help="Leave out what is done already.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per picture.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Say on stderr what is done, and how."
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help="Of JPEG and WebP; 95 by default, and none lost for lossless pictures.",
)
@click.option(
    "--white",
    type=click.FloatRange(min=0, min_open=True),
    help="The value of white in float TIFF; 1.0 by default.",
)
@click.option(
    "--max-memory",
    metavar="SIZE",
    help="Memory to use beside the weights, as in 500M; by default a quarter of "
    "what is free. The result is the same. Also ZOO_MAX_MEMORY.",
)
@click.option("--lenient", is_flag=True, help="Read CFG as Darknet does.")
def command(
    cfg: str,
    images: tuple[str, ...],
    output: str | None,
    threads: int | None,
    ensemble: bool,
    format: str | None,
    backend: str | None,
    device: str | None,
    precision: str,
    weights: str | None,
    force: bool,
    skip_existing: bool,
    as_json: bool,
    verbose: bool,
    quality: int | None,
    white: float | None,
    max_memory: str | None,
    lenient: bool,
) -> int:
    """Run a network on pictures: PNG, JPEG, WebP, TIFF, BMP.

    CFG is a file or the name of a network (`zoo list`). IMAGE is a file, a
    folder, which is walked and mirrored into the folder -o, or - for stdin.

    Without -o the result lies beside the picture as NAME_x2.png, for the scale
    that the network has. It keeps the format of the picture (by its ending),
    bits, alpha, gray and metadata. Where that format cannot hold it, say a WebP
    above 16383 pixels, it becomes PNG or TIFF. Pictures of a folder that would
    get one name, as a.png and a.jpg with -f png, become a.png.png, a.jpg.png.

    Exit code: 0 all is well, 1 some pictures failed (the others are done), 2 the
    call was wrong and nothing was done.
    """
    from zoo.progress import bar
    from zoo.run.jobs import check_targets, find_sources, make_jobs, require_folder

    _check_call(output, force, skip_existing, as_json)
    sources = find_sources(images, output)
    model, origin = _load(
        cfg,
        weights,
        backend=on_device(backend, device),
        threads=threads,
        memory=max_memory,
        precision=precision,
        lenient=lenient,
    )
    jobs = make_jobs(sources, output, format, model.scale)
    if any(job.target == "-" for job in jobs):
        _check_stdout(as_json)
    elif output is not None:
        folder = Path(output) if output != jobs[0].target else Path(output).parent
        require_folder(folder, create=False)
    if not (force or skip_existing):
        check_targets(jobs)
    failures = 0
    with bar(total=len(jobs), unit="picture") as progress:
        if verbose:
            progress.say(_describe(model, cfg, origin))
        run = _Run(
            model,
            progress,
            ensemble,
            white,
            quality,
            force,
            skip_existing,
            as_json,
            verbose,
            {job.target for job in jobs},
        )
        for index, job in enumerate(jobs):
            failures += not _attempt(run, job, index)
            progress.reach(index + 1)
    if failures and len(jobs) > 1:
        say(f"{failures} of {len(jobs)} pictures failed")
    return 1 if failures else 0


def _check_call(
    output: str | None, force: bool, skip_existing: bool, as_json: bool
) -> None:
    """Refuse options that contradict each other."""
    if force and skip_existing:
        raise UsageError("--force and --skip-existing contradict each other; give one")
    if output == "":
        raise UsageError("-o is empty; name a file, a folder or -")
    if output == "-":
        _check_stdout(as_json)


def _check_stdout(as_json: bool) -> None:
    """Refuse to write a picture to where it cannot go."""
    if as_json:
        raise UsageError(
            "--json and the picture cannot both go to stdout; give -o FILE"
        )
    if sys.stdout.isatty():
        raise UsageError("a picture does not go to a terminal; give -o FILE or a pipe")


def _load(cfg: str, weights: str | None, **options: Any) -> tuple[Model, str | None]:
    """The network with its weights, and where they come from."""
    from zoo import load
    from zoo.catalog import find_cfg, find_weights

    path = find_cfg(cfg)
    found = Path(weights) if weights is not None else find_weights(path)
    model = load(path, found, **options)
    if not model.network.trained:
        raise WeightsError(
            f"{cfg} has no weights: `zoo convert CHECKPOINT` makes them, with their "
            f"cfg, from a published checkpoint; --weights FILE names them; trained "
            f"weights beside the cfg with the same stem ({path.stem}.safetensors) are "
            f"found by themselves"
        )
    return model, None if found is None else str(found)


def _describe(model: Model, cfg: str, origin: str | None) -> str:
    """What all pictures of the call have in common."""
    kernels = model.kernels
    plural = "s" if kernels.threads != 1 else ""
    return (
        f"network {cfg}, x{model.scale:g}; weights {origin or 'none needed'}\n"
        f"back end {kernels.name}, {kernels.instruction_set}, "
        f"{kernels.threads} thread{plural}, {model.precision}"
    )


def _attempt(run: _Run, job: Job, index: int) -> bool:
    """Do one job; say what went wrong and return False if it fails."""
    from zoo.run.jobs import exists

    record: dict[str, Any] = {"input": job.source, "output": job.target}
    start = time.perf_counter()
    error: str | None = None
    if run.skip_existing and exists(job):
        record["skipped"] = True
        if run.verbose:
            run.progress.say(f"{job.source}: {job.target} exists, skipped")
    else:
        try:
            record |= _do(run, job, index)
        except BrokenPipeError:
            raise  # nobody reads stdout any more; that ends the call
        except (ZooError, OSError, MemoryError) as problem:
            error = _sentence(job, problem)
            run.progress.say(f"zoo: {error}")
    if run.as_json:
        record |= {
            "seconds": round(time.perf_counter() - start, 4),
            "backend": run.model.kernels.name,
            "instruction_set": run.model.kernels.instruction_set,
            "threads": run.model.kernels.threads,
            "error": error,
        }
        print_json(record, indent=None)
        sys.stdout.flush()
    return error is None


def _sentence(job: Job, problem: Exception) -> str:
    """What went wrong, with the name of the picture."""
    name = "standard input" if job.source == "-" else job.source
    if isinstance(problem, MemoryError):
        return f"{name}: there is not enough memory for it"
    text = str(problem)
    if isinstance(problem, OSError) and not isinstance(problem, ZooError):
        text = problem.strerror or text
    text = " ".join(text.split())
    return text if text.startswith(name) else f"{name}: {text}"


def _do(run: _Run, job: Job, index: int) -> dict[str, Any]:
    """Read, compute, write; return what was found for the JSON record."""
    from zoo.images import read, write
    from zoo.run.jobs import require_folder
    from zoo.run.pipeline import super_resolve

    image = read(job.source)
    size = run.model.network.shapes(image.height, image.width)[-1]
    job = _fitting(run, job, image, size.height, size.width)
    if job.target != "-":
        require_folder(Path(job.target).parent, create=True)
    if run.verbose:
        run.progress.say(_plan_text(run, job, image, size.height, size.width))
    start = time.perf_counter()
    result = super_resolve(
        run.model,
        image,
        use_ensemble=run.use_ensemble,
        white=run.white,
        progress=lambda part: run.progress.reach(index + part),
    )
    seconds = time.perf_counter() - start
    write(job.target, result, format=job.format, quality=run.quality)
    if run.verbose:
        run.progress.say(f"{job.source}: {seconds:.3g} s in the network")
    return {
        "output": job.target,
        "width": image.width,
        "height": image.height,
        "output_width": result.width,
        "output_height": result.height,
        "network_seconds": round(seconds, 4),
    }


def _fitting(run: _Run, job: Job, image: Image, height: int, width: int) -> Job:
    """The job, in another format if the one chosen here cannot hold the result."""
    from zoo.errors import ImageError
    from zoo.images import check_fits

    chosen = job.format or image.format
    try:
        check_fits(image, chosen, height, width)
    except ImageError as problem:
        if not job.is_free:
            raise
        other = job.with_format("tiff" if image.dtype.kind == "f" else "png")
        taken = other.target != "-" and (
            other.target in run.targets - {job.target}
            or (os.path.lexists(other.target) and not run.force)
        )
        if taken:
            raise ImageError(f"{problem}; {other.target} is taken") from None
        run.targets.add(other.target)
        reason = str(problem).partition(";")[0]
        run.progress.say(f"{job.source}: {reason}; {other.format} is written instead")
        return other
    return job if job.format else job.with_format(chosen)


def _plan_text(run: _Run, job: Job, image: Image, height: int, width: int) -> str:
    """What is about to happen to one picture."""
    from zoo.run.pipeline import color_handling
    from zoo.tables import mebibytes

    handling = color_handling(run.model.network.pixels, image)
    memory = run.model.plan(image.height, image.width).memory
    ensemble = "; mean of 8 (self-ensemble)" if run.use_ensemble else ""
    return (
        f"{job.source}: {image.description} -> {job.target}: {width}x{height}, "
        f"{job.format}; {handling}{ensemble}; {mebibytes(memory)} MiB beside the weights"
    )
