"""Slices to study: of a volume or a picture, 0 to 255, on one square canvas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, UsageError
from zoo.images.image import Image
from zoo.images.reading import about, format_in
from zoo.run.inputs import open_input
from zoo.volumes.geometry import PlaneName, plane_of, same_grid
from zoo.volumes.volume import Volume

__all__ = ["Stack", "load_stack"]

Floats = NDArray[np.float32]
_CANVAS, _STEP = 256, 16


@dataclass(frozen=True)
class Stack:
    """Slices of one subject.

    Attributes
    ----------
    name : str
    slices : ndarray, float32, S x side x side
        0 to 255, each turned by 90 degrees as radiologists look at it, zeros around.
    numbers : tuple of int
        Of the slices in the volume.
    scaling : str
        What became of the values, in words.
    plane : str
    mask : ndarray, bool, or None
        The brain, as somebody drew it.
    """

    name: str
    slices: Floats
    numbers: tuple[int, ...]
    scaling: str
    plane: str
    mask: NDArray[np.bool_] | None = None


def load_stack(
    path: str | Path,
    *,
    plane: PlaneName = "axial",
    every: int = 1,
    mask: str | Path | None = None,
) -> Stack:
    """Read slices to study.

    Parameters
    ----------
    path : str or Path
        A volume, of which every ``every``-th slice is taken, or a gray picture.
    plane : str
        As for :func:`zoo.volumes.geometry.plane_of`.
    every : int
    mask : str or Path, optional
        A volume of the same grid, above 0 within the brain.

    Raises
    ------
    ImageError
        If a file cannot be read, or the mask is of another size.
    UsageError
        If no slice is left that is not empty.
    """
    values, name, is_bytes, affine = _values(path, plane)
    drawn = None
    if mask is not None:
        drawn, _, _, other = _values(mask, plane)
        if drawn.shape != values.shape or not same_grid(affine, other):
            raise ImageError(f"the mask {mask} is on another grid than {path}")
    scaled, scaling = _scaled(values, is_bytes)
    numbers = [
        number
        for number in range(0, len(scaled), every)
        if (number or len(scaled) == 1) and scaled[number].any()
    ]
    if not numbers:
        raise UsageError(f"every slice of {path} that was chosen is empty")
    side = max(_CANVAS, -(-max(scaled.shape[1:]) // _STEP) * _STEP)
    slices = np.stack([_on_canvas(np.rot90(scaled[n]), side) for n in numbers])
    shape = None
    if drawn is not None:
        parts = [_on_canvas(np.rot90(drawn[n] > 0), side) for n in numbers]
        shape = np.stack(parts) > 0
    return Stack(Path(path).name, slices, tuple(numbers), scaling, name, shape)


def _values(
    path: str | Path, plane: PlaneName
) -> tuple[NDArray[np.float64], str, bool, NDArray[np.float64]]:
    """Slices x rows x columns, the plane's name, whether 255 is white, the affine."""
    with open_input(path) as source, about(source.name):
        found = format_in(source)
        item = found.read(source)
    if isinstance(item, Image):
        gray = item.pixels.mean(axis=2)
        # As it is: a picture is not turned like a slice of a volume.
        values = np.rot90(gray, -1)[None].astype(np.float64)
        return values, "picture", item.dtype == np.uint8, np.eye(4)
    if not isinstance(item, Volume) or item.is_color:
        raise ImageError(f"{path} holds colours; the study is of gray volumes")
    if len(item.shape) > 3 and max(item.shape[3:]) > 1:
        raise ImageError(f"{path} is a series of volumes; give one of them")
    cut = plane_of(item, plane)
    data = item.data if len(item.shape) == 3 else item.data[..., 0]
    values = item.values(np.asarray(cut.slices(data)))
    is_bytes = item.data.dtype == np.uint8 and (item.slope, item.intercept) == (1, 0)
    values = np.nan_to_num(values, posinf=0, neginf=0)
    return values, cut.name, is_bytes, item.affine


def _scaled(values: NDArray[np.float64], is_bytes: bool) -> tuple[Floats, str]:
    if is_bytes:
        return values.astype(np.float32), "8 bits, as they are"
    low, high = min(0.0, float(values.min())), float(values.max())
    if not high > low:
        return np.zeros(values.shape, np.float32), "nothing but zeros"
    scaled = ((values - low) * (255 / (high - low))).astype(np.float32)
    return scaled, f"{low:.6g} to {high:.6g} become 0 to 255"


def _on_canvas(part: NDArray[np.generic], side: int) -> Floats:
    """Zeros around, the same on both sides but for one pixel."""
    height, width = part.shape
    canvas = np.zeros((side, side), np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = part
    return canvas
