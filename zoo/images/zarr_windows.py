"""Zarr folders: read by windows, written chunk by chunk."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ZooError
from zoo.extras import how_to_install
from zoo.formats import require_few
from zoo.hidden import hidden_beside, hold
from zoo.images.image import Image
from zoo.images.zarr_guard import guarded
from zoo.images.zarr_header import Header, is_zarr, read_header
from zoo.program.geometry import Window

__all__ = [
    "ZarrWindows",
    "check_target",
    "read_whole",
    "require_zarr",
    "write_chunks",
]

_LARGEST_SIDE = 2**24
_BELIEVED, _RATIO = 2**24, 4096  # pixels; pixels that a byte stands for at most


def require_zarr() -> Any:
    """The package.

    Raises
    ------
    ImageError
        If it is not installed, or too old.
    """
    try:
        import zarr
        from zarr import create_array, open_array  # noqa: F401
    except ImportError:
        raise ImageError(
            f"is of Zarr, which needs the package zarr 3: {how_to_install('zarr')}"
        ) from None
    return zarr


class ZarrWindows:
    """A Zarr folder whose picture is read in parts.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    header : Header
    height, width : int
    sample : Image
        One pixel, black, of the picture's type.
    tile : int or None
        Side of its chunks, if they are square and TIFF can have such.
    is_big : bool
        Never: it is no TIFF.
    obstacle : str
        Why it cannot be read in parts: never.

    Raises
    ------
    ImageError
        See :func:`zoo.images.zarr_header.read_header`, :func:`require_zarr`.
    """

    is_big = False
    obstacle = ""

    def __init__(self, path: str) -> None:
        self.header = read_header(path)
        zarr = require_zarr()
        self._folder = Path(path, self.header.path)
        self.height, self.width = self.header.sides(self.header.shape)
        _check_size(self._folder, self.height, self.width)
        rows, columns = self.header.sides(self.header.chunk)
        fits = rows == columns and rows % 16 == 0 and 64 <= rows <= 1024
        self.tile = rows if fits else None
        try:
            store = guarded(zarr, str(self._folder), self.header)
            self._array = zarr.open_array(
                store, mode="r", zarr_format=self.header.version
            )
            self.compressors: tuple[Any, ...] = tuple(self._array.compressors)
        except Exception as problem:  # noqa: BLE001 - whatever the library raises
            raise ImageError(f"is damaged: {_words(problem)}") from None
        black = np.zeros((1, 1, self.header.channels), self.header.dtype)
        self.sample = _image(black)

    @property
    def stamp(self) -> tuple[int, ...]:
        """Number, bytes and newest time of its files."""
        count = size = newest = 0
        for place, _, files in os.walk(self._folder):
            for name in files:
                facts = os.lstat(os.path.join(place, name))
                count, size = count + 1, size + facts.st_size
                newest = max(newest, facts.st_mtime_ns)
        return count, size, newest

    def read(self, window: Window) -> Image:
        """A part of the picture.

        Raises
        ------
        ImageError
            If a chunk is damaged.
        """
        index = self.header.index(*(slice(*side) for side in window))
        try:
            part = np.asarray(self._array[index])
        except MemoryError:
            raise
        except Exception as problem:  # noqa: BLE001 - whatever a codec raises
            raise ImageError(f"is damaged: {_words(problem)}") from None
        return _image(self.header.picture(part))


def read_whole(path: str) -> tuple[ZarrWindows, Image]:
    """The picture of a Zarr folder, and the folder.

    Raises
    ------
    ImageError
        See :class:`ZarrWindows`.
    """
    windows = ZarrWindows(path)
    return windows, windows.read(Window((0, windows.height), (0, windows.width)))


def _check_size(folder: Path, height: int, width: int) -> None:
    """Refuse sizes that nothing on the disk speaks for."""
    pixels = height * width
    require_few(pixels)
    if max(height, width) > _LARGEST_SIDE:
        raise ImageError(
            f"claims {width}x{height} pixels; a side has at most {_LARGEST_SIDE}"
        )
    text = os.environ.get("ZOO_MAX_PIXELS", "")
    if pixels <= (int(text) if text.isdecimal() else _BELIEVED):
        return
    held = 0
    for place, _, files in os.walk(folder):
        for name in files:
            held += os.lstat(os.path.join(place, name)).st_size
            if held * _RATIO >= pixels:
                return
    raise ImageError(
        f"claims {width}x{height} pixels in {held} bytes; if that is true, "
        f"ZOO_MAX_PIXELS={pixels} lets zoo read it"
    )


def _words(problem: Exception) -> str:
    return f"{type(problem).__name__}: {' '.join(str(problem).split())[:200]}"


def _image(pixels: NDArray[Any]) -> Image:
    if pixels.shape[2] < 4:
        return Image(pixels, format="zarr")
    alpha = np.ascontiguousarray(pixels[..., 3])
    return Image(np.ascontiguousarray(pixels[..., :3]), alpha, format="zarr")


def check_target(path: str) -> None:
    """Refuse to replace what is no Zarr folder.

    Raises
    ------
    ZooError
    """
    if os.path.lexists(path) and not is_zarr(path):
        raise ZooError(f"{path} is there and no Zarr folder; name another with -o")


def write_chunks(
    path: str,
    size: tuple[int, int],
    header: Header,
    compressors: Any,
    old: tuple[int, int],
    tiles: Iterable[tuple[int, int, NDArray[Any]]],
) -> None:
    """Write a Zarr folder, which appears when it is whole.

    Parameters
    ----------
    path : str
    size : tuple of int
        Height and width.
    header : Header
        Of what is written, but for the shape: its chunks are the tiles.
    compressors : tuple of codecs, or "auto"
    old : tuple of int
        Height and width of the picture that it was made of.
    tiles : iterable of (int, int, ndarray)
        Each once: its place among the tiles, down and across, and H x W x C pixels.

    Raises
    ------
    ImageError
        If tiles are missing.
    ZooError
        See :func:`check_target`.
    """
    zarr = require_zarr()
    check_target(path)
    target = Path(os.path.realpath(path))
    made = Path(hidden_beside(target, ".zarr"))
    handle = _held(made)
    rows, columns = header.sides(header.chunk)
    is_there = np.zeros((-(-size[0] // rows), -(-size[1] // columns)), bool)
    try:
        if header.group is not None:
            zarr.create_group(
                str(made),
                zarr_format=header.version,
                attributes=_scaled(header.group, header.axes, old, size),
            )
        array = zarr.create_array(
            str(made / header.path),
            shape=header.full(*size, header.channels),
            chunks=header.chunk,
            dtype=header.dtype,
            compressors=compressors,
            attributes=header.attributes,
            dimension_names=header.names,
            zarr_format=header.version,
            config={"write_empty_chunks": True},
        )
        for row, column, pixels in tiles:
            top, left = row * rows, column * columns
            part = pixels[: size[0] - top, : size[1] - left]
            index = header.index(
                slice(top, top + part.shape[0]), slice(left, left + part.shape[1])
            )
            array[index] = header.stored(part)
            is_there[row, column] = True
        missing = int((~is_there).sum())
        if missing:
            raise ImageError(f"{missing} tiles of the result are missing")
        _put(made, target)
    finally:
        if handle is not None:
            os.close(handle)
        shutil.rmtree(made, ignore_errors=True)


def _held(folder: Path) -> int | None:
    """Make a folder that is this process's as long as the handle is open."""
    folder.mkdir()
    if os.name == "nt":  # where a folder cannot be opened
        return None
    handle = os.open(folder, os.O_RDONLY)
    hold(handle)
    return handle


def _put(made: Path, target: Path) -> None:
    """Give a folder its name; what had it is removed."""
    if not target.exists():
        made.rename(target)
        return
    # Not a name that is cleaned up: if the process dies here, this is all there is.
    old = target.parent / f".zoo-old-{made.name.removeprefix('.zoo-')}"
    target.rename(old)
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _scaled(
    group: dict[str, Any], axes: str, old: tuple[int, int], new: tuple[int, int]
) -> dict[str, Any]:
    """Attributes of OME-Zarr for the one level that is written."""
    result = copy.deepcopy(group)
    ome = result.get("ome", result)
    scales = ome["multiscales"][0]
    scales["datasets"] = scales["datasets"][:1]
    ome["multiscales"] = [scales]
    for change in scales["datasets"][0].get("coordinateTransformations", ()):
        if change.get("type") == "scale" and "scale" in change:
            for axis, before, after in zip("yx", old, new, strict=True):
                change["scale"][axes.index(axis)] *= before / after
    return result
