"""Planes and grids: which axis goes through the slices, where voxels come to lie."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.volumes.volume import Volume

__all__ = [
    "Plane",
    "PlaneName",
    "enlarged_affine",
    "geometry_notes",
    "plane_of",
    "same_grid",
]

PlaneName = Literal["auto", "axial", "coronal", "sagittal"]

_NORMALS = {"sagittal": 0, "coronal": 1, "axial": 2}
_NAMES = {axis: name for name, axis in _NORMALS.items()}
_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
# Spacings nearer to each other than this are one: headers hold float32.
_SAME = 1.001
_OBLIQUE = 1.0  # degrees
_SHEAR = 1e-3
_UNEVEN = 1.25


class Plane(NamedTuple):
    """How a volume is cut into slices.

    Attributes
    ----------
    name : str
        axial, coronal or sagittal, whichever is nearest.
    through : int
        The array's axis that goes through the slices.
    rows, columns : int
        The array's axes within a slice, in the order right, anterior, superior.
    flips : tuple of bool
        Whether rows and columns run against that order.
    reason : str
        Why it was chosen.
    codes : str
        Directions of the array's axes: "RAS", "LPS".
    """

    name: str
    through: int
    rows: int
    columns: int
    flips: tuple[bool, bool]
    reason: str
    codes: str

    def __str__(self) -> str:
        return f"{self.name} slices, across axis {self.through} of {self.codes}, {self.reason}"

    def slices(self, data: NDArray[np.generic]) -> NDArray[np.generic]:
        """A view of X x Y x Z as slices x rows x columns, seen the same way up.

        A network is not the same for a picture and its mirror image, so that the same
        anatomy must come as the same picture however it is stored.
        """
        view = data.transpose(self.through, self.rows, self.columns)
        rows, columns = (slice(None, None, -1 if flip else 1) for flip in self.flips)
        return view[:, rows, columns]


def _directions(affine: NDArray[np.float64]) -> list[tuple[int, bool]]:
    """The world axis that each array axis is nearest to, and whether it runs back."""
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = affine[:3, :3] / np.sqrt(np.square(affine[:3, :3]).sum(axis=0))
    cosines = np.nan_to_num(cosines)
    found: list[tuple[int, bool]] = [(-1, False)] * 3
    left_worlds, left_axes = {0, 1, 2}, {0, 1, 2}
    for _ in range(3):  # the clearest first, so that no world axis is taken twice
        world, axis = max(
            ((w, a) for w in sorted(left_worlds) for a in sorted(left_axes)),
            key=lambda pair: abs(cosines[pair]),
        )
        found[axis] = world, bool(cosines[world, axis] < 0)
        left_worlds.remove(world)
        left_axes.remove(axis)
    return found


def plane_of(volume: Volume, wanted: PlaneName = "auto") -> Plane:
    """Choose the plane in which a volume is cut into slices.

    With "auto" the axis with the largest spacing goes through the slices; a volume
    whose voxels are cubes is cut into axial slices, and one slice is that slice.
    """
    directions = _directions(volume.affine)
    codes = "".join(_LETTERS[world][not back] for world, back in directions)
    spacing = volume.spacing
    if wanted != "auto":
        through = [world for world, _ in directions].index(_NORMALS[wanted])
        reason = "as asked"
    elif volume.shape[:3].count(1) == 1:
        through = volume.shape.index(1)
        reason = "for it is one slice"
    elif max(spacing) <= _SAME * min(spacing):
        through = [world for world, _ in directions].index(_NORMALS["axial"])
        reason = "for its voxels are cubes"
    else:
        # The first of two that are the same but for rounding.
        through = next(i for i in range(3) if spacing[i] * _SAME >= max(spacing))
        reason = f"for its voxels are thickest there ({spacing[through]:.4g})"
    name = _NAMES[directions[through][0]]
    inside = [axis for axis in range(3) if axis != through]
    rows, columns = sorted(inside, key=lambda axis: directions[axis][0])
    flips = directions[rows][1], directions[columns][1]
    return Plane(name, through, rows, columns, flips, reason, codes)


def enlarged_affine(
    affine: NDArray[np.float64], factors: tuple[float, float, float]
) -> NDArray[np.float64]:
    """The affine of a grid with more voxels in the same box.

    A' = A diag(1 / f), and the first voxel's centre moves by (1/f - 1) / 2 of an old
    voxel: the box's corner stays, not the first centre.
    """
    scaling = np.eye(4)
    for axis, factor in enumerate(factors):
        scaling[axis, axis] = 1 / factor
        scaling[axis, 3] = (1 / factor - 1) / 2
    return affine @ scaling


def same_grid(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two affines put voxels at the same place, but for rounding of headers."""
    voxel = float(np.abs(a[:3, :3]).max())
    return bool(np.abs(a - b).max() < 0.01 * voxel)


def geometry_notes(
    volume: Volume, plane: Plane, trained_spacing: float | None = None
) -> list[str]:
    """What is odd about a volume's grid, a line each."""
    notes = []
    affine = volume.affine[:3, :3]
    lengths = np.asarray(volume.spacing)
    axes = affine / np.where(lengths > 0, lengths, 1)
    angle = float(np.degrees(np.arccos(np.clip(np.abs(axes).max(axis=0).min(), 0, 1))))
    if angle > _OBLIQUE:
        notes.append(
            f"its axes are {angle:.0f} degrees off the body's; slices are those of the "
            f"array, nearest to {plane.name}, and nothing is resampled"
        )
    gram = axes.T @ axes - np.eye(3)
    if float(np.abs(gram).max()) > _SHEAR:
        notes.append("its axes are not at right angles (shear), which is kept")
    inside = (volume.spacing[plane.rows], volume.spacing[plane.columns])
    if max(inside) > _UNEVEN * min(inside):
        notes.append(
            f"its pixels are {inside[0]:.4g} x {inside[1]:.4g} within a slice; the "
            f"network learned from square ones"
        )
    if np.isnan(volume.millimetres):
        notes.append("its header names no unit of length that is known")
    elif trained_spacing is not None:
        real = float(np.mean(inside)) * volume.millimetres
        if not trained_spacing / 2 <= real <= trained_spacing * 2:
            notes.append(
                f"its pixels are {real:.3g} mm and the network learned from "
                f"{trained_spacing:.3g} mm"
            )
    if volume.is_label:
        notes.append(
            "it is a segmentation by its header: a network makes values between the "
            "labels"
        )
    return notes
