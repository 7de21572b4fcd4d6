"""What a Zarr folder says of itself, looked at before any library opens it.

Zarr 2 (``.zarray``, ``.zgroup``, ``.zattrs``) and 3 (``zarr.json``), and of OME-Zarr
the first level of the first of its multiscales.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.zarr_codecs import chunk_2, chunk_3, compressor

__all__ = ["ZARR", "Header", "is_zarr", "is_zarr_name", "read_header"]

ZARR = "zarr"
"""Stands for the format where formats are named; a folder is no file of the registry."""

_NODES = ("zarr.json", ".zarray", ".zgroup")
_LARGEST_JSON = 2**24  # bytes
_LARGEST_CHUNK = 2**27  # bytes that are decoded to read any of them
_DTYPES = {
    "|u1": "uint8",
    "<u2": "uint16",
    ">u2": "uint16",
    "<f4": "float32",
    ">f4": "float32",
    **{name: name for name in ("uint8", "uint16", "float32")},
}
_AXES = {"y": "y", "x": "x", "c": "c", "channel": "c", "channels": "c", "s": "c"}


@dataclass(frozen=True)
class Header:
    """A picture in a Zarr folder.

    Attributes
    ----------
    path : str
        Of the array within the folder; empty if the folder is the array.
    version : int
        2 or 3.
    shape, chunk : tuple of int
    dtype : str
    axes : str
        A letter for each: y, x, c, and ``-`` for one of length 1.
    names : tuple of (str or None), or None
        Of the axes, as Zarr 3 keeps them.
    attributes : dict
        Of the array.
    group : dict or None
        Attributes of the group that it is of.
    codec : str
        That compresses a chunk; empty if none does.
    shard : int
        Chunks in a file; 0 if there are no shards.
    index_tail : int
        Bytes behind the index of a shard.
    """

    path: str
    version: int
    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: str
    axes: str
    names: tuple[str | None, ...] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    group: dict[str, Any] | None = None
    codec: str = ""
    shard: int = 0
    index_tail: int = 0

    def sides(self, numbers: tuple[int, ...]) -> tuple[int, int]:
        """Those of height and width among numbers of all axes."""
        return numbers[self.axes.index("y")], numbers[self.axes.index("x")]

    @property
    def channels(self) -> int:
        """1, 3, or 4 with alpha."""
        return self.shape[self.axes.index("c")] if "c" in self.axes else 1

    def full(self, height: int, width: int, channels: int) -> tuple[int, ...]:
        """Height, width and channels in the order of the axes."""
        known = {"y": height, "x": width, "c": channels, "-": 1}
        return tuple(known[axis] for axis in self.axes)

    def index(self, rows: slice, columns: slice) -> tuple[Any, ...]:
        """Of a window, all channels; axes of length 1 stay."""
        known = {"y": rows, "x": columns}
        return tuple(known.get(axis, slice(None)) for axis in self.axes)

    def picture(self, part: NDArray[Any]) -> NDArray[Any]:
        """H x W x C of what the array gave."""
        order = [self.axes.index(axis) for axis in "yxc" if axis in self.axes]
        rest = [place for place, axis in enumerate(self.axes) if axis == "-"]
        moved = part.transpose(order + rest)
        shape = (*moved.shape[:2], -1 if "c" in self.axes else 1)
        return np.ascontiguousarray(moved.reshape(shape), dtype=self.dtype)

    def stored(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """What the array takes, of H x W x C."""
        ordered = [axis for axis in "yxc" if axis in self.axes]
        moved = pixels if "c" in ordered else pixels[..., 0]
        wanted = [axis for axis in self.axes if axis != "-"]
        moved = moved.transpose([ordered.index(axis) for axis in wanted])
        return moved.reshape(self.full(*pixels.shape))


def is_zarr_name(path: str | os.PathLike[str]) -> bool:
    """Whether a name is that of a Zarr folder."""
    return Path(path).suffix.lower() == ".zarr"


def is_zarr(path: str | os.PathLike[str]) -> bool:
    """Whether a folder of that name holds an array or a group."""
    return is_zarr_name(path) and any(Path(path, name).is_file() for name in _NODES)


def read_header(path: str) -> Header:
    """Look at a Zarr folder.

    Raises
    ------
    ImageError
        The rest of a sentence that begins with the name of the folder: if it is
        damaged, or no picture that zoo reads.
    """
    try:
        return _read(Path(path))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as problem:
        what = f"{type(problem).__name__}: {problem}"
        raise ImageError(
            f"is damaged: its metadata are not as Zarr's ({what})"
        ) from None


def _read(folder: Path) -> Header:
    node, version = _node(folder)
    attributes = _attributes(folder, node, version)
    if _is_array(node):
        return _array(node, version, attributes)
    ome = attributes.get("ome", attributes)
    if not ome.get("multiscales"):
        raise ImageError(
            "is a group without multiscales of OME-Zarr; name the folder of an array"
        )
    scales = ome["multiscales"][0]
    place = scales["datasets"][0]["path"]
    if not place or PurePosixPath(place).is_absolute() or ".." in place.split("/"):
        raise ImageError(f"is damaged: its first level is said to lie at {place!r}")
    node, version = _node(folder / place)
    if not _is_array(node):
        raise ImageError(f"is damaged: {place!r} in it is no array")
    axes = scales.get("axes", list("tczyx"))
    names = [axis["name"] if isinstance(axis, dict) else axis for axis in axes]
    own = _attributes(folder / place, node, version)
    return _array(node, version, own, place, names, attributes)


def _json(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        data = file.read(_LARGEST_JSON + 1)
    if len(data) > _LARGEST_JSON:
        raise ImageError(f"has more than 16 MB in {path.name}, which are no metadata")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise ImageError(f"is damaged: {path.name} is no JSON ({problem})") from None
    if not isinstance(found, dict):
        raise ImageError(f"is damaged: {path.name} is no JSON object")
    return found


def _node(folder: Path) -> tuple[dict[str, Any], int]:
    for name in _NODES:
        if (folder / name).is_file():
            return _json(folder / name), 3 if name == "zarr.json" else 2
    raise ImageError(f"is damaged: there is no array in {folder.name!r}")


def _is_array(node: dict[str, Any]) -> bool:
    return node.get("node_type") == "array" or "shape" in node


def _attributes(folder: Path, node: dict[str, Any], version: int) -> dict[str, Any]:
    if version == 3:
        return dict(node.get("attributes", {}))
    path = folder / ".zattrs"
    return _json(path) if path.is_file() else {}


def _array(
    node: dict[str, Any],
    version: int,
    attributes: dict[str, Any],
    place: str = "",
    names: list[str] | None = None,
    group: dict[str, Any] | None = None,
) -> Header:
    shape = tuple(map(int, node["shape"]))
    kept = tuple(node["dimension_names"]) if node.get("dimension_names") else None
    if version == 3:
        stored, chunk = node["data_type"], chunk_3(node, len(shape))
    else:
        stored, chunk = node["dtype"], chunk_2(node)
        kept = None
    if not isinstance(stored, str) or stored not in _DTYPES:
        raise ImageError(
            f"has values of type {str(stored)[:40]!r}; uint8, uint16 and float32 are read"
        )
    if len(chunk) != len(shape) or min((*shape, *chunk), default=0) < 1:
        raise ImageError(f"is damaged: it has shape {shape} in chunks of {chunk}")
    if names is None:
        names = list(kept or attributes.get("_ARRAY_DIMENSIONS") or ())
    axes = _axes(shape, names, is_ome=group is not None)
    dtype = _DTYPES[stored]
    size = math.prod(chunk) * np.dtype(dtype).itemsize
    if size > _LARGEST_CHUNK:
        raise ImageError(
            f"has {size // 10**6} MB in a chunk, and {_LARGEST_CHUNK // 10**6} MB are "
            f"read at most; save it in smaller ones"
        )
    return Header(
        *(place, version, shape, chunk, dtype, axes, kept, attributes, group),
        *compressor(node),
    )


def _axes(shape: tuple[int, ...], names: list[str], *, is_ome: bool) -> str:
    """A letter for each axis, from names or else from the shape."""
    axes = "".join(_AXES.get(str(name).lower(), "-") for name in names)
    if not ("x" in axes and "y" in axes):
        if is_ome or not 2 <= len(shape) <= 3:
            raise ImageError(f"has axes {names or shape}, and is no picture of y and x")
        axes = "yxc"[: len(shape)]
    if len(axes) != len(shape) or any(axes.count(axis) > 1 for axis in "yxc"):
        raise ImageError(f"is damaged: axes {names} are named of the shape {shape}")
    for axis, size, name in zip(axes, shape, names or axes, strict=True):
        if axis == "-" and size != 1:
            raise ImageError(f"has {size} along {name!r}; a picture has 1 there")
        if axis == "c" and size not in ((1, 3) if is_ome else (1, 3, 4)):
            raise ImageError(
                f"has {size} channels along axis {axes.index(axis)}; 1 and 3 are read, "
                f"and 4 as RGB and alpha where it is no OME-Zarr"
            )
    return axes
