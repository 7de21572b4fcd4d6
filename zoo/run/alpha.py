"""Transparency: what a network sees under it, and pictures without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.images.image import Image
from zoo.pixels import fill_nearest, quantize

__all__ = ["REACH", "bleed", "flattened", "parse_color"]

REACH = 4
"""Pixels around one that its colour is compared with."""
_BAND = 512  # rows at a time

_NAMED = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "green": (0, 128, 0),
    "blue": (0, 0, 255),
}


def bleed(color: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Give pixels that are hardly seen the colour of those around that are.

    What is hidden under alpha is often black, and a network would draw it into the
    visible edge as a dark rim. So colour counts by its alpha: with w = alpha / (the
    largest alpha within 4 pixels) a colour c becomes w c + (1 - w) m, where m is the
    mean of the colours within 4 pixels, weighted by their alpha. Where alpha is the same all
    around, nothing changes. Where it is 0 the nearest visible colour is taken.

    Parameters
    ----------
    color : ndarray, H x W x C
    alpha : ndarray, H x W
        0 is transparent.

    Returns
    -------
    ndarray
        A copy, or ``color`` itself if alpha is the same everywhere.
    """
    if alpha.min() == alpha.max() or alpha.max() <= 0:
        return color
    result = color.copy()
    for top in range(0, len(alpha), _BAND):
        bottom = min(top + _BAND, len(alpha))
        first, last = max(0, top - REACH), min(len(alpha), bottom + REACH)
        inner = slice(top - first, bottom - first)
        part = _weighted(color[first:last], alpha[first:last])
        changed, values = part
        rows = result[top:bottom]
        rows[changed[inner]] = values[inner][changed[inner]]
    fill_nearest(result, alpha <= 0)
    return result


def _weighted(
    color: NDArray[Any], alpha: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Which pixels change, and the colours of all."""
    import cv2

    weight = np.maximum(alpha, 0).astype(np.float32)
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    most = cv2.dilate(weight, window)
    changed = (weight < most) & (weight > 0)
    if not changed.any():
        return changed, color
    size = (2 * REACH + 1, 2 * REACH + 1)
    around = cv2.blur(weight, size)[..., None]
    colors = color.astype(np.float32)
    total = cv2.blur(colors * weight[..., None], size)
    total = total.reshape(colors.shape)  # OpenCV drops a single channel
    mean = total / np.maximum(around, np.finfo(np.float32).tiny)
    share = (weight / np.maximum(most, np.finfo(np.float32).tiny))[..., None]
    return changed, quantize(share * colors + (1 - share) * mean, color.dtype)


def parse_color(text: str) -> tuple[int, int, int]:
    """A name, or ``#rrggbb``, as R, G, B from 0 to 255.

    Raises
    ------
    UsageError
        If it is neither.
    """
    name = text.strip().lower()
    digits = name.removeprefix("#")
    if name in _NAMED:
        return _NAMED[name]
    if len(digits) == 6 and all(char in "0123456789abcdef" for char in digits):
        red, green, blue = bytes.fromhex(digits)
        return red, green, blue
    raise UsageError(
        f"{text!r} is no colour; give #rrggbb or one of {', '.join(_NAMED)}"
    )


def flattened(
    image: Image, color: tuple[int, int, int], dtype: str, white: float | None = None
) -> Image:
    """The picture laid on a colour, in another type of pixels.

    result = alpha c + (1 - alpha) color, with the values as they are stored, as
    other programs do it.

    Parameters
    ----------
    image : Image
    color : tuple of int
        R, G, B from 0 to 255. Gray pictures stay gray on gray.
    dtype : {"uint8", "uint16", "float32"}
        Values are rounded and clipped.
    white : float, optional
        The value of white in a float picture.
    """
    given = image.white if white is None or image.dtype.kind != "f" else white
    values = image.pixels.astype(np.float32) / np.float32(given)
    if image.alpha is not None:
        if image.is_gray and len(set(color)) > 1:
            values = np.repeat(values, 3, axis=2)
        ground = np.asarray(color[: values.shape[2]], np.float32) / 255
        share = (image.alpha.astype(np.float32) / np.float32(image.white))[..., None]
        values = share * values + (1 - share) * ground
    kind = np.dtype(dtype)
    most = 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)
    return replace(image, pixels=quantize(values * np.float32(most), kind), alpha=None)
