"""How results are compared: the protocols that people quote, by name.

Each turns a result and the truth into two planes in the units 0 to 255, which the
metrics get.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError, did_you_mean
from zoo.metrics.arrays import require_same_shape
from zoo.metrics.benchmark import benchmark_planes

__all__ = ["PROTOCOLS", "Protocol", "protocol_named"]

Planes = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Protocol:
    """One way to compare.

    Attributes
    ----------
    name : str
    text : str
        What it does, with {border}.
    extra_border : int
        Pixels beyond the scale that are cut off; -1 cuts nothing at all.
    compare : callable
        From result, truth (0 to 255) and border to two planes.
    """

    name: str
    text: str
    extra_border: int
    compare: Callable[[NDArray[Any], NDArray[Any], int], Planes]

    def __reduce__(self) -> tuple[Any, ...]:
        return protocol_named, (self.name,)  # sent by its name

    def border(self, scale: int) -> int:
        """Pixels that are cut off at each side."""
        return 0 if self.extra_border < 0 else scale + self.extra_border

    def describe(self, scale: int) -> str:
        """How it measures, in a few words."""
        return self.text.format(border=self.border(scale))

    def planes(
        self, result: NDArray[Any], truth: NDArray[Any], white: float, scale: int
    ) -> Planes:
        """What the metrics compare.

        Parameters
        ----------
        result, truth : ndarray, H x W x C
            In the units of the pixels.
        white : float
            The value of white in them.
        scale : int

        Raises
        ------
        ShapeError
            If they differ in size, or the border leaves nothing.
        """
        if white != 255:
            factor = 255 / white
            result = np.asarray(result, np.float64) * factor
            truth = np.asarray(truth, np.float64) * factor
        return self.compare(result, truth, self.border(scale))


def _rgb(result: NDArray[Any], truth: NDArray[Any], border: int) -> Planes:
    require_same_shape(result, truth, "the comparison")
    if 2 * border >= min(truth.shape[:2]):
        raise ShapeError(
            f"a border of {border} leaves nothing of "
            f"{' x '.join(map(str, truth.shape[:2]))} pixels"
        )
    inside = slice(border, -border or None)
    planes = (
        np.clip(np.rint(np.asarray(image, np.float64)), 0, 255)[inside, inside]
        for image in (result, truth)
    )
    return next(planes), next(planes)


def _gray(result: NDArray[Any], truth: NDArray[Any], border: int) -> Planes:
    require_same_shape(result, truth, "the comparison")
    planes = (np.asarray(image, np.float64).mean(axis=2) for image in (result, truth))
    return next(planes), next(planes)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "benchmark",
            "Y of BT.601, border {border}, 8 bits, peak 255",
            0,
            benchmark_planes,
        ),
        # BasicSR's tests compare the same luma, not rounded, of results rounded to
        # 8 bits: its name for the protocol of the benchmarks.
        Protocol(
            "basicsr",
            "Y of BT.601, border {border}, 8 bits, peak 255 (BasicSR's)",
            0,
            benchmark_planes,
        ),
        Protocol("div2k", "RGB, border {border}, 8 bits, peak 255", 6, _rgb),
        Protocol(
            "mri",
            "gray in floats, no border, peak: white of the picture, or the 99.9th "
            "percentile of the volume",
            -1,
            _gray,
        ),
    )
}
"""The protocols there are."""


def protocol_named(name: str) -> Protocol:
    """A protocol.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    try:
        return PROTOCOLS[name]
    except KeyError:
        hint = did_you_mean(name, PROTOCOLS) or f"; there are {', '.join(PROTOCOLS)}"
        raise UsageError(f"there is no protocol {name!r}{hint}") from None
