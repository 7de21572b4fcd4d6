"""A measured volume to look at: three planes, each with a slider through its slices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zoo.evaluate.pairs import Pair, SliceOf
from zoo.page.document import Document
from zoo.resize import imresize

__all__ = ["Gathered"]

Bytes = NDArray[np.uint8]

_WHITE = 200  # of 255: room for what is brighter than the 99.9th percentile
_GAIN = 4
_BUDGET = 12 << 20
"""Bytes of one plane's slices, not compressed."""
_MOST = 24
_WORLDS = ("LR", "PA", "IS")
_NAMES = ("sagittal", "coronal", "axial")


class Gathered:
    """The first volume of a set, as one byte a voxel, while it is measured.

    Attributes
    ----------
    part : SliceOf or None
        Of its first slice; None where no volume was measured.
    stacks : dict of str to ndarray, S x H x W
        "small", "bicubic", "original", and results by the name of their entrant.
    volumes : set of str
        Names of all that were measured.
    scale : int
        Which every entrant has; others are gathered apart.
    """

    def __init__(self) -> None:
        self.part: SliceOf | None = None
        self.stacks: dict[str, Bytes] = {}
        self.volumes: set[str] = set()
        self.scale = 1

    def add(self, name: str, pair: Pair, made: NDArray[np.floating]) -> None:
        """Keep what ``name`` made of a slice."""
        part = pair.part
        if part is None or made.shape != pair.high.shape:
            return
        self.volumes.add(part.volume)
        low = pair.low
        scale = made.shape[0] // low.shape[0]
        if self.part is None:
            self.part, self.scale = part, scale
        if part.volume != self.part.volume:
            return
        planes = {name: made, "original": pair.high}
        if part.number == self.part.number or name == self._first:
            self._first = name
            planes["small"] = low.repeat(scale, axis=0).repeat(scale, axis=1)
            planes["bicubic"] = imresize(low, size=made.shape[:2])
        for key, plane in planes.items():
            if key not in self.stacks:
                shape = (part.count, *made.shape[:2])
                self.stacks[key] = np.zeros(shape, np.uint8)
            self.stacks[key][part.number] = _bytes(plane.mean(axis=2) / pair.white)

    _first = ""

    def join(self, other: Gathered) -> None:
        """Take in what was gathered of volumes that come after, or elsewhere."""
        self.volumes |= other.volumes
        if self.part is None:
            self.part, self.scale = other.part, other.scale
        if self.part and other.part and other.part.volume == self.part.volume:
            self.stacks |= {
                name: stack
                for name, stack in other.stacks.items()
                if name not in self.stacks
            }

    def show(self, page: Document) -> None:
        """Write three figures."""
        part = self.part
        if part is None:
            return
        stacks = self._in_order()
        axes = [part.plane.through, part.plane.rows, part.plane.columns]
        worlds = [
            next(w for w in range(3) if part.plane.codes[axis] in _WORLDS[w])
            for axis in axes
        ]
        # Rows and columns run to the right, to the front and up already.
        if part.plane.codes[part.plane.through] in "LPI":
            stacks = {name: stack[::-1] for name, stack in stacks.items()}
        shape = next(iter(stacks.values())).shape
        sizes = [shape[worlds.index(world)] for world in range(3)]
        spacing = [part.spacing[axes[worlds.index(world)]] for world in range(3)]
        more = len(self.volumes) - 1
        rest = f" (the first of {more + 1} volumes)" if more else ""
        page.text(
            f"{part.volume}{rest}, x{self.scale}, measured in {_NAMES[worlds[0]]} slices; "
            f"black is the least value of the volume, {_WHITE} its 99.9th percentile, "
            f"differences are absolute, times {_GAIN}. Level and window move what is "
            f"black and white."
        )
        for world in (worlds[0], *sorted(worlds[1:], reverse=True)):
            across, up = (w for w in range(3) if w != world)
            order = [worlds.index(w) for w in (world, across, up)]
            each = sizes[across] * sizes[up] * len(stacks)
            count = min(sizes[world], _MOST, _BUDGET // each)
            if not count:
                page.text(f"{_NAMES[world]} slices are too large for a page.")
                continue
            places = _spread(stacks["original"].transpose(order), count)
            page.slices(
                [
                    (name, np.rot90(stack.transpose(order)[places], axes=(1, 2)))
                    for name, stack in stacks.items()
                ],
                f"{_NAMES[world]} slices, {len(places)} of {sizes[world]}.",
                low=0,
                high=_WHITE,
                labels=[f"{_NAMES[world]} {place}" for place in places],
                aspect=spacing[across] / spacing[up],
            )

    def _in_order(self) -> Mapping[str, Bytes]:
        """What is shown: small, bicubic, results, original, then differences."""
        fixed = ("small", "bicubic", "original")
        names = [name for name in self.stacks if name not in fixed]
        shown = {name: self.stacks[name] for name in ("small", "bicubic", *names)}
        truth = shown["original"] = self.stacks["original"]
        for name in ("bicubic", *names):
            apart = np.abs(self.stacks[name].astype(np.int16) - truth) * _GAIN
            shown[f"difference of {name}"] = np.minimum(apart, 255).astype(np.uint8)
        return shown


def _bytes(plane: NDArray[np.floating]) -> Bytes:
    return np.clip(np.rint(plane * _WHITE), 0, 255).astype(np.uint8)


def _spread(stack: Bytes, count: int) -> NDArray[np.int64]:
    """Places of ``count`` slices, evenly among those that show something."""
    shown = np.flatnonzero(stack.any(axis=(1, 2)))
    first, last = (int(shown[0]), int(shown[-1])) if shown.size else (0, len(stack) - 1)
    return np.unique(np.rint(np.linspace(first, last, count)).astype(np.int64))
