"""Voxels of a volume through a network, in the type that the result has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.image import Image
from zoo.run.files import VolumeOptions, Work
from zoo.run.pipeline import super_resolve
from zoo.run.slices import (
    Limits,
    enlarge_slices,
    enlarge_through,
    flat_or,
    limits_of,
    repeated,
)
from zoo.volumes.geometry import Plane
from zoo.volumes.volume import Volume

__all__ = ["Counts", "compute", "dtype_of"]


@dataclass
class Counts:
    """What happened to the values."""

    bad: int = 0
    saturated: int = 0
    limits: list[Limits] = field(default_factory=list)


def dtype_of(volume: Volume, options: VolumeOptions) -> Any:
    if volume.is_color or options.dtype == "same":
        return volume.data.dtype.newbyteorder("=")
    return np.float32


def compute(
    work: Work,
    volume: Volume,
    plane: Plane,
    options: VolumeOptions,
    data: NDArray[Any],
    size: tuple[int, int],
    counts: Counts,
) -> None:
    """Fill the result, volume by volume of a series."""
    extra = volume.shape[3:]
    places = list(np.ndindex(*extra)) if extra else [()]
    for number, place in enumerate(places):

        def report(part: float, number: int = number) -> None:
            work.progress((number + part) / len(places))

        index: Any = (Ellipsis, *place)
        stored = plane.slices(volume.data[index])
        if options.channels == "each":
            outs = [plane.slices(data[..., channel]) for channel in range(3)]
        else:
            outs = [plane.slices(data[index])]
        if volume.is_color:
            _compute_color(work, stored, outs[0], report)
        else:
            _compute_gray(work, volume, options, stored, outs, size, counts, report)


def _compute_color(work: Work, stored: Any, out: Any, report: Any) -> None:
    for index in range(len(stored)):
        part = np.ascontiguousarray(stored[index])
        rgb = np.stack([part[name] for name in ("R", "G", "B")], axis=2)
        made = super_resolve(work.model, Image(rgb)).pixels
        for channel, name in enumerate(("R", "G", "B")):
            out[index][name] = made[..., channel if made.shape[2] == 3 else 0]
        report((index + 1) / len(stored))


def _compute_gray(
    work: Work,
    volume: Volume,
    options: VolumeOptions,
    stored: Any,
    outs: list[Any],
    size: tuple[int, int],
    counts: Counts,
    report: Any,
) -> None:
    def values() -> Iterator[NDArray[np.float64]]:
        for index in range(len(stored)):
            yield volume.values(stored[index])

    limits = limits_of(values(), math.prod(stored.shape))
    counts.limits.append(limits)
    if options.through:
        whole = volume.values(stored)
        counts.bad += int((~np.isfinite(whole)).sum())
        made = flat_or(
            limits,
            whole,
            work.model,
            lambda: enlarge_through(work.model, whole, limits, report),
        )
        outs[0][...] = _stored(made, volume, options, counts)
        return
    for index, part in enumerate(values()):
        counts.bad += int((~np.isfinite(part)).sum())
        if limits.is_flat:
            one = repeated(part, size)
            parts = [one] * len(outs)
        else:
            (one,) = enlarge_slices(work.model, [part], limits, options.channels)
            parts = [one] if one.ndim == 2 else list(np.moveaxis(one, 2, 0))
        for out, made in zip(outs, parts, strict=True):
            out[index] = _stored(made, volume, options, counts)
        report((index + 1) / len(stored))


def _stored(
    made: NDArray[np.float64],
    volume: Volume,
    options: VolumeOptions,
    counts: Counts,
) -> NDArray[Any]:
    """Values as the result holds them."""
    bad = ~np.isfinite(made)
    if options.nan == "zero" and bad.any():
        made = np.where(bad, 0.0, made)
    kind = volume.data.dtype
    if options.dtype != "same":
        return _floats(made, np.dtype(np.float32))
    raw = (made - volume.intercept) / volume.slope
    if kind.kind == "f":
        return _floats(raw, kind)
    limits = np.iinfo(kind)
    raw = np.rint(np.where(np.isfinite(raw), raw, 0.0))
    outside = (raw < limits.min) | (raw > limits.max)
    counts.saturated += int(outside.sum())
    top = raw >= float(limits.max)  # which float64 cannot hold for 64 bits
    result = np.where(top, 0.0, np.maximum(raw, float(limits.min))).astype(kind)
    result[top] = limits.max
    return result


def _floats(made: NDArray[np.float64], kind: np.dtype[Any]) -> NDArray[Any]:
    """Values in a type of floats, which none may overflow."""
    most = float(np.abs(made[np.isfinite(made)]).max(initial=0))
    if most > float(np.finfo(kind).max):
        raise ImageError(f"values of its result reach {most:g}, which no {kind} holds")
    return made.astype(kind)
