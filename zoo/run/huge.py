"""Pictures that are too large for memory: read, run and written part by part.

A part of the result is computed as the whole picture's plan would compute it, from
just what it depends on (:mod:`zoo.run.region`), so it does not matter how the picture
is cut, and by whom.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo._version import __version__
from zoo.errors import ImageError, ShapeError
from zoo.formats import STREAM, Source
from zoo.images.image import Image
from zoo.images.picture import MAX_PIXELS
from zoo.images.reading import about
from zoo.images.tiff_page import read_page
from zoo.images.tiff_tiles import TiffWindows
from zoo.images.tiff_writer import CLASSIC_LIMIT
from zoo.images.zarr_header import ZARR
from zoo.images.zarr_windows import ZarrWindows, check_target, require_zarr
from zoo.program.geometry import Window
from zoo.run.pieces import Pieces, Tile
from zoo.run.pipeline import color_handling, super_resolve_part
from zoo.run.region import Region
from zoo.run.windows import (
    Sink,
    TiffSink,
    Windows,
    alpha_obstacle,
    open_windows,
    zarr_sink,
)

if TYPE_CHECKING:
    from zoo.api import Model
    from zoo.run.files import Options, Work
    from zoo.run.jobs import Job

__all__ = ["Huge", "look", "look_into", "make_piece", "run_huge"]

_HUGE = 2**27  # pixels above which a picture is read in parts
_PART = 2**24  # pixels of the result in a part
_SIDE = 512  # of a tile, where the picture has none


@dataclass(frozen=True)
class Huge:
    """A picture to be worked off in parts.

    Attributes
    ----------
    job : Job
    sample : Image
        One pixel of it, and its metadata.
    size, result : tuple of int
        Height and width of the picture and of the result.
    sink : Sink
        How the result is written.
    step : tuple of int
        Rows and columns of a part of the result: whole tiles.
    stamp : str
        What the parts depend on.
    """

    job: Job
    sample: Image
    size: tuple[int, int]
    result: tuple[int, int]
    sink: Sink
    step: tuple[int, int]
    stamp: str

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The parts of the result, row by row."""
        (height, width), (rows, columns) = self.result, self.step
        return tuple(
            Window((top, min(top + rows, height)), (left, min(left + columns, width)))
            for top in range(0, height, rows)
            for left in range(0, width, columns)
        )

    def pieces(self) -> Pieces:
        """Where the parts are kept."""
        return Pieces(self.job.target, self.stamp)

    def finish(self, pieces: Pieces, paths: Sequence[str]) -> None:
        """Put the parts together to the file, in whatever order they came."""
        self.sink.write(
            *(self.job.target, self.sample, self.size, self.result),
            Pieces.tiles(sorted(paths, key=_place)),
        )
        pieces.remove()

    @property
    def notes(self) -> tuple[str, ...]:
        """What its reader should know."""
        lost = self.sink.losses(self.sample)
        more = (f"zarr cannot hold {', '.join(lost)}",) if lost else ()
        return self.sample.notes + more

    def facts(self) -> dict[str, int]:
        """As ``--json`` prints them."""
        return {
            "width": self.size[1],
            "height": self.size[0],
            "output_width": self.result[1],
            "output_height": self.result[0],
            "parts": len(self.windows),
        }


def look(source: Source, job: Job, options: Options, model: Model) -> Huge | None:
    """How a TIFF file is worked off in parts; None if it is run as a whole.

    Raises
    ------
    ImageError
        If it must be in parts, and cannot.
    """
    if source.path is None or source.size is None:
        return None
    with about(source.name):
        page = read_page(source.content())
        pixels = page.width * page.height
        is_wanted = options.window is not None or job.format == ZARR
        if not (is_wanted or pixels > _HUGE):
            return None
        return _plan(TiffWindows(source), job, options, model)


def look_into(path: str, job: Job, options: Options, model: Model) -> Huge | None:
    """How a Zarr folder is worked off, in parts where that can be; else None.

    Raises
    ------
    ImageError
        If it must be in parts, and cannot.
    """
    with about(path):
        return _plan(ZarrWindows(path), job, options, model)


def _plan(reader: Windows, job: Job, options: Options, model: Model) -> Huge | None:
    """The parts of a picture; None where it is run as a whole, which must be possible."""
    reason = _obstacle(reader, job, options, model)
    if not reason:
        return _planned(reader, job, options, model)
    if options.window is not None or reader.height * reader.width > _most_pixels():
        raise ImageError(f"cannot be run in parts: {reason}")
    return None


def _most_pixels() -> int:
    text = os.environ.get("ZOO_MAX_PIXELS", "")
    return int(text) if text.isdecimal() else MAX_PIXELS


