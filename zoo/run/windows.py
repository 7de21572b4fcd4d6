"""Pictures that are read in parts, and results that are written so."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.files import atomic_write
from zoo.formats import named, open_source
from zoo.images.geometry import scaled
from zoo.images.image import Image
from zoo.images.picture import lost_metadata, written_metadata
from zoo.images.reading import about
from zoo.images.tiff_tiles import TiffWindows, write_tiled
from zoo.images.tiff_writer import deflated
from zoo.images.zarr_header import Header, is_zarr
from zoo.images.zarr_windows import ZarrWindows, write_chunks
from zoo.program.geometry import Window
from zoo.run.pieces import Tile

__all__ = [
    "Sink",
    "TiffSink",
    "Windows",
    "ZarrSink",
    "alpha_obstacle",
    "open_windows",
    "plain_sink",
    "zarr_sink",
]

Size = tuple[int, int]

_SCAN = 2**24  # pixels of alpha that are looked at together
_SMALLEST, _LARGEST = 64, 2048  # sides of the chunks that are written


class Windows(Protocol):
    """A picture that is read in parts; see :class:`zoo.images.tiff_tiles.TiffWindows`."""

    height: int
    width: int
    sample: Image
    tile: int | None
    is_big: bool

    @property
    def obstacle(self) -> str: ...

    @property
    def stamp(self) -> tuple[int, ...]:
        """What changes when the picture does."""

    def read(self, window: Window) -> Image: ...


@contextmanager
def open_windows(path: str) -> Iterator[Windows]:
    """Open a TIFF file or a Zarr folder.

    Raises
    ------
    ImageError
        With the name of the file.
    """
    if is_zarr(path):
        with about(path):
            folder = ZarrWindows(path)
        yield folder
        return
    with open_source(path) as source:
        with about(source.name):
            reader = TiffWindows(source)
        yield reader


def alpha_obstacle(reader: Windows) -> str:
    """Why the colour under its alpha needs the whole picture; looks at all of it."""
    if reader.sample.alpha is None:
        return ""
    step = max(1, _SCAN // reader.width)
    low, high = np.inf, -np.inf
    for top in range(0, reader.height, step):
        rows = top, min(top + step, reader.height)
        alpha = reader.read(Window(rows, (0, reader.width))).alpha
        assert alpha is not None
        low, high = min(low, float(alpha.min())), max(high, float(alpha.max()))
    if low <= 0:
        return (
            "some pixels are fully transparent, whose colour is that of the nearest "
            "visible one, wherever that is; lay it on a colour first"
        )
    if low < high and reader.sample.dtype.kind == "f":
        return "its transparency varies, in floats; save it with 16 bits first"
    return ""


class Sink(Protocol):
    """How a result is written.

    Attributes
    ----------
    tile : tuple of int
        Rows and columns of what is written at once.
    """

    @property
    def tile(self) -> Size: ...

    def misfit(self, sample: Image, size: Size) -> str:
        """What it cannot hold; empty if it can."""

    def losses(self, sample: Image) -> tuple[str, ...]:
        """Names of the metadata that it cannot hold."""

    def pack(self, pixels: NDArray[Any]) -> bytes:
        """The bytes of a piece's tile, of H x W x C."""

    def write(
        self, path: str, sample: Image, old: Size, new: Size, tiles: Iterator[Tile]
    ) -> None:
        """Write the file or folder, for a picture of a size and its result's."""


@dataclass(frozen=True)
class TiffSink:
    """A tiled TIFF."""

    side: int
    is_big: bool

    @property
    def tile(self) -> Size:
        """Square."""
        return self.side, self.side

    def misfit(self, sample: Image, size: Size) -> str:
        """As the format says."""
        reason = named("tiff").misfit(sample, size)
        return f"tiff cannot hold {reason}" if reason else ""

    def losses(self, sample: Image) -> tuple[str, ...]:
        """None: what a picture brings here, TIFF holds."""
        return ()

    def pack(self, pixels: NDArray[Any]) -> bytes:
        """As they will be stored."""
        rows, columns = pixels.shape[:2]
        edge = ((0, self.side - rows), (0, self.side - columns), (0, 0))
        return deflated(np.pad(pixels, edge, mode="edge"))

    def write(
        self, path: str, sample: Image, old: Size, new: Size, tiles: Iterator[Tile]
    ) -> None:
        """With metadata that are true of it."""
        meta = scaled(sample.metadata, old, new)
        with atomic_write(path) as file:
            write_tiled(
                *(file, new, sample),
                written_metadata(replace(sample, metadata=meta), new),
                *(self.side, tiles),
                is_big=self.is_big,
            )


@dataclass(frozen=True)
class ZarrSink:
    """A Zarr folder; see :func:`zoo.images.zarr_windows.write_chunks`."""

    header: Header
    compressors: Any

    @property
    def tile(self) -> Size:
        """A chunk."""
        return self.header.sides(self.header.chunk)

    def misfit(self, sample: Image, size: Size) -> str:
        """Nothing: it holds every kind of pixels."""
        return ""

    def losses(self, sample: Image) -> tuple[str, ...]:
        """All: there is no agreed place for them."""
        return lost_metadata(sample.metadata)

    def pack(self, pixels: NDArray[Any]) -> bytes:
        """Compressed a little, for they are written anew."""
        return zlib.compress(np.ascontiguousarray(pixels).tobytes(), 1)

    def write(
        self, path: str, sample: Image, old: Size, new: Size, tiles: Iterator[Tile]
    ) -> None:
        """Chunk by chunk."""
        header, (rows, columns) = self.header, self.tile

        def opened() -> Iterator[tuple[int, int, NDArray[Any]]]:
            for row, column, data in tiles:
                size = (
                    min(rows, new[0] - row * rows),
                    min(columns, new[1] - column * columns),
                )
                values = np.frombuffer(zlib.decompress(data), header.dtype)
                yield row, column, values.reshape(*size, header.channels)

        write_chunks(path, new, header, self.compressors, old, opened())


def zarr_sink(reader: Windows, side: int, result: Size) -> ZarrSink:
    """How a result becomes Zarr: as a Zarr picture was, else in chunks of ``side``."""
    if isinstance(reader, ZarrWindows):
        header, old = reader.header, (reader.height, reader.width)
        sides = [
            min(new, max(_SMALLEST, min(_LARGEST, round(chunk * new / given))))
            for chunk, new, given in zip(
                header.sides(header.chunk), result, old, strict=True
            )
        ]
        channels = header.chunk[header.axes.index("c")] if "c" in header.axes else 1
        chunk = header.full(sides[0], sides[1], channels)
        return ZarrSink(replace(header, chunk=chunk), reader.compressors)
    return plain_sink(reader.sample, side, result)


def plain_sink(sample: Image, side: int, result: Size) -> ZarrSink:
    """How a result becomes Zarr whose picture was none: in chunks of ``side``."""
    channels = sample.pixels.shape[2] + (sample.alpha is not None)
    axes = "yx" if channels == 1 else "yxc"
    header = Header("", 3, (), (), sample.dtype.name, axes, tuple(axes))
    header = replace(
        header,
        shape=header.full(*result, channels),
        chunk=header.full(min(side, result[0]), min(side, result[1]), channels),
    )
    return ZarrSink(header, "auto")
