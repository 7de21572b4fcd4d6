"""Pictures at another size by a fixed filter, one axis at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from zoo.program.geometry import Taps

__all__ = ["Resampling", "ResamplingMode", "times", "transposed"]

ResamplingMode = Literal["nearest", "bilinear", "bicubic"]


class Resampling(NamedTuple):
    """A filter, and where output pixels lie among the L input pixels of an axis.

    Of S output pixels, pixel o lies at u = (o + 1/2) L / S - 1/2, centres at halves, or
    at o (L - 1) / (S - 1) with ``align_corners``. The edge pixel is repeated outwards,
    and y[o] = sum_k w(u - k) x[k] with

    * bilinear: w(t) = 1 - |t| for |t| < 1;
    * bicubic (Keys, 1981): w(t) = (a + 2)|t|^3 - (a + 3)|t|^2 + 1 for |t| <= 1,
      a|t|^3 - 5a|t|^2 + 8a|t| - 4a for 1 < |t| < 2.

    ``nearest`` takes pixel floor(o L / S). The places are exact: those of PyTorch's
    ``interpolate`` up to the rounding of its quotient.
    """

    mode: ResamplingMode
    a: float = -0.75
    align_corners: bool = False

    def taps(self, length: int, size: int) -> Taps:
        """What each output pixel is made of: places in the image, and weights."""
        return _taps(self, length, size)

    def weights(self, length: int, size: int, o: int) -> list[tuple[int, float]]:
        """Places of one output pixel's filter, which may lie outside, and weights."""
        if self.mode == "nearest":
            return [(o * length // size, 1.0)]
        if self.align_corners:
            above, below = o * (length - 1), max(size - 1, 1)
        else:
            above, below = (2 * o + 1) * length - size, 2 * size
        first, rest = divmod(above, below)
        reach = range(2) if self.mode == "bilinear" else range(-1, 3)
        weights = [(first + k, self._weight(rest / below - k)) for k in reach]
        return [(place, weight) for place, weight in weights if weight]

    def _weight(self, t: float) -> float:
        """The filter at distance t, in input pixels."""
        t, a = abs(t), self.a
        if self.mode == "bilinear":
            return max(1 - t, 0.0)
        if t <= 1:
            return ((a + 2) * t - (a + 3)) * t * t + 1
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a if t < 2 else 0.0


@lru_cache(maxsize=64)
def _taps(method: Resampling, length: int, size: int) -> Taps:
    return tuple(
        tuple(
            (min(max(place, 0), length - 1), weight)
            for place, weight in method.weights(length, size, o)
        )
        for o in range(size)
    )


def transposed(taps: Taps, length: int) -> Taps:
    """The taps that lead from the results back to ``length`` places."""
    back: list[list[tuple[int, float]]] = [[] for _ in range(length)]
    for result, some in enumerate(taps):
        for place, weight in some:
            back[place].append((result, weight))
    return back


def times(taps: Taps, factor: float) -> Taps:
    """The taps whose results are multiplied by a factor."""
    if factor == 1:
        return taps
    return [[(place, factor * weight) for place, weight in some] for some in taps]
