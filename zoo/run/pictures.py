"""A picture from file to file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.files import atomic_write
from zoo.formats import STREAM, Format, Source, named
from zoo.images.frames import FrameFormat
from zoo.images.image import Image
from zoo.images.reading import about
from zoo.images.zarr_header import ZARR
from zoo.pixels import beyond_white
from zoo.run.alpha import flattened
from zoo.run.files import Options, Work
from zoo.run.jobs import require_folder
from zoo.run.pipeline import color_handling, super_resolve
from zoo.run.sizes import resized, times
from zoo.tables import mebibytes

if TYPE_CHECKING:
    from zoo.run.windows import Windows

__all__ = ["enlarged", "plan_text", "run_image", "run_picture", "target_size"]


def run_picture(work: Work, source: Source, format: Format) -> None:
    """Read, compute, write, and record what was found.

    Raises
    ------
    ZooError
        Whatever is wrong, in one sentence that need not name the file.
    """
    image = _read(work, source, format)
    if image is not None:
        source.forget()
        run_image(work, image, format)


def run_image(
    work: Work, image: Image, format: Format, windows: Windows | None = None
) -> None:
    """Compute and write what was read; ``windows`` is the Zarr folder of which it is."""
    for text in image.notes:
        work.note(text)
    most = beyond_white(image.pixels) if work.options.white is None else None
    if most is not None:
        work.note(
            f"its values reach {most:.4g}, and white is 1 where they are floats; if it "
            f"is another value here, say so (--white 255)"
        )
    size = target_size(work, image)
    path = work.job.target
    if work.job.format == ZARR:
        from zoo.run.stores import store_for, write_store

        sink = store_for(path, image, size, windows)
    else:
        target = _fit(work, format, image, size)
        path = work.job.target
    if path != STREAM:
        require_folder(Path(path).parent, create=True)
    if work.say is not None:
        work.say(plan_text(work, image, *size))
    start = time.perf_counter()
    result = enlarged(work, image, size, work.progress)
    seconds = time.perf_counter() - start
    if work.job.format == ZARR:
        _note_losses(work, ZARR, sink.losses(result))
        write_store(path, sink, result, (image.height, image.width))
    else:
        _write(work, target, result)
    if work.say is not None:
        work.say(f"{work.job.source}: {seconds:.3g} s in the network")
    work.record.facts |= {
        "width": image.width,
        "height": image.height,
        "output_width": result.width,
        "output_height": result.height,
        "network_seconds": round(seconds, 4),
    }


def _write(work: Work, target: Format, result: Image) -> None:
    """Write a file, or to standard output."""
    options, path = work.options, work.job.target
    dtype = _smaller(options, target, result, (result.height, result.width))
    if dtype is not None:
        assert options.background is not None
        result = flattened(result, options.background, dtype, options.white)
    _note_losses(work, target.name, target.losses(result))
    if path == STREAM:
        target.write(sys.stdout.buffer, result, quality=options.quality)
        sys.stdout.buffer.flush()
    else:
        with atomic_write(path) as file:
            target.write(file, result, quality=options.quality)


def _note_losses(work: Work, name: str, losses: tuple[str, ...]) -> None:
    if losses:
        work.note(f"{name} has no place for {', '.join(losses)}: left out")


def _read(work: Work, source: Source, format: Format) -> Image | None:
    """Read a picture; None if it was an animation, which is done then."""
    damaged = work.options.damaged
    if not isinstance(format, FrameFormat):
        with about(source.name):
            picture: Image = format.read(source, damaged=damaged)
        return picture
    with about(source.name):
        clip = format.clip(source, damaged=damaged)
        if clip is None:
            picture = format.read(source, damaged=damaged)
            return picture
    wanted: Format | None = format
    if work.job.format:
        wanted = None if work.job.format == ZARR else named(work.job.format)
    if work.job.is_free or isinstance(wanted, FrameFormat):
        from zoo.run.clips import run_clip

        run_clip(work, source, format, clip)
        return None
    with about(source.name):
        first = next(clip.frames)
    return first.image.noted(f"has {clip.count} frames; the first is taken")


def target_size(work: Work, image: Image) -> tuple[int, int]:
    """Height and width of the result; the network for it becomes the work's."""
    own = (image.height, image.width)
    wanted = work.options.wanted.of(*own)
    if wanted is None:
        shape = work.model.network.shapes(*own)[-1]
        return shape.height, shape.width
    work.choose(max(new / old for new, old in zip(wanted, own, strict=True)))
    return wanted


def enlarged(
    work: Work,
    image: Image,
    size: tuple[int, int],
    progress: Callable[[float], None],
) -> Image:
    """The result for a picture, of a height and width."""
    options = work.options
    count, grows = 1, 1.0
    if options.wanted.mark is not None:
        scale = work.model.scale
        count = times((image.height, image.width), size, scale)
        grows = scale**2
    for done in range(count):
        image = super_resolve(
            work.model,
            image,
            use_ensemble=options.use_ensemble,
            white=options.white,
            # Every time is as many times the work of the one before.
            progress=partial(_part, progress, done, count, grows),
        )
    return resized(image, size) if options.wanted.mark is not None else image


def _part(
    progress: Callable[[float], None], done: int, count: int, grows: float, part: float
) -> None:
    """Show how far the work is, of which each time takes more than the one before."""
    shares = [grows**number for number in range(count)]
    progress((sum(shares[:done]) + part * shares[done]) / sum(shares))


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


def plan_text(work: Work, image: Image, height: int, width: int) -> str:
    """What is about to happen to one picture."""
    model, job = work.model, work.job
    handling = color_handling(model.network.pixels, image)
    memory = model.plan(image.height, image.width).memory
    ensemble = "; mean of 8 (self-ensemble)" if work.options.use_ensemble else ""
    if work.options.wanted.mark is not None:
        count = times((image.height, image.width), (height, width), model.scale)
        often = f", {count} times" if count > 1 else ""
        ensemble += f"; x{model.scale:g}{often}, then bicubic to the size wanted"
    return (
        f"{job.source}: {image.description} -> {job.target}: {width}x{height}, "
        f"{job.format}; {handling}{ensemble}; {mebibytes(memory)} MiB beside the weights"
    )
