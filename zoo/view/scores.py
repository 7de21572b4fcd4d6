"""PSNR and SSIM of what is shown, against a reference."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.evaluate.presets import PROTOCOLS, Protocol
from zoo.evaluate.protocol import METRICS
from zoo.evaluate.volumes import BACKGROUND
from zoo.registry import registry
from zoo.resize import imresize
from zoo.run.slices import limits_of
from zoo.view.item import Item

__all__ = ["scored"]

_LEAST_SHOWN = 0.05  # as zoo.evaluate.volumes leaves out empty slices


def scored(
    items: list[Item], scale: int | None, protocol: Protocol | None
) -> tuple[list[Item], list[str]]:
    """The items with scores against the one that is the reference, and how.

    What is smaller is measured as bicubic makes it large.

    Parameters
    ----------
    items : list of Item
    scale : int, optional
        For the border; by default that of the smallest item.
    protocol : Protocol, optional
        By default "benchmark", of volumes "mri".
    """
    truth = next((item for item in items if item.role == "reference"), None)
    if truth is None:
        return items, []
    is_volume = truth.kind == "volume"
    how = protocol or PROTOCOLS["mri" if is_volume else "benchmark"]
    factor = scale if scale is not None else _scale(items, truth)
    notes = [f"PSNR and SSIM against {truth.name}: {how.describe(factor)}"]
    if truth.frames > 1:
        notes[0] += f"; mean over {truth.frames} frames"
    if is_volume:
        notes[0] += "; mean over the axial slices that are not empty"
    result = []
    for item in items:
        if item is truth:
            result.append(item)
            continue
        try:
            values = (_of_volume if is_volume else _of_picture)(
                item, truth, how, factor
            )
        except ShapeError as error:
            notes.append(f"{item.name} is not measured: {error}")
            values = {}
        if item.frames != truth.frames:
            notes.append(f"{item.name} is measured in its first frame")
        how_made = "bicubic" if item.size < truth.size else ""
        texts = {name: (_text(name, of), how_made) for name, of in values.items()}
        result.append(replace(item, scores=texts))
    return result, notes


def _scale(items: list[Item], truth: Item) -> int:
    """How many times larger the reference is than the smallest; 0 where none is."""
    smallest = min(items, key=lambda item: item.size)
    start = 1 if truth.kind == "picture" else 0
    ratios = {
        large / small
        for large, small in zip(
            truth.values.shape[start:3], smallest.values.shape[start:3], strict=True
        )
        if large != small
    }
    ratio = max(ratios, default=0)
    return int(ratio) if ratio == int(ratio) else 0


def _measured(
    made: NDArray[Any], truth: NDArray[Any], how: Protocol, scale: int, white: float
) -> dict[str, float]:
    if not (np.isfinite(made).all() and np.isfinite(truth).all()):
        raise ShapeError("it, or the reference, holds NaN or infinity")
    planes = how.planes(made, truth, white, scale)
    return {
        name: float(registry("zoo.metrics").load(name)(*planes)) for name in METRICS
    }


def _of_picture(item: Item, truth: Item, how: Protocol, scale: int) -> dict[str, float]:
    """Mean over the frames, where both have as many; else the first."""
    size = truth.values.shape[1:3]
    sums: dict[str, list[float]] = {}
    for frame in range(truth.frames if item.frames == truth.frames else 1):
        made = item.colors(frame)
        if item.size < truth.size:
            made = imresize(made, size=(size[0], size[1]))
        first, second = (
            values.astype(np.float64) * (255 / of.white)
            for values, of in ((made, item), (truth.colors(frame), truth))
        )
        for name, value in _measured(first, second, how, scale, 255).items():
            sums.setdefault(name, []).append(value)
    return {name: math.fsum(values) / len(values) for name, values in sums.items()}


def _of_volume(item: Item, truth: Item, how: Protocol, scale: int) -> dict[str, float]:
    """Mean over axial slices; the truth's least value is black, its 99.9th part white."""
    whole, made = truth.meant(), item.meant()
    limits = limits_of(iter(whole), whole.size)
    if limits.is_flat:
        raise ShapeError("the reference holds one value alone")
    if made.shape[0] != whole.shape[0]:
        raise ShapeError(f"it has {made.shape[0]} axial slices, not {whole.shape[0]}")
    sums: dict[str, list[float]] = {}
    for one, other in zip(made, whole, strict=True):
        high = limits.to_network(other)
        if np.mean(high > BACKGROUND) < _LEAST_SHOWN:
            continue
        low = limits.to_network(one)
        if low.shape != high.shape:
            low = imresize(low, size=(high.shape[0], high.shape[1]))
        values = _measured(low[..., None], high[..., None], how, scale, 1.0)
        for name, value in values.items():
            sums.setdefault(name, []).append(value)
    if not sums:
        raise ShapeError("every slice of the reference is empty")
    return {name: math.fsum(values) / len(values) for name, values in sums.items()}


def _text(name: str, value: float) -> str:
    unit = " dB" if name == "psnr" else ""
    return "∞" if math.isinf(value) else f"{value:.{2 if unit else 4}f}{unit}"
