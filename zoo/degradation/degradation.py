"""How small pictures are made worse than MATLAB's bicubic makes them.

Blur, then resizing, noise and JPEG, the order of the classical degradation model
(Zhang et al., Designing a Practical Degradation Model for Deep Blind Image
Super-Resolution, 2021, eq. 1; Wang et al., Real-ESRGAN, 2021, eq. 1), each once,
drawn from ranges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from zoo.degradation.operations import (
    blurred,
    gaussian_kernel,
    jpeg,
    noisy,
    smaller,
)
from zoo.errors import UsageError, did_you_mean
from zoo.pixels import quantize, white_of
from zoo.training_keys import DEGRADATION_KEYS

__all__ = ["Box", "Degradation", "what_is_wrong"]

Pixels = NDArray[Any]

_UNIT = 16  # pixels of JPEG's largest unit, two blocks of 8 a side
_TAPS = 4  # pixels of the small picture that resizing may look at beyond an edge


@dataclass(frozen=True)
class Box:
    """A part of a picture: rows and columns, in its pixels."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def whole(cls, picture: Pixels) -> Box:
        """All of a picture."""
        return cls(0, 0, *picture.shape[:2])

    def of(self, picture: Pixels) -> Pixels:
        """The part, a view."""
        rows = slice(self.top, self.top + self.height)
        return picture[rows, self.left : self.left + self.width]

    def within(self, other: Box) -> Box:
        """The same part, as seen from another one that holds it."""
        return replace(self, top=self.top - other.top, left=self.left - other.left)

    def times(self, scale: int) -> Box:
        """The part of a picture so many times as large."""
        return Box(*(scale * v for v in (self.top, self.left, self.height, self.width)))

    def grown(self, margin: int, unit: int, picture: Pixels) -> Box:
        """What surrounds it, ending at multiples of a unit, or where the picture does."""
        top, left = (
            max(0, (start - margin) // unit * unit) for start in (self.top, self.left)
        )
        bottom, right = (
            min(-(-(end + margin) // unit) * unit, limit)
            for end, limit in zip(
                (self.top + self.height, self.left + self.width),
                picture.shape[:2],
                strict=True,
            )
        )
        return Box(top, left, bottom - top, right - left)


@dataclass(frozen=True)
class Degradation:
    """What may happen to a small picture; by default nothing.

    A range holds one number, or the least and the largest of which each patch draws
    one. The fields are keys of ``[net]`` (:mod:`zoo.training_keys`), where their
    units stand.
    """

    blur_sigma: tuple[float, ...] = ()
    blur_isotropic: float = 1.0
    blur_share: float = 1.0
    downscale: tuple[str, ...] = ("bicubic",)
    noise_sigma: tuple[float, ...] = ()
    noise_gray: float = 0.0
    noise_share: float = 1.0
    jpeg_quality: tuple[int, ...] = ()
    jpeg_chroma: tuple[str, ...] = ("420",)
    jpeg_share: float = 1.0

    @classmethod
    def from_settings(cls, settings: list[str]) -> Degradation:
        """Read values written ``key=value``, as in ``[net]``.

        Raises
        ------
        UsageError
            If one is no such key, or its value is wrong.
        """
        keys = {key.name: key for key in DEGRADATION_KEYS}
        values: dict[str, Any] = {}
        for text in settings:
            name, equals, value = (part.strip() for part in text.partition("="))
            if name not in keys or not equals:
                hint = did_you_mean(name, keys, "{}")
                raise UsageError(
                    f"{text!r} is no degradation{hint} (there are {', '.join(keys)})"
                )
            try:
                values[name] = keys[name].parse(value)
            except ValueError as error:
                raise UsageError(f"{name}={value}: {error}") from None
            if reason := what_is_wrong(name, values[name]):
                raise UsageError(f"{name} is {value}; it must {reason}")
        return cls(**values)

    def __bool__(self) -> bool:
        """Whether anything may happen at all."""
        is_other = self.downscale != ("bicubic",)
        return (
            bool(self.blur_sigma or self.noise_sigma or self.jpeg_quality) or is_other
        )

    def __str__(self) -> str:
        """What is done, in half a line: ``blur 0.2 to 1, JPEG 40 to 95 (4:2:0)``."""
        parts = []
        if self.blur_sigma:
            parts.append(f"blur {_range(self.blur_sigma)}{_of(self.blur_share)}")
        if self.downscale != ("bicubic",):
            parts.append(f"made small by {' or '.join(self.downscale)}")
        if self.noise_sigma:
            parts.append(f"noise {_range(self.noise_sigma)}{_of(self.noise_share)}")
        if self.jpeg_quality:
            chroma = ", ".join(":".join(kind) for kind in self.jpeg_chroma)
            parts.append(
                f"JPEG {_range(self.jpeg_quality)} ({chroma}){_of(self.jpeg_share)}"
            )
        return ", ".join(parts)

    def apply(
        self, low: Pixels, high: Pixels, box: Box, rng: np.random.Generator
    ) -> Pixels:
        """Make a part of a small picture worse.

        What surrounds the part counts as it would if the whole picture were made
        worse, so that JPEG's blocks lie where they lie in a file, in patches at any
        place.

        Parameters
        ----------
        low, high : ndarray, H x W x 3 and sH x sW x 3
            The small and the large picture, whole. The small one is made anew of the
            large one where there is blur or another way to make it.
        box : Box
            The part of the small one.
        rng : Generator
            Drawn from.

        Returns
        -------
        ndarray, h x w x 3
            Of the type of the small picture.
        """
        sigma = _drawn(self.blur_sigma, rng, self.blur_share)
        along = across = angle = 0.0
        if sigma is not None:
            along = across = sigma
            if rng.random() >= self.blur_isotropic:
                across = _drawn(self.blur_sigma, rng) or sigma
                angle = float(rng.uniform(0, math.pi))
        way = self.downscale[int(rng.integers(len(self.downscale)))]
        sigma_of_noise = _drawn(self.noise_sigma, rng, self.noise_share)
        is_gray = bool(rng.random() < self.noise_gray)
        quality = None
        if self.jpeg_quality and rng.random() < self.jpeg_share:
            first, last = self.jpeg_quality[0], self.jpeg_quality[-1]
            quality = int(rng.integers(first, last + 1))
        chroma = self.jpeg_chroma[int(rng.integers(len(self.jpeg_chroma)))]

        around = box
        if quality is not None:
            around = box.grown(_UNIT, _UNIT, low)
        if max(along, across) > 0 or way != "bicubic":
            kernel = None
            if max(along, across) > 0:
                kernel = gaussian_kernel(max(along, 1e-3), max(across, 1e-3), angle)
            values = _made_small(low, high, around, kernel, way)
        else:
            values = np.asarray(around.of(low), np.float32)
        white = white_of(low.dtype)
        if sigma_of_noise:
            values = noisy(values, sigma_of_noise, white, rng, gray=is_gray)
        worse = quantize(values, low.dtype)
        if quality is not None:
            worse = jpeg(worse, quality, chroma)
        return box.within(around).of(worse)

    def of_picture(self, name: str, low: Pixels, high: Pixels) -> Pixels:
        """A whole small picture made worse, always in the same way.

        Parameters
        ----------
        name : str
            Decides, with nothing else, what is drawn.
        low, high : ndarray
            As in :meth:`apply`.
        """
        rng = np.random.default_rng(crc32(name.encode("utf-8", "surrogateescape")))
        return self.apply(low, high, Box.whole(low), rng)


def what_is_wrong(name: str, value: Any) -> str:
    """How the value of a field must be and is not; nothing if all is well."""
    is_range = name in ("blur_sigma", "noise_sigma", "jpeg_quality")
    if is_range and (len(value) > 2 or list(value) != sorted(value)):
        return "be one number, or the least and the largest of a range"
    return ""


def _made_small(
    low: Pixels, high: Pixels, box: Box, kernel: Pixels | None, way: str
) -> NDArray[np.float32]:
    """A part of the small picture, made of the large one."""
    scale = high.shape[0] // low.shape[0]
    blur = 0 if kernel is None else len(kernel) // 2
    margin = _TAPS + -(-blur // scale)
    around = box.grown(margin, 1, low)
    large: Pixels = around.times(scale).of(high)
    if kernel is not None:
        large = blurred(large, kernel)
    return box.within(around).of(smaller(large, scale, way))


def _drawn(
    bounds: tuple[float, ...], rng: np.random.Generator, share: float = 1.0
) -> float | None:
    """A number of a range, in a share of all cases."""
    if not bounds or rng.random() >= share:
        return None
    return float(rng.uniform(bounds[0], bounds[-1]))


def _range(bounds: tuple[float, ...]) -> str:
    ends = dict.fromkeys(f"{bound:g}" for bound in (bounds[0], bounds[-1]))
    return " to ".join(ends)


def _of(share: float) -> str:
    return "" if share == 1 else f" in {share:.0%}"
