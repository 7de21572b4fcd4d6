"""Boxes and names, drawn into a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np

from zoo.detect.detector import DetectedObject
from zoo.images.image import Image

__all__ = ["draw"]

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_GOLDEN = 0.618034  # of the circle of hues between two classes


def draw(image: Image, objects: Sequence[DetectedObject]) -> Image:
    """A copy of a picture in colour with the objects marked, the surest on top."""
    pixels = image.pixels
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    canvas = np.ascontiguousarray(pixels).copy()
    white = float(image.white)
    side = max(image.height, image.width)
    thickness = max(1, round(side / 400))
    for one in reversed(objects):
        hue = one.index * _GOLDEN % 1
        color = [white * value for value in colorsys.hsv_to_rgb(hue, 0.9, 0.95)]
        corners = _corners(one, image)
        cv2.rectangle(canvas, *corners, color, thickness)
        _label(canvas, f"{one.name} {one.score:.0%}", corners[0], color, white, side)
    return image.with_pixels(canvas, image.alpha)


def _corners(
    one: DetectedObject, image: Image
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Upper left and lower right pixel, within the picture."""

    def inside(value: float, most: int) -> int:
        return int(np.clip(np.nan_to_num(round(value)), 0, most - 1))

    return (
        (inside(one.left, image.width), inside(one.top, image.height)),
        (
            inside(one.left + one.width, image.width),
            inside(one.top + one.height, image.height),
        ),
    )


def _label(
    canvas: np.ndarray,
    text: str,
    corner: tuple[int, int],
    color: list[float],
    white: float,
    side: int,
) -> None:
    """The name on a bar of the box's colour, above the box or within it."""
    size = max(0.35, side / 1600)
    thin = max(1, round(side / 900))
    shown = text.encode("ascii", "replace").decode()  # the font has no more
    (width, height), below = cv2.getTextSize(shown, _FONT, size, thin)
    left = max(0, min(corner[0], canvas.shape[1] - width))
    bottom = corner[1] if corner[1] > height + below else corner[1] + height + below
    cv2.rectangle(
        canvas, (left, bottom - height - below), (left + width, bottom), color, -1
    )
    at = (left, bottom - below // 2 - 1)
    luma = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]
    ink = [0.0] * 3 if luma > white / 2 else [white] * 3
    cv2.putText(canvas, shown, at, _FONT, size, ink, thin, cv2.LINE_AA)
