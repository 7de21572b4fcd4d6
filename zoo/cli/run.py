"""``zoo run``: pictures through a network."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli import _completion as completion
from zoo.cli._common import (
    SIZE,
    backend_option,
    device_option,
    header_option,
    lenient_option,
    on_device,
    on_option,
    precision_option,
    print_json,
    print_text,
    require_engine,
    say,
    set_option,
    settings_of,
    ship_option,
    threads_option,
    weights_option,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.plugins import Precision
    from zoo.progress import Bar
    from zoo.run.files import NetworkFile, Record
    from zoo.run.inputs import InputFiles
    from zoo.run.jobs import Job
    from zoo.run.sizes import Wanted

__all__ = ["command"]


@click.command(short_help="Run a network on pictures.")
@click.argument("cfg", shell_complete=completion.networks)
@click.argument(
    "images",
    metavar="IMAGE...",
    nargs=-1,
    required=True,
    type=click.Path(readable=False),  # one of many must not end the call
)
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
    "-f", "--format", metavar="NAME", help="Format of the output: png, tiff, jpg, ..."
)
@backend_option
@device_option
@precision_option
@weights_option
@set_option
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
@click.option("--size", type=SIZE, help="Size of the result, as in 1920x1080.")
@click.option(
    "--width", type=click.IntRange(1, 262_144), help="Width of the result in pixels."
)
@click.option(
    "-s",
    "--scale",
    "--factor",
    "factor",
    type=click.FloatRange(0, 64, min_open=True),
    help="Times the size of the picture. The network runs as often as it needs, then "
    "bicubic brings the result to its size.",
)
@click.option(
    "--flatten",
    metavar="COLOR",
    help="Where a format holds no transparency or fewer bits: lay the result on COLOR "
    "(white, black, #rrggbb) and round it.",
)
@click.option(
    "--window",
    type=click.IntRange(16, 65_536),
    metavar="PIXELS",
    help="Read and write TIFF and Zarr in parts of so many pixels a side; huge ones, and "
    "Zarr, always are, where they can be.",
)
@on_option
@ship_option
@click.option("--part", metavar="K/N", help="Only the K-th of N parts of the files.")
@click.option(
    "--plane",
    type=click.Choice(("auto", "axial", "coronal", "sagittal")),
    default="auto",
    help="Of a volume's slices; auto: across its thickest voxels.",
)
@click.option(
    "--channels",
    type=click.Choice(("mean", "luma", "each")),
    default="mean",
    help="Of a network of colours on a gray volume.",
)
@click.option(
    "--dtype",
    type=click.Choice(("float32", "same")),
    default="float32",
    help="Of a volume that is written; same rounds and saturates.",
)
@click.option("--through", is_flag=True, help="Enlarge a volume across its slices.")
@click.option(
    "--nan",
    type=click.Choice(("keep", "zero")),
    default="keep",
    help="What voxels become that are NaN.",
)
@click.option(
    "--damaged", is_flag=True, help="Read what can be read of damaged pictures."
)
@lenient_option
@header_option
def command(
    cfg: str,
    images: tuple[str, ...],
    output: str | None,
    threads: int | None,
    ensemble: bool,
    format: str | None,
    backend: str | None,
    device: str | None,
    precision: Precision,
    weights: str | None,
    settings: tuple[str, ...],
    force: bool,
    skip_existing: bool,
    as_json: bool,
    verbose: bool,
    quality: int | None,
    white: float | None,
    max_memory: str | None,
    size: tuple[int, int] | None,
    width: int | None,
    factor: float | None,
    flatten: str | None,
    window: int | None,
    where: str | None,
    ship: bool,
    part: str | None,
    plane: str,
    channels: str,
    dtype: str,
    through: bool,
    nan: str,
    damaged: bool,
    lenient: bool,
    header: int | None,
) -> int:
    """Run a network on pictures, volumes, animations and video.

    PNG, JPEG, WebP, TIFF, BMP, GIF, PPM and its kind, JPEG 2000, AVIF, NIfTI, MGH,
    DICOM (a folder is its series), Y4M, Zarr (the folder NAME.zarr); `zoo plugins`
    lists the formats of files.

    CFG is a file or the name of a network (`zoo list`). IMAGE is a file, a
    folder, which is walked and mirrored into the folder -o, or - for stdin.

    Without -o the result lies beside the picture as NAME_x2.png, for the scale
    that the network has. It keeps the format of the picture (by its ending),
    bits, alpha, gray and metadata. Where that format cannot hold it, say a WebP
    above 16383 pixels, it becomes PNG or TIFF. Pictures of a folder that would
    get one name, as a.png and a.jpg with -f png, become a.png.png, a.jpg.png.
    What zoo made of other files of the call (photo_x2.png of photo.png) is left
    out, so `zoo run N *.png --skip-existing` goes on where it was stopped.

    Exit code: 0 all is well, 1 some pictures failed (the others are done), 2 the
    call was wrong and nothing was done.
    """
    from zoo.progress import bar
    from zoo.run.alpha import parse_color
    from zoo.run.files import NetworkFile, Options, VolumeOptions, run_file
    from zoo.run.inputs import find_inputs
    from zoo.run.jobs import check_targets, make_jobs, require_folder

    _check_call(output, force, skip_existing, as_json)
    require_engine(where, ship)
    if format is not None:
        format = _writable(format)
    network = NetworkFile(
        cfg,
        weights,
        backend=on_device(backend, device),
        threads=threads,
        memory=max_memory,
        precision=precision,
        lenient=lenient,
        header=header,
        settings=tuple(settings_of(settings).items()),
    )
    background = None if flatten is None else parse_color(flatten)
    wanted = _wanted(size, width, factor)
    network, others = _scales(network, wanted)
    network.find()  # whether the network is there, before the pictures
    inputs = find_inputs(images, output)
    model = network.load()
    jobs = make_jobs(
        inputs,
        output,
        format,
        wanted.mark or model.scale,
        skip_existing=skip_existing,
    )
    if any(job.target == "-" for job in jobs):
        _check_stdout(as_json)
    elif output is not None:
        folder = Path(output) if output != jobs[0].target else Path(output).parent
        require_folder(folder, create=False)
    if part is not None:
        jobs = _part_of(jobs, inputs, part)
    if not (force or skip_existing):
        check_targets(jobs)
    options = Options(
        network,
        use_ensemble=ensemble,
        white=white,
        quality=quality,
        force=force,
        skip_existing=skip_existing,
        damaged=damaged,
        volume=VolumeOptions(plane, channels, dtype, through, nan),  # type: ignore[arg-type]
        background=background,
        wanted=wanted,
        others=others,
        window=window,
    )
    states: Counter[str] = Counter()
    with bar(total=len(jobs), unit="picture") as progress:
        if verbose:
            for line in _describe(model, network).split("\n"):
                progress.say(line)
        if where is not None:
            from zoo.run.engines import engine_at
            from zoo.run.engines.files import run_jobs

            engine = engine_at(where, progress.say, verbose=verbose, ship=ship)
            for index, record in enumerate(run_jobs(engine, jobs, options)):
                _report(record, progress.say, as_json)
                states[record.state] += 1
                progress.reach(index + 1)
            jobs = []
        for index, job in enumerate(jobs):
            record = run_file(
                job,
                options,
                model=model,
                progress=partial(_reach, progress, index),
                say=progress.say if verbose else None,
                count=partial(_count, progress),
            )
            _report(record, progress.say, as_json)
            states[record.state] += 1
            progress.reach(index + 1)
    _conclude(states, inputs)
    return 1 if states["failed"] else 0


def _writable(name: str) -> str:
    """The name of the format that ``-f`` asks for."""
    from zoo.formats import named
    from zoo.images.zarr_header import ZARR

    if name.lower() == ZARR:
        return ZARR
    chosen = named(name)
    if not chosen.can_write:
        raise UsageError(f"zoo reads {chosen.label} and does not write it")
    return chosen.name


def _part_of(jobs: list[Job], inputs: InputFiles, text: str) -> list[Job]:
    """The jobs of one part; names were settled over the whole list."""
    from zoo.run.engines import is_part, parse_part

    part = parse_part(text)
    relative = {item.path: str(item.relative) for item in inputs.items}
    return [job for job in jobs if is_part(relative.get(job.source, job.source), part)]


def _wanted(
    size: tuple[int, int] | None, width: int | None, factor: float | None
) -> Wanted:
    """The size of the results, from the three options that state it."""
    from zoo.run.sizes import Wanted

    if sum(item is not None for item in (size, width, factor)) > 1:
        raise UsageError("--size, --width and --factor contradict each other; give one")
    return Wanted(size, width, factor)


def _scales(
    network: NetworkFile, wanted: Wanted
) -> tuple[NetworkFile, tuple[NetworkFile, ...]]:
    """A network that is named without its scale, for every scale that it has.

    ``edsr`` is edsr_x2, edsr_x3 and edsr_x4, of which each picture takes the one that
    it needs for its size.
    """
    from zoo.catalog import find_weights, networks

    if wanted.mark is None or Path(network.cfg).exists():
        return network, ()
    pattern = re.compile(re.escape(network.cfg.lower()) + r"_x\d+(\.\d+)?")
    found = [
        replace(network, cfg=entry.name)
        for entry in networks()
        if pattern.fullmatch(entry.name.lower()) and find_weights(entry.cfg)
    ]
    if not found:
        return network, ()
    if network.weights is not None:
        raise UsageError(f"--weights are of one scale; name it, as in {found[0].cfg}")
    return found[0], tuple(found[1:])


def _conclude(states: Counter[str], inputs: InputFiles) -> None:
    """Say what was done, and what was not, where that is more than one file."""
    total = states.total()
    if not (inputs.has_folder or inputs.left_out or (total > 1 and states["failed"])):
        return
    words = [f"{states['done']} of {total} done"]
    if states["skipped"]:
        words.append(f"{states['skipped']} skipped, for they exist")
    if states["failed"]:
        words.append(f"{states['failed']} failed")
    if inputs.left_out:
        words.append(f"left out: {', '.join(inputs.left_out)}")
    say("; ".join(words))


def _count(progress: Bar, done: int, total: int | None) -> None:
    """Show at which frame of a video the work is."""
    progress.show(f"frame {done}" if total is None else f"frame {done}/{total}")


def _reach(progress: Bar, index: int, part: float) -> None:
    """Show how far one picture of many is."""
    progress.reach(index + part)


def _report(record: Record, tell: Callable[[str], None], as_json: bool) -> None:
    """Say what went wrong with one picture, or otherwise than might be thought."""
    from zoo.tables import printable

    for text in record.notes:
        tell(printable(f"{record.input}: {text}"))
    if record.error is not None:
        debug = click.get_current_context().find_root().params.get("debug")
        tell(f"{record.trace if debug else ''}zoo: {printable(record.error)}")
    if as_json:
        print_json(record.as_json(), indent=None)
        sys.stdout.flush()
    elif record.state == "done" and record.output != "-":
        print_text(printable(record.output))


def _check_call(
    output: str | None, force: bool, skip_existing: bool, as_json: bool
) -> None:
    """Refuse options that contradict each other."""
    if force and skip_existing:
        raise UsageError("--force and --skip-existing contradict each other; give one")
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


def _describe(model: Model, network: NetworkFile) -> str:
    """What all pictures of the call have in common."""
    kernels = model.kernels
    plural = "s" if kernels.threads != 1 else ""
    return (
        f"network {network.cfg}, x{model.scale:g}; "
        f"weights {network.origin or 'none needed'}\n"
        f"back end {kernels.name}, {kernels.instruction_set}, "
        f"{kernels.threads} thread{plural}, {model.precision}"
    )