def _obstacle(reader: Windows, job: Job, options: Options, model: Model) -> str:
    """Why a picture cannot be run in parts; empty if it can."""
    if reader.obstacle:
        return reader.obstacle
    if job.target == STREAM or (job.format or "tiff") not in ("tiff", ZARR):
        return "of the formats that are written TIFF and Zarr alone can be, to a file"
    if job.format == ZARR:
        require_zarr()
        check_target(job.target)
    if options.wanted.mark is not None or options.background is not None:
        return "--size, --width, --factor and --flatten need the whole result"
    if options.damaged:
        return "--damaged needs the whole picture"
    size = reader.height, reader.width
    try:
        color_handling(model.network.pixels, reader.sample)
        model.network.shapes(*size)
        Region(model, size, Window((0, 1), (0, 1))).reads(reader.sample)
    except ShapeError as problem:
        return str(problem)
    return alpha_obstacle(reader)


def _planned(reader: Windows, job: Job, options: Options, model: Model) -> Huge:
    size = reader.height, reader.width
    shape = model.network.shapes(*size)[-1]
    result = shape.height, shape.width
    wanted = round(_PART**0.5)
    if options.window is not None:
        factor = max(result[0] / size[0], result[1] / size[1])
        wanted = round(options.window * factor)
    side = reader.tile or min(_SIDE, max(16, wanted // 16 * 16))
    samples = reader.sample.pixels.shape[2] + (reader.sample.alpha is not None)
    raw = result[0] * result[1] * samples * reader.sample.dtype.itemsize
    sink: Sink = TiffSink(side, reader.is_big or raw > CLASSIC_LIMIT)
    if job.format == ZARR:
        sink = zarr_sink(reader, side, result)
    rows, columns = (max(one, wanted // one * one) for one in sink.tile)
    kernels = model.kernels
    stamp = json.dumps(
        [
            *(__version__, *reader.stamp, rows, columns, *sink.tile, job.format),
            *(options.network.fingerprint(), kernels.name, model.precision),
            *(options.use_ensemble, options.white, os.path.abspath(job.source)),
        ]
    )
    return Huge(job, reader.sample, size, result, sink, (rows, columns), stamp)


def make_piece(
    huge: Huge,
    reader: Windows,
    window: Window,
    model: Model,
    options: Options,
    path: str,
) -> str:
    """Compute a part of the result and write it, if it is not there.

    Parameters
    ----------
    path : str
        Of the folder of the pieces.

    Returns
    -------
    str
        The file. Its name says on what it was computed, for others round otherwise.
    """
    kind = getattr(model.kernels, "isa", model.kernels.name)
    name = f"{window.rows[0]}_{window.columns[0]}_{kind}"
    target = str(Path(path, name))
    if not os.path.exists(target):
        Pieces.write(target, _tiles(huge, reader, window, model, options))
    return target


def _place(path: str) -> tuple[int, int]:
    """First row and column of a part, by the name of its file."""
    row, column, _ = Path(path).name.split("_")
    return int(row), int(column)


def _tiles(
    huge: Huge, reader: Windows, window: Window, model: Model, options: Options
) -> Iterator[Tile]:
    region = Region(model, huge.size, window)
    need = region.reads(reader.sample, use_ensemble=options.use_ensemble)
    part = reader.read(need)
    pixels, alpha = super_resolve_part(
        region, part, need, use_ensemble=options.use_ensemble, white=options.white
    )
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    (high, wide), (rows, columns) = huge.sink.tile, window.size
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            tile = pixels[top : top + high, left : left + wide]
            place = (window.rows[0] + top) // high, (window.columns[0] + left) // wide
            yield *place, huge.sink.pack(tile)


def run_huge(work: Work, huge: Huge) -> None:
    """Run a picture in parts, one after the other, and write the result."""
    reason = huge.sink.misfit(huge.sample, huge.result)
    if reason:
        raise ImageError(reason)
    for text in huge.notes:
        work.note(text)
    if work.say is not None:
        work.say(
            f"{work.job.source}: {huge.size[1]}x{huge.size[0]} -> {work.job.target}: "
            f"{huge.result[1]}x{huge.result[0]}, in {len(huge.windows)} parts"
        )
    pieces = huge.pieces()
    paths, folder = [], str(pieces.folder)
    start = time.perf_counter()
    with open_windows(huge.job.source) as reader, about(huge.job.source):
        for number, window in enumerate(huge.windows):
            paths.append(
                make_piece(huge, reader, window, work.model, work.options, folder)
            )
            work.progress((number + 1) / len(huge.windows))
    seconds = time.perf_counter() - start
    huge.finish(pieces, paths)
    work.record.facts |= {**huge.facts(), "network_seconds": round(seconds, 4)}
