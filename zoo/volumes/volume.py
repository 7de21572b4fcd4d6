"""A volume in memory or on disk, with all that must survive from file to file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.formats import require_few

__all__ = ["Volume", "check_shape"]


@dataclass(frozen=True)
class Volume:
    """Voxels on a grid in space.

    Attributes
    ----------
    data : ndarray, X x Y x Z, X x Y x Z x T, or the same of RGB bytes
        As stored, in the order of the file; it may lie on disk. Values are
        ``slope * data + intercept``.
    affine : ndarray, 4 x 4, float64
        From voxel indices to millimetres (or the header's unit) in the directions
        right, anterior, superior.
    slope, intercept : float
    header : object
        What the format needs to write the volume; its method ``enlarged`` makes that
        of a volume with other voxels.
    format : str
        Name of the format of the file it came from.
    notes : tuple of str
        What the reader of the file should know, a line each.
    is_label : bool
        The values are names of regions, not intensities.
    millimetres : float
        Length of the header's unit; NaN where it names none that is known.
    """

    data: NDArray[Any]
    affine: NDArray[np.float64]
    slope: float = 1.0
    intercept: float = 0.0
    header: Any = None
    format: str = "nii.gz"
    notes: tuple[str, ...] = ()
    is_label: bool = False
    millimetres: float = 1.0
    keep: Any = field(default=None, repr=False, compare=False)
    """What must live as long as the data: a temporary file."""

    def with_data(
        self,
        data: NDArray[Any],
        affine: NDArray[np.float64],
        *,
        slope: float = 1.0,
        intercept: float = 0.0,
        keep: Any = None,
    ) -> Volume:
        """The same volume with other voxels: what the file says of it stays."""
        new = replace(
            self,
            data=data,
            affine=affine,
            slope=slope,
            intercept=intercept,
            keep=keep,
            notes=(),
        )
        return replace(new, header=self.header.enlarged(new))

    @property
    def is_color(self) -> bool:
        """Whether a voxel has a colour instead of a value."""
        return self.data.dtype.names is not None

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of voxels along the axes of the array, in the header's unit."""
        lengths = np.sqrt(np.square(self.affine[:3, :3]).sum(axis=0))
        return tuple(float(length) for length in lengths)  # type: ignore[return-value]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return tuple(self.data.shape)

    def values(self, part: NDArray[Any]) -> NDArray[np.float64]:
        """Stored numbers as values."""
        return part.astype(np.float64) * self.slope + self.intercept

    def description(self) -> str:
        """For people: ``20x24x16, int16, 1 x 1.2 x 3 mm``."""
        size = "x".join(map(str, self.shape))
        kind = "RGB" if self.is_color else self.data.dtype.name
        spacing = " x ".join(f"{length:.4g}" for length in self.spacing)
        return f"{size}, {kind}, {spacing} {'mm' if self.millimetres == 1 else 'units'}"


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse what is neither a volume nor a series of them, or more than is allowed.

    Raises
    ------
    ImageError
        The rest of a sentence that begins with the file's name.
    """
    if any(side < 1 for side in shape) or len(shape) < 2:
        raise ImageError(f"has the shape {shape}, which is no volume")
    if len([side for side in shape[4:] if side > 1]):
        raise ImageError(
            f"has {len(shape)} axes ({'x'.join(map(str, shape))}); volumes and series of "
            f"them are read"
        )
    require_few(math.prod(shape))
