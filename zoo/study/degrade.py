"""Ways to make a small slice of a large one."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.resize import imresize

__all__ = ["DEGRADATIONS", "bicubic"]

Floats = NDArray[np.float32]


def _thesis(high: Floats, scale: int) -> Floats:
    """Gaussian blur of 3 x 3, sigma 1, then OpenCV's bicubic (the thesis, 3.3).

    OpenCV's does not widen its kernel when it shrinks: at x4 it picks 4 pixels of 16,
    and the blur of 3 pixels does not prevent aliasing.
    """
    blurred = cv2.GaussianBlur(high, (3, 3), 1)
    return _cubic(np.asarray(blurred, np.float32), scale)


def _cubic(high: Floats, scale: int) -> Floats:
    """OpenCV's bicubic alone."""
    size = (high.shape[1] // scale, high.shape[0] // scale)
    return np.asarray(cv2.resize(high, size, interpolation=cv2.INTER_CUBIC), np.float32)


def _matlab(high: Floats, scale: int) -> Floats:
    """MATLAB's antialiased bicubic, which the networks were trained with."""
    return imresize(high, size=(high.shape[0] // scale, high.shape[1] // scale))


def _area(high: Floats, scale: int) -> Floats:
    """Mean of each block of pixels."""
    size = (high.shape[1] // scale, high.shape[0] // scale)
    return np.asarray(cv2.resize(high, size, interpolation=cv2.INTER_AREA), np.float32)


def _fourier(high: Floats, scale: int) -> Floats:
    """The middle of k-space, as a scanner of lower resolution would record it.

    Pixels are areas, so the grid of the small slice starts (scale - 1) / 2 pixels in.
    """
    height, width = (side // scale for side in high.shape)
    spectrum = np.fft.fftshift(np.fft.fft2(high))
    top, left = (high.shape[0] - height) // 2, (high.shape[1] - width) // 2
    middle = np.fft.ifftshift(spectrum[top : top + height, left : left + width])
    shift = (scale - 1) / 2
    rows = np.fft.fftfreq(height)[:, None] / scale
    columns = np.fft.fftfreq(width)[None, :] / scale
    middle = middle * np.exp(2j * np.pi * shift * (rows + columns))
    small = np.real(np.fft.ifft2(middle)) / scale**2
    return small.astype(np.float32)


DEGRADATIONS: dict[str, Callable[[Floats, int], Floats]] = {
    "thesis": _thesis,
    "matlab": _matlab,
    "area": _area,
    "fourier": _fourier,
    "cubic": _cubic,
}
"""From a slice H x W of floats and a scale to the small slice."""


def bicubic(low: Floats, scale: int) -> Floats:
    """OpenCV's bicubic enlargement, the thesis's baseline."""
    size = (low.shape[1] * scale, low.shape[0] * scale)
    return np.asarray(cv2.resize(low, size, interpolation=cv2.INTER_CUBIC), np.float32)
