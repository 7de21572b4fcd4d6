"""What is measured on one slice: the thesis's protocol, written down.

A slice, 0 to 255 in floats, is made small, perhaps turned, enlarged, turned back,
rounded to 8 bits and compared with the slice it came from: PSNR with peak 255, SSIM
with a uniform window of 7 x 7 (scikit-image's default, which the thesis used). Gray
goes into a network of colours as three equal channels, which are scored apart, as
their mean and as their luma. Each result is also compared after both it and the
original were stretched from their least to their greatest value, the result before it
is turned back: what the thesis's programs probably did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from zoo.metrics.ssim import uniform_ssim
from zoo.study.degrade import DEGRADATIONS, bicubic
from zoo.study.rotate import Interpolation, rotated

__all__ = ["Condition", "Row", "Turned", "measure", "psnr"]

Floats = NDArray[np.float32]
Turned = Literal["low", "high"]
"""Which slice is turned: the small one, or the original before it is made small."""

PEAK = 255.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


Enlarger = Callable[[Floats], Floats]
"""A network as a function of a gray slice: H x W to H' x W' x channels."""


@dataclass(frozen=True)
class Condition:
    """One way in which slices are degraded and turned."""

    degradation: str
    scale: int
    angle: float = 0.0
    turned: Turned = "low"
    interpolation: Interpolation = "cubic"


@dataclass(frozen=True)
class Row:
    """One score: psnr and stretched_psnr in dB; least is the result's least value."""

    method: str
    channel: str
    psnr: float
    ssim: float
    stretched_psnr: float
    stretched_ssim: float
    least: float


def psnr(a: NDArray[Any], b: NDArray[Any]) -> float:
    """10 log10(255^2 / mean squared error), in dB."""
    error = float(np.mean(np.square(a.astype(np.float64) - b)))
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def measure(
    high: Floats, condition: Condition, name: str | None, enlarge: Enlarger | None
) -> Iterator[tuple[Row, Floats]]:
    """Score one network, or bicubic where there is none, on one slice.

    Parameters
    ----------
    high : ndarray, float32, H x W
        0 to 255; sides are multiples of the scale.
    condition : Condition
    name : str or None
        Of the network; None for bicubic.
    enlarge : Enlarger or None

    Yields
    ------
    row : Row
    picture : ndarray, float32, H x W
        The result, neither rounded nor clipped.
    """
    turns_low = condition.turned == "low"
    truth = high
    if not turns_low:
        truth = rotated(high, condition.angle, condition.interpolation)
    low = DEGRADATIONS[condition.degradation](truth, condition.scale)
    if turns_low:
        low = rotated(low, condition.angle, condition.interpolation)
    made = bicubic(low, condition.scale)[..., None] if enlarge is None else enlarge(low)
    back = -condition.angle if turns_low else 0.0
    original = stretched(truth)
    for channel, plane in _channels(made):
        picture = rotated(plane, back, condition.interpolation)
        own = rotated(stretched(plane), back, condition.interpolation)
        rounded = np.clip(np.rint(picture), 0, PEAK)
        yield (
            Row(
                name or "bicubic",
                channel,
                psnr(rounded, truth),
                uniform_ssim(rounded, truth, peak=PEAK),
                psnr(own, original),
                uniform_ssim(own, original, peak=PEAK),
                float(picture.min()),
            ),
            picture,
        )


def _channels(made: Floats) -> Iterator[tuple[str, Floats]]:
    if made.shape[2] == 1:
        yield "gray", made[..., 0]
        return
    for index, channel in enumerate("RGB"):
        yield channel, np.ascontiguousarray(made[..., index])
    yield "mean", made.mean(axis=2)
    yield "luma", made @ _LUMA


def stretched(picture: Floats) -> Floats:
    """From its least to its greatest value over 0 to 255."""
    low, high = float(picture.min()), float(picture.max())
    if not high > low:
        return np.zeros_like(picture)
    return ((picture - low) * (PEAK / (high - low))).astype(np.float32)
