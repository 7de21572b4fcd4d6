"""One file to look at, with its values as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.formats import at_most
from zoo.images.frames import Clip, FrameFormat
from zoo.images.image import Image
from zoo.images.reading import about, format_in
from zoo.images.zarr_header import is_zarr
from zoo.page.blocks import MOST_BYTES, storable
from zoo.run.inputs import open_input
from zoo.volumes.geometry import plane_of
from zoo.volumes.volume import Volume

__all__ = ["Item", "Role", "item_of", "read_item"]

_FRAMES_BYTES = 2**25  # of an animation on a page

Role = Literal["before", "result", "reference"]


@dataclass(frozen=True)
class Item:
    """What a page shows as one of several.

    Attributes
    ----------
    path : Path
    kind : {"picture", "volume"}
    values : ndarray, D x H x W x C
        As stored. A picture has C = 1 to 4: gray or RGB, then alpha, and D = 1, or so many
        frames. A volume has C = 1 and axes that run to superior, anterior and right.
    white : float
        The stored value of white.
    about : str
        Size and type, for people.
    spacing : tuple of float
        Distances along D, H and W.
    slope, intercept : float
        What values mean: slope * stored + intercept.
    notes : tuple of str
    name : str
        What it is called on the page.
    role : {"before", "result", "reference"}
    scores : dict
        By the name of the metric: a text, and how it was made large if it had to be.
    """

    path: Path
    kind: Literal["picture", "volume"]
    values: NDArray[Any]
    white: float
    about: str
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    slope: float = 1.0
    intercept: float = 0.0
    notes: tuple[str, ...] = ()
    name: str = ""
    role: Role = "result"
    scores: dict[str, tuple[str, str]] = field(default_factory=dict)

    def named(self, name: str) -> Item:
        """The same under another name."""
        return replace(self, name=name)

    def as_role(self, role: Role) -> Item:
        """The same in another role."""
        return replace(self, role=role)

    @property
    def size(self) -> int:
        """Pixels of a frame, or voxels."""
        shape = self.values.shape
        return int(np.prod(shape[1:3] if self.kind == "picture" else shape[:3]))

    @property
    def frames(self) -> int:
        """Of a picture, 1 or more."""
        return self.values.shape[0] if self.kind == "picture" else 1

    def colors(self, frame: int = 0) -> NDArray[Any]:
        """H x W x 3 of a picture, gray replicated, without alpha."""
        values = self.values[frame]
        return values[..., :3] if values.shape[2] > 2 else values[..., :1].repeat(3, 2)

    def meant(self) -> NDArray[np.float64]:
        """What the values of a volume mean, D x H x W."""
        return self.values[..., 0].astype(np.float64) * self.slope + self.intercept


def read_item(path: Path) -> Item:
    """Read a picture or a volume, which may be a folder of slices.

    Raises
    ------
    ImageError
        In one sentence, whatever is wrong with the file.
    """
    if is_zarr(path):
        from zoo.images.zarr_windows import read_whole

        with about(str(path)), at_most(MOST_BYTES):  # a value has a byte at least
            return item_of(read_whole(str(path))[1], path)
    with open_input(path) as source:
        found = format_in(source)
        with about(source.name):
            if found.kind == "video":
                raise ImageError("is a video; pictures and volumes are shown")
            clip = found.clip(source) if isinstance(found, FrameFormat) else None
            if clip is not None:
                return _moving(clip, path)
            return item_of(found.read(source), path)


def _moving(clip: Clip, path: Path) -> Item:
    """An animation, as many frames of it as a page has room for."""
    frames: list[NDArray[Any]] = []
    first: Image | None = None
    notes = [f"{path.name}: {note}" for note in clip.notes]
    room = _FRAMES_BYTES
    for frame in clip.frames:
        first = first or frame.image
        values = _stacked(frame.image)
        room -= values.nbytes
        if frames and (room < 0 or values.shape != frames[0].shape):
            count = f"{clip.count}" if clip.count else "all"
            notes.append(
                f"{path.name}: the first {len(frames)} of {count} frames are shown"
            )
            break
        frames.append(values)
    if first is None:
        raise ImageError("holds no frame")
    told = f"{first.description}, {len(frames)} frames"
    stored = storable(np.stack(frames))
    return Item(path, "picture", stored, first.white, told, notes=tuple(notes))


def _stacked(image: Image) -> NDArray[Any]:
    """H x W x C, alpha last."""
    planes = [image.pixels] if image.alpha is None else [image.pixels, image.alpha]
    return np.dstack(planes)


def item_of(read: Image | Volume, path: Path) -> Item:
    """What was read of a file, to look at.

    Raises
    ------
    ImageError
        The rest of a sentence that begins with the name of the file.
    """
    if isinstance(read, Image):
        values = storable(_stacked(read)[None])
        told = tuple(f"{path.name}: {note}" for note in read.notes)
        return Item(path, "picture", values, read.white, read.description, notes=told)
    if read.is_color:
        raise ImageError("holds colours; volumes of one value a voxel are shown")
    data, notes = read.data, tuple[str, ...]()
    if data.ndim > 3:
        data = data.reshape(*data.shape[:3], -1, order="F")
        if data.shape[3] > 1:
            notes = (f"{path.name}: the first of {data.shape[3]} volumes is shown",)
        data = data[..., 0]
    values, spacing = _upright(read, data)
    return Item(
        path,
        "volume",
        storable(values[..., None]),
        1.0,
        read.description(),
        spacing,
        read.slope,
        read.intercept,
        notes,
    )


def _upright(
    volume: Volume, data: NDArray[Any]
) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """The voxels with axes to superior, anterior and right, and their distances."""
    codes = plane_of(volume).codes
    axes = [
        next(a for a in range(3) if codes[a] in pair) for pair in ("IS", "PA", "LR")
    ]
    turned = data.transpose(axes)
    flips = tuple(slice(None, None, -1 if codes[a] in "IPL" else 1) for a in axes)
    spacing = [volume.spacing[a] for a in axes]
    known = [
        length if np.isfinite(length) and length > 0 else 1.0 for length in spacing
    ]
    return turned[flips], (known[0], known[1], known[2])
