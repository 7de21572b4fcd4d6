"""Volumes slice by slice through a network of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError, ShapeError, UsageError
from zoo.pixels import finite

if TYPE_CHECKING:
    from zoo.api import Model

__all__ = [
    "Channels",
    "Limits",
    "enlarge_slices",
    "enlarge_through",
    "flat_or",
    "limits_of",
    "repeated",
    "volume",
]

Channels = Literal["mean", "luma", "each"]
"""What becomes of the three channels that a network of colours makes of a gray slice."""

Floats = NDArray[np.float32]
Progress = Callable[[float], None]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
_PART = 0.999


class Limits(NamedTuple):
    """The values that are black and white for the network."""

    low: float
    high: float

    @property
    def is_flat(self) -> bool:
        """Whether there is one value alone, or none: nothing to enlarge."""
        return not self.high > self.low

    def to_network(self, values: NDArray[Any]) -> Floats:
        """Values as 0 to 1, and beyond: nothing is clipped."""
        wide = values.astype(np.float64)
        return ((wide - self.low) / (self.high - self.low)).astype(np.float32)

    def back(self, made: Floats) -> NDArray[np.float64]:
        """The exact inverse."""
        return made.astype(np.float64) * (self.high - self.low) + self.low


def limits_of(parts: Iterable[NDArray[np.floating[Any]]], total: int) -> Limits:
    """The least finite value of a volume, and its 99.9th percentile.

    One pair for the whole volume, so that neighbouring slices stay alike; not the
    maximum, for one bright voxel would leave the rest without contrast, and not that
    of the type, which is never reached.

    Parameters
    ----------
    parts : iterable of ndarray
        The values, in parts.
    total : int
        How many there are at most, finite or not.

    Raises
    ------
    ImageError
        If their difference overflows: the rest of a sentence.
    """
    # Of a thousand values the percentile lies between the largest two: few are kept.
    kept = total // 1000 + 2
    low, count = np.inf, 0
    top = np.empty(0, np.float64)
    for part in parts:
        values = part[np.isfinite(part)]
        if not values.size:
            continue
        low = min(low, float(values.min()))
        count += values.size
        top = np.concatenate([top, values.astype(np.float64)])
        if top.size > kept:
            top = np.partition(top, top.size - kept)[-kept:]
    if not count:
        return Limits(0.0, 0.0)
    top.sort()
    place = _PART * (count - 1) - (count - top.size)
    whole = int(np.clip(np.floor(place), 0, top.size - 1))
    after = min(whole + 1, top.size - 1)
    high = float(top[whole] + (place - whole) * (top[after] - top[whole]))
    limits = Limits(low, high if high > low else float(top[-1]))
    with np.errstate(over="ignore"):
        if not np.isfinite(np.subtract(limits.high, limits.low)):
            raise ImageError(
                f"its values go from {limits.low:g} to {limits.high:g}, further apart "
                f"than can be computed with"
            )
    return limits


def enlarge_slices(
    model: Model,
    slices: Iterable[NDArray[np.floating[Any]]],
    limits: Limits,
    channels: Channels = "mean",
) -> Iterable[NDArray[np.float64]]:
    """Run a network on gray slices, one by one.

    Parameters
    ----------
    model : Model
        Of colours, which sees three equal channels, or of one channel.
    slices : iterable of ndarray, H x W
    limits : Limits
        Of the whole volume.
    channels : {"mean", "luma", "each"}

    Yields
    ------
    ndarray, float64, H' x W', or H' x W' x 3 for "each"
        NaN where the slice is NaN or infinite, and nowhere else.
    """
    takes = model.network.pixels.channels
    if channels != "mean" and takes != 3:
        raise UsageError(
            f"{model.network.source} makes one channel of a gray slice; leave "
            f"--channels {channels} out"
        )
    for values in slices:
        x = limits.to_network(values)
        if channels == "mean":
            made = model(x, white=1.0, as_float=True, nan="keep")
        else:
            three = np.repeat(x[..., None], 3, axis=2)
            made = model(three, white=1.0, as_float=True, nan="keep")
            if channels == "luma":
                made = made @ _LUMA
        yield limits.back(made)


def enlarge_through(
    model: Model,
    slices: NDArray[np.floating[Any]],
    limits: Limits,
    progress: Progress = lambda part: None,
) -> NDArray[np.float64]:
    """Enlarge a volume across its slices, which keep their size.

    The network sees the planes that hold that axis: once those along the rows and
    once those along the columns, S x R and S x C. Each result is made small again
    along the other axis by MATLAB's antialiased bicubic, and the two are averaged.

    Parameters
    ----------
    model : Model
    slices : ndarray, S x R x C
        Values of one volume.
    limits : Limits
    progress : callable

    Returns
    -------
    ndarray, float64, S' x R x C
    """
    from zoo.resize import imresize

    count, rows, columns = slices.shape
    bad = ~np.isfinite(slices)
    total: NDArray[np.float64] | None = None
    for number, axis in enumerate((2, 1)):
        planes = np.moveaxis(slices, axis, 0)  # C x S x R, then R x S x C
        keep = planes.shape[2]
        for index in range(len(planes)):
            x = limits.to_network(planes[index])
            x = finite(x[None, :, :, None], "keep")[0][0, :, :, 0]
            made = model(x, white=1.0, as_float=True)
            small = limits.back(imresize(made, size=(made.shape[0], keep)))
            if total is None:
                total = np.zeros((made.shape[0], rows, columns))
            half = 0.5 * small
            if axis == 2:
                total[:, :, index] += half
            else:
                total[:, index, :] += half
            progress((number + (index + 1) / len(planes)) / 2)
    assert total is not None
    if bad.any():
        places = np.arange(len(total)) * count // len(total)
        total[bad[places]] = np.nan
    return total


def volume(
    model: Model,
    array: NDArray[Any],
    axis: int = 2,
    *,
    channels: Channels = "mean",
    through: bool = False,
    limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
) -> Floats:
    """Enlarge a volume, slice by slice.

    Parameters
    ----------
    model : Model
        From :func:`zoo.load`.
    array : ndarray, X x Y x Z
        Numbers of any type; values, not colours.
    axis : int
        Which goes through the slices; the other two are the rows and columns of a
        slice, in their order.
    channels : {"mean", "luma", "each"}
        Of a network of colours: their mean, their luma (BT.601), or all three, as a
        last axis.
    through : bool
        Enlarge that axis instead of the slices (``zoo.run.slices.enlarge_through``).
    limits : tuple of float, optional
        The values that are black and white for the network; by default the least
        and the 99.9th percentile. Nothing is clipped, and the result is in the units
        of the array.
    progress : callable, optional
        Called with the part done, from 0 to 1.

    Returns
    -------
    ndarray, float32
        X' x Y' x Z', with NaN where the array is NaN or infinite. A volume of one
        value stays so.

    Raises
    ------
    ShapeError
        If it is no volume, or its slices are too small for the network.
    UsageError
        If an option is none.
    """
    array = np.asarray(array)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "uif":
        raise ShapeError(
            f"an array of shape {array.shape} and type {array.dtype} is no volume; "
            f"give X x Y x Z numbers"
        )
    if not -3 <= axis < 3 or channels not in get_args(Channels):
        raise UsageError(
            f"axis={axis!r}, channels={channels!r}: axis is 0, 1 or 2, channels one of "
            f"{', '.join(get_args(Channels))}"
        )
    report = progress or (lambda part: None)
    planes = np.moveaxis(array, axis, 0)
    if limits is None:
        found = limits_of((np.asarray(part, np.float64) for part in planes), array.size)
    else:
        found = Limits(*map(float, limits))
        if not 0 < found.high - found.low < np.inf:
            raise UsageError(f"limits={limits}: black must be less than white")
    if through:
        result = flat_or(
            found, planes, model, lambda: enlarge_through(model, planes, found, report)
        )
        return np.moveaxis(np.asarray(result, np.float32), 0, axis)
    made = []
    for index, part in enumerate(planes):
        if found.is_flat:
            height, width = model.network.shapes(*part.shape)[-1][:2]
            one = repeated(part, (height, width))
            if channels == "each":
                one = np.repeat(one[..., None], 3, axis=2)
        else:
            (one,) = enlarge_slices(model, [part], found, channels)
        made.append(np.asarray(one, np.float32))
        report((index + 1) / len(planes))
    return np.moveaxis(np.stack(made), 0, axis % 3)


def flat_or(
    limits: Limits,
    slices: NDArray[Any],
    model: Model,
    compute: Callable[[], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """What is computed; a volume of one value is repeated instead."""
    if not limits.is_flat:
        return compute()
    count, rows, _ = slices.shape
    longer = model.network.shapes(count, rows)[-1][0]
    return slices.astype(np.float64)[np.arange(longer) * count // longer]


def repeated(part: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """A slice of one value, and perhaps NaN, in another size."""
    rows, columns = (
        np.arange(size[axis]) * part.shape[axis] // size[axis] for axis in (0, 1)
    )
    values = part.astype(np.float64)[rows[:, None], columns]
    values[~np.isfinite(values)] = np.nan
    return values
