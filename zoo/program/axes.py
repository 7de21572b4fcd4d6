"""Which rows or columns of an input an output needs."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from zoo.program.geometry import PadMode, source_cells
from zoo.program.resampling import Resampling

__all__ = [
    "ALL",
    "SAME",
    "Axis",
    "ResizedAxis",
    "WindowAxis",
    "resized_axis",
    "window_axis",
]

_NEAREST = Resampling("nearest")
_MOST_PHASES = 16  # of an enlargement that is treated as windows


@dataclass(frozen=True)
class Axis:
    """Which input positions one output position needs, along rows or columns.

    Output position o needs, for each tap t below ``size``, the input position
    (o // scale) * stride - before + t * dilation, brought back into the image
    as ``mode`` says (``zero``: needs nothing if outside). With stride 0, which only an
    input of length 1 has, all outputs need the same.
    """

    size: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1
    scale: int = 1
    mode: PadMode = "zero"

    @property
    def regular(self) -> bool:
        """Whether all outputs need the same, as far down as they themselves are."""
        return True

    def needs(self, start: int, stop: int, length: int) -> tuple[int, int]:
        """Smallest input range that holds all that outputs [start, stop) need.

        ``length`` is the input's. The range may be empty: (0, 0).
        """
        if stop <= start:
            return 0, 0
        span = (self.size - 1) * self.dilation
        low = (start // self.scale) * self.stride - self.before
        high = ((stop - 1) // self.scale) * self.stride - self.before + span + 1
        if self.mode == "zero" or (low >= 0 and high <= length):
            low, high = max(low, 0), min(high, length)
            return (low, high) if low < high else (0, 0)
        inside = source_cells(low, high, length, self.mode)
        return int(inside.min()), int(inside.max()) + 1

    def supported(self, available: int, stop: int, length: int) -> int:
        """The largest output up to ``stop`` for which ``available`` positions do.

        The first ones of ``length``; fewer than all.
        """
        if self.stride == 0:
            return 0
        span = (self.size - 1) * self.dilation
        windows = (available - 1 - span + self.before) // self.stride + 1
        stop = min(stop, max(0, windows) * self.scale)
        while stop > 0 and self.needs(0, stop, length)[1] > available:
            stop -= 1  # only where borders mirror
        return stop


SAME = Axis()
ALL = Axis(stride=0)
"""Of an input of one row and column: every output needs it."""


@dataclass(frozen=True)
class ResizedAxis(Axis):
    """That of a resampling from ``length`` to ``output`` pixels of any ratio."""

    method: Resampling = _NEAREST
    length: int = 1
    output: int = 1

    @property
    def regular(self) -> bool:
        return False

    def needs(self, start: int, stop: int, length: int) -> tuple[int, int]:
        if stop <= start:
            return 0, 0
        taps = self.method.taps(self.length, self.output)
        return taps[start][0][0], taps[stop - 1][-1][0] + 1

    def supported(self, available: int, stop: int, length: int) -> int:
        taps = self.method.taps(self.length, self.output)
        return bisect_right(taps, available - 1, 0, stop, key=lambda some: some[-1][0])


@dataclass(frozen=True)
class WindowAxis(Axis):
    """That of windows of ``length`` positions, in which all need all.

    The first one begins ``offset`` positions before the picture.
    """

    length: int = 1
    offset: int = 0

    @property
    def regular(self) -> bool:
        return False

    def needs(self, start: int, stop: int, length: int) -> tuple[int, int]:
        if stop <= start:
            return 0, 0
        low = (start + self.offset) // self.length * self.length - self.offset
        high = -(-(stop + self.offset) // self.length) * self.length - self.offset
        return max(0, low), min(high, length)

    def supported(self, available: int, stop: int, length: int) -> int:
        whole = (available + self.offset) // self.length * self.length - self.offset
        return stop if available >= length else max(0, min(stop, whole))


def window_axis(length: int, offset: int) -> Axis:
    """What the positions of windows need; see :class:`WindowAxis`."""
    if offset:
        return WindowAxis(length=length, offset=offset)
    return Axis(size=length, stride=length, scale=length)


def resized_axis(method: Resampling, length: int, output: int) -> Axis:
    """What the output pixels of a resampling need.

    Where the ratio is simple, windows that hold what is needed: these repeat, so that
    the work on tall pictures does.
    """
    common = math.gcd(length, output)
    step, phases = length // common, output // common
    if method.align_corners or phases > _MOST_PHASES:
        return ResizedAxis(method=method, length=length, output=output)
    low = method.weights(length, output, 0)[0][0]
    high = method.weights(length, output, phases - 1)[-1][0]
    return Axis(high - low + 1, step, -low, 1, phases, "edge")
