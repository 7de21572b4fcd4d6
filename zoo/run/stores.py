"""Zarr folders that are no files: read, run and written whole, or in parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.images.image import Image
from zoo.images.reading import about
from zoo.images.zarr_windows import (
    check_target,
    read_whole,
    require_zarr,
    write_chunks,
)
from zoo.run.jobs import require_folder
from zoo.run.windows import Windows, ZarrSink, plain_sink, zarr_sink

if TYPE_CHECKING:
    from zoo.run.files import Work

__all__ = ["run_store", "store_for", "write_store"]

_SIDE = 512  # of a chunk, where the picture has none


def run_store(work: Work) -> None:
    """Run a Zarr folder: in parts, or whole where the result can only be made so.

    Raises
    ------
    ZooError
        Whatever is wrong, in one sentence.
    """
    from zoo.formats import named
    from zoo.run.huge import look_into, run_huge
    from zoo.run.pictures import run_image

    job = work.job
    huge = look_into(job.source, job, work.options, work.model)
    if huge is not None:
        run_huge(work, huge)
        return
    with about(job.source):
        reader, image = read_whole(job.source)
    run_image(work, image, named("tiff"), reader)


def store_for(
    path: str, image: Image, size: tuple[int, int], source: Windows | None = None
) -> ZarrSink:
    """How a result becomes a Zarr folder: as the picture's was, if it was one.

    Raises
    ------
    ImageError
        If the package is missing.
    ZooError
        If something else has that name.
    """
    require_zarr()
    check_target(path)
    require_folder(Path(path).parent, create=True)
    if source is not None:
        return zarr_sink(source, _SIDE, size)
    return plain_sink(image, _SIDE, size)


def write_store(path: str, sink: ZarrSink, image: Image, old: tuple[int, int]) -> None:
    """Write a Zarr folder from a whole result, of a picture of the size ``old``."""
    size = image.height, image.width
    pixels = image.pixels
    if image.alpha is not None:
        pixels = np.dstack([pixels, image.alpha])
    tiles = _tiles(pixels, *sink.tile)
    write_chunks(path, size, sink.header, sink.compressors, old, tiles)


def _tiles(
    pixels: NDArray[Any], rows: int, columns: int
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    for row, top in enumerate(range(0, pixels.shape[0], rows)):
        for column, left in enumerate(range(0, pixels.shape[1], columns)):
            yield row, column, pixels[top : top + rows, left : left + columns]
