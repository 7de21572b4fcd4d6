"""Slices of volumes as pairs: what networks of pictures learn from and are measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.evaluate.pairs import Pair, SliceOf, low_and_high
from zoo.formats import by_suffix
from zoo.images.reading import about, format_in
from zoo.run.inputs import open_input, series_in
from zoo.run.slices import limits_of
from zoo.volumes.geometry import Plane, PlaneName, plane_of, same_grid
from zoo.volumes.volume import Volume

__all__ = ["BACKGROUND", "is_volume", "slice_pairs"]

BACKGROUND = 0.05
"""What part of the range, from the least value up, is background."""

# A slice of which less shows something is empty.
_LEAST_SHOWN = 0.05


def is_volume(path: str | Path) -> bool:
    """Whether a file is a volume by its name, or a folder a series of slices."""
    found = by_suffix(path)
    if found is None:
        return Path(path).is_dir() and len(series_in(Path(path))) == 1
    return found.kind == "volume"


def slice_pairs(
    path: Path,
    scale: int,
    *,
    name: str | None = None,
    plane: PlaneName = "auto",
    least: int = 1,
    mask: Path | None = None,
    empty: Callable[[str, int], None] = lambda volume, number: None,
) -> Iterator[Pair]:
    """The slices of a volume, large and small.

    The least finite value of the volume is 0 and its 99.9th percentile 1; nothing is
    clipped. Slices are cropped to whole pixels of the small ones, as much at one side
    as at the other, so that the middle stays. Of each the small one is made by
    MATLAB's antialiased bicubic. Empty slices, of which less than a twentieth lies a
    twentieth of the range above the least value, are left out, as are those of one
    value and those smaller than ``least`` small pixels.

    Parameters
    ----------
    path : Path
    scale : int
    name : str, optional
        Of the volume, by default that of the file.
    plane : str
        See :func:`zoo.volumes.geometry.plane_of`.
    least : int
    mask : Path, optional
        A volume of the same grid, above 0 where it is measured apart.
    empty : callable
        Told of every slice that is left out because it is empty.

    Yields
    ------
    Pair
        float32, gray in three equal channels; NaN is 0.

    Raises
    ------
    ImageError
        If a file cannot be read, or holds colours.
    """
    name = path.name if name is None else name
    values, cut, item = _cut(path, plane)
    limits = limits_of(iter(values), values.size)
    if limits.is_flat:
        for number in range(len(values)):
            empty(name, number)
        return
    drawn = None
    if mask is not None:
        drawn, _, other = _cut(mask, plane)
        if drawn.shape != values.shape or not same_grid(item.affine, other.affine):
            raise ImageError(f"the mask {mask} is on another grid than {path}")
    for number, part in enumerate(values):
        high = limits.to_network(np.where(np.isfinite(part), part, limits.low))
        if np.mean(high > BACKGROUND) < _LEAST_SHOWN or high.min() == high.max():
            empty(name, number)
            continue
        high = _centred(high, scale)
        if min(high.shape) < max(least, 2) * scale:
            continue
        low, high = low_and_high(high[..., None].repeat(3, axis=2), scale)
        shown = None
        if drawn is not None:
            shown = _centred(drawn[number] > 0, scale)
        yield Pair(
            f"{name} {cut.name} {number}",
            low,
            high,
            BACKGROUND,
            shown,
            SliceOf(name, number, len(values), cut, item.spacing),
        )


class _Cut(NamedTuple):
    """A volume as slices x rows x columns, and how it was cut."""

    values: NDArray[np.float64]
    plane: Plane
    item: Volume


def _cut(path: Path, plane: PlaneName) -> _Cut:
    with open_input(path) as source, about(source.name):
        item = format_in(source).read(source)
    if not isinstance(item, Volume) or item.is_color:
        raise ImageError(f"{path} holds colours; gray volumes are measured")
    cut = plane_of(item, plane)
    parts = []
    extra = item.shape[3:]
    for place in np.ndindex(*extra):
        index = (slice(None),) * 3 + place
        parts.append(item.values(np.asarray(cut.slices(item.data[index]))))
    return _Cut(np.concatenate(parts), cut, item)


def _centred(part: NDArray[Any], scale: int) -> NDArray[Any]:
    """Cropped to a multiple of the scale, as much at one side as at the other."""
    rows, columns = (side % scale for side in part.shape)
    top, left = rows // 2, columns // 2
    height, width = part.shape[0] - rows, part.shape[1] - columns
    return np.ascontiguousarray(part[top : top + height, left : left + width])
