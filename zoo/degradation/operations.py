"""Blur, resizing, noise and JPEG, each a function from pixels to pixels."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.pixels import quantize, white_of
from zoo.resize import imresize

__all__ = [
    "CHROMA",
    "DOWNSCALE",
    "blurred",
    "gaussian_kernel",
    "jpeg",
    "noisy",
    "reach",
    "smaller",
]

Floats = NDArray[np.float32]

_SIGMAS = 3.0  # standard deviations that a kernel reaches
_OPENCV = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "lanczos": cv2.INTER_LANCZOS4,
}
DOWNSCALE = ("bicubic", *_OPENCV)
"""Ways to make a picture smaller; all but ``bicubic`` are OpenCV's."""

CHROMA = {
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
"""Chroma subsampling of JPEG, and OpenCV's name for it."""


def reach(sigma: float) -> int:
    """Pixels that a Gaussian of a standard deviation reaches to each side."""
    return math.ceil(_SIGMAS * sigma)


def gaussian_kernel(along: float, across: float, angle: float) -> Floats:
    """A Gaussian of two standard deviations, turned.

    k(v) = exp(-v' S^-1 v / 2), S = R diag(along^2, across^2) R', R the rotation by
    the angle, sampled at whole pixels and made to sum to 1 (Zhang et al., Designing a
    Practical Degradation Model for Deep Blind Image Super-Resolution, 2021, eq. 1 and
    section 3.1).

    Parameters
    ----------
    along, across : float
        Standard deviations in pixels, above 0.
    angle : float
        From the x axis, in radians.

    Returns
    -------
    ndarray, float32, K x K, K odd
    """
    radius = reach(max(along, across))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    u = (math.cos(angle) * x + math.sin(angle) * y) / along
    v = (math.cos(angle) * y - math.sin(angle) * x) / across
    kernel = np.exp(-(u * u + v * v) / 2)
    return (kernel / kernel.sum()).astype(np.float32)


def blurred(image: NDArray[Any], kernel: Floats) -> Floats:
    """Correlate with a kernel, the picture mirrored beyond its edge, in floats."""
    floats = np.ascontiguousarray(image, np.float32)
    made = cv2.filter2D(floats, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(made, np.float32)


def smaller(image: NDArray[Any], scale: int, how: str) -> Floats:
    """Make a picture smaller by a whole number, in floats.

    Parameters
    ----------
    image : ndarray, sH x sW x 3
    scale : int
    how : str
        Of :data:`DOWNSCALE`: ``bicubic`` is MATLAB's, which smooths before it
        samples; ``area`` the mean of scale x scale pixels; ``bilinear`` and
        ``lanczos`` (8 x 8 pixels) sample without smoothing.
    """
    height, width = image.shape[0] // scale, image.shape[1] // scale
    floats = np.ascontiguousarray(image, np.float32)
    if how == "bicubic":
        return np.asarray(imresize(floats, size=(height, width)), np.float32)
    made = cv2.resize(floats, (width, height), interpolation=_OPENCV[how])
    return np.asarray(made, np.float32)


def noisy(
    image: NDArray[Any],
    sigma: float,
    white: float,
    rng: np.random.Generator,
    *,
    gray: bool = False,
) -> Floats:
    """Add Gaussian noise, in floats.

    Parameters
    ----------
    image : ndarray, H x W x C
    sigma : float
        Standard deviation in 255ths of white.
    white : float
    rng : Generator
    gray : bool
        The same in all channels.
    """
    shape = (*image.shape[:2], 1) if gray else image.shape
    noise = rng.standard_normal(shape, np.float32)
    return np.asarray(image + noise * np.float32(sigma * white / 255), np.float32)


def jpeg(image: NDArray[Any], quality: int, chroma: str) -> NDArray[Any]:
    """Write a picture as JPEG and read it again.

    Parameters
    ----------
    image : ndarray, H x W x 3, RGB
        Of any type of pixels; JPEG itself has 8 bits, and nothing beyond black and
        white.
    quality : int
        libjpeg's, 1 to 100.
    chroma : str
        Of :data:`CHROMA`: 444 keeps all of it, 420 halves it in both directions.

    Returns
    -------
    ndarray, H x W x 3
        Of the same type.
    """
    white = white_of(image.dtype)
    floats = np.asarray(image, np.float32)
    bytes_ = quantize(floats * np.float32(255 / white), np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, CHROMA[chroma]]
    _, file = cv2.imencode(".jpg", np.ascontiguousarray(bytes_[..., ::-1]), options)
    read = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))[..., ::-1]
    return quantize(read * np.float32(white / 255), image.dtype)
