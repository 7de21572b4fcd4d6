"""One file to look at, with its values as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.image import Image
from zoo.images.reading import about, format_in
from zoo.page.blocks import storable
from zoo.run.inputs import open_input
from zoo.volumes.geometry import plane_of
from zoo.volumes.volume import Volume

__all__ = ["Item", "Role", "item_of", "read_item"]

Role = Literal["before", "result", "reference"]


@dataclass(frozen=True)
class Item:
    """What a page shows as one of several.

    Attributes
    ----------
    path : Path
    kind : {"picture", "volume"}
    values : ndarray, D x H x W x C
        As stored. A picture has D = 1, and C = 1 to 4: gray or RGB, then alpha. A volume
        has C = 1 and axes that run to superior, anterior and right.
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
        """Pixels or voxels."""
        return int(np.prod(self.values.shape[:3]))

    @property
    def colors(self) -> NDArray[Any]:
        """H x W x 3 of a picture, gray replicated, without alpha."""
        values = self.values[0]
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
    with open_input(path) as source:
        found = format_in(source)
        with about(source.name):
            if found.kind == "video":
                raise ImageError("is a video; pictures and volumes are shown")
            return item_of(found.read(source), path)


def item_of(read: Image | Volume, path: Path) -> Item:
    """What was read of a file, to look at.

    Raises
    ------
    ImageError
        The rest of a sentence that begins with the name of the file.
    """
    if isinstance(read, Image):
        planes = [read.pixels] if read.alpha is None else [read.pixels, read.alpha]
        values = storable(np.dstack(planes)[None])
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
