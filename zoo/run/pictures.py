"""A picture from file to file."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from zoo.files import atomic_write
from zoo.formats import STREAM, Format, Source
from zoo.images.image import Image
from zoo.images.reading import about
from zoo.run.files import Work
from zoo.run.jobs import require_folder
from zoo.run.pipeline import color_handling, super_resolve
from zoo.tables import mebibytes

__all__ = ["run_picture"]


def run_picture(work: Work, source: Source, format: Format) -> None:
    """Read, compute, write, and record what was found.

    Raises
    ------
    ZooError
        Whatever is wrong, in one sentence that need not name the file.
    """
    options, model = work.options, work.model
    with about(source.name):
        image: Image = format.read(source, damaged=options.damaged)
    for text in image.notes:
        work.note(text)
    shape = model.network.shapes(image.height, image.width)[-1]
    size = (shape.height, shape.width)
    target = work.fit(format, lambda item: item.misfit(image, size))
    path = work.job.target
    if path != STREAM:
        require_folder(Path(path).parent, create=True)
    if work.say is not None:
        work.say(_plan_text(work, image, *size))
    start = time.perf_counter()
    result = super_resolve(
        model,
        image,
        use_ensemble=options.use_ensemble,
        white=options.white,
        progress=work.progress,
    )
    seconds = time.perf_counter() - start
    losses = target.losses(result)
    if losses:
        work.note(f"{target.name} has no place for {', '.join(losses)}: left out")
    if path == STREAM:
        target.write(sys.stdout.buffer, result, quality=options.quality)
        sys.stdout.buffer.flush()
    else:
        with atomic_write(path) as file:
            target.write(file, result, quality=options.quality)
    if work.say is not None:
        work.say(f"{work.job.source}: {seconds:.3g} s in the network")
    work.record.facts |= {
        "width": image.width,
        "height": image.height,
        "output_width": result.width,
        "output_height": result.height,
        "network_seconds": round(seconds, 4),
    }


def _plan_text(work: Work, image: Image, height: int, width: int) -> str:
    """What is about to happen to one picture."""
    model, job = work.model, work.job
    handling = color_handling(model.network.pixels, image)
    memory = model.plan(image.height, image.width).memory
    ensemble = "; mean of 8 (self-ensemble)" if work.options.use_ensemble else ""
    return (
        f"{job.source}: {image.description} -> {job.target}: {width}x{height}, "
        f"{job.format}; {handling}{ensemble}; {mebibytes(memory)} MiB beside the weights"
    )
