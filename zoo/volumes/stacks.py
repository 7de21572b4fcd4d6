"""Slices that know where they lie become one grid, or are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError

__all__ = ["Slice", "Stack", "stacked"]

Vector = NDArray[np.float64]
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM counts to the left and to the back
_TURNED = 1e-3  # of cosines
_UNEVEN = 0.02  # of the distance of slices
_SAME = 1e-3  # mm


@dataclass(frozen=True)
class Slice:
    """Where one slice lies, in DICOM's directions: left, posterior, superior.

    Attributes
    ----------
    position : ndarray of 3, or None
        Of the centre of the first pixel, in mm.
    orientation : ndarray of 6, or None
        Directions in which columns and rows count up.
    spacing : ndarray of 2, or None
        Of rows and of columns, in mm.
    thickness : float
        To the next slice, as the header has it; 0 if it does not.
    slope, intercept : float
        Of the values.
    """

    position: Vector | None
    orientation: Vector | None
    spacing: Vector | None
    thickness: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0


class Stack(NamedTuple):
    """Slices in order.

    Attributes
    ----------
    order : ndarray of int
        Which of the slices given is the first, the second, ...
    affine : ndarray, 4 x 4
        From column, row and slice to mm right, anterior, superior.
    notes : tuple of str
    """

    order: NDArray[np.int64]
    affine: Vector
    notes: tuple[str, ...]


def stacked(slices: Sequence[Slice]) -> Stack:
    """Sort slices along their normal and lay a grid through them.

    Distances come from the positions, never from a thickness that a header states
    (unless there is one slice alone). A gantry's tilt becomes shear of the affine.

    Raises
    ------
    ImageError
        If one is missing, two lie at the same place, or they are not parallel.
    """
    first = slices[0]
    spacing = first.spacing if first.spacing is not None else np.ones(2)
    if not (spacing > 0).all():
        raise ImageError(f"is damaged: its pixels are {spacing[0]} x {spacing[1]} mm")
    for one in slices[1:]:
        if not _alike(one.spacing, first.spacing, _SAME):
            raise ImageError("is a series of slices of unlike spacing; give them apart")
    if first.position is None or first.orientation is None:
        if len(slices) > 1:
            raise ImageError("is a series whose slices do not say where they lie")
        plain = np.diag([spacing[1], spacing[0], first.thickness or 1.0, 1.0])
        note = "its header does not say where it lies: left and right are unknown"
        return Stack(np.zeros(1, np.int64), plain, (note,))
    across, down = first.orientation[:3], first.orientation[3:]
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if abs(across @ down) > 0.01 or max(abs(length - 1) for length in lengths) > 0.01:
        raise ImageError("is damaged: its rows and columns are not at right angles")
    normal = np.cross(across, down)
    for one in slices[1:]:
        if not _alike(one.orientation, first.orientation, _TURNED):
            raise ImageError(
                "is a series of slices of several orientations (a localizer?); give "
                "those of one alone"
            )
    positions = _positions(slices)
    heights = positions @ normal
    order = np.argsort(heights, kind="stable")
    step, notes = _step(positions[order], heights[order], normal, first.thickness)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = across * spacing[1], down * spacing[0]
    affine[:3, 2], affine[:3, 3] = step, positions[order[0]]
    return Stack(order, _TO_RAS @ affine, notes)


def _alike(a: Vector | None, b: Vector | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.abs(a - b).max() <= tolerance)


def _positions(slices: Sequence[Slice]) -> Vector:
    found = [one.position for one in slices if one.position is not None]
    if len(found) != len(slices):
        raise ImageError("is a series of which some slices do not say where they lie")
    return np.stack(found)


def _step(
    positions: Vector, heights: Vector, normal: Vector, thickness: float
) -> tuple[Vector, tuple[str, ...]]:
    """From one slice to the next."""
    if len(heights) == 1:
        return normal * (thickness or 1.0), ()
    gaps = np.diff(heights)
    same = gaps < max(_SAME, 0.01 * float(np.median(gaps)))
    if same.any():
        place = heights[int(same.argmax())]
        raise ImageError(
            f"has more than one slice at the same place {int(same.sum())} times (first at "
            f"{place:.4g} mm along the normal): a series of several volumes or echoes; "
            f"give the files of one"
        )
    usual = float(np.median(gaps))
    wide = np.abs(gaps - usual) > _UNEVEN * usual
    if wide.any():
        place = int(wide.argmax())
        missing = int(np.rint(gaps[wide] / usual - 1).clip(min=0).sum())
        what = f"{missing} missing" if missing else "slices at uneven distances"
        raise ImageError(
            f"has {what}: from {heights[place]:.4g} to {heights[place + 1]:.4g} mm along "
            f"the normal there is no slice, and others are {usual:.4g} mm apart"
        )
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    line = positions[0] + np.arange(len(positions))[:, None] * step
    if np.abs(positions - line).max() > max(0.05 * usual, 0.01):
        raise ImageError("has slices that do not lie along one line")
    return step, ()
