"""A picture from file to file."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoo.files import atomic_write
from zoo.formats import STREAM, Format, Source, named
from zoo.images.image import Image
from zoo.images.reading import about
from zoo.run.alpha import flattened
from zoo.run.files import Options, Work
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
    target = _fit(work, format, image, size)
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
    dtype = _smaller(options, target, result, size)
    if dtype is not None:
        assert options.background is not None
        result = flattened(result, options.background, dtype, options.white)
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


def _fit(work: Work, format: Format, image: Image, size: tuple[int, int]) -> Format:
    """The format to be written; the job's name follows it."""
    options = work.options

    def misfit(item: Format) -> str:
        return "" if _smaller(options, item, image, size) else item.misfit(image, size)

    wanted = named(work.job.format) if work.job.format else format
    could = replace(options, background=options.background or (0, 0, 0))
    can_flatten = _smaller(could, wanted, image, size) is not None
    return work.fit(format, misfit, can_flatten=can_flatten)


def _smaller(
    options: Options, target: Format, image: Image, size: tuple[int, int]
) -> str | None:
    """The type of pixels with which a flattened picture fits; None where it cannot.

    None too where it fits as it is, and where nobody asked for it.
    """
    if options.background is None or not target.misfit(image, size):
        return None
    is_gray = image.is_gray and len(set(options.background)) == 1
    for dtype in ("float32", "uint16", "uint8"):
        if np.dtype(dtype).itemsize > image.dtype.itemsize:
            continue
        sample = Image(np.zeros((1, 1, 1 if is_gray else 3), dtype))
        if not target.misfit(sample, size):
            return dtype
    return None


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
