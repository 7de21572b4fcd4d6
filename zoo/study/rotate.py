"""Rotations about the middle of a slice."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Interpolation", "rotated"]

Interpolation = Literal["cubic", "linear"]
_FLAGS = {"cubic": cv2.INTER_CUBIC, "linear": cv2.INTER_LINEAR}


def rotated(
    image: NDArray[np.float32], angle: float, how: Interpolation = "cubic"
) -> NDArray[np.float32]:
    """Turn a slice anticlockwise about ((w - 1) / 2, (h - 1) / 2); outside is 0.

    Parameters
    ----------
    image : ndarray, float32, H x W or H x W x C
    angle : float
        Degrees; 0 gives the slice itself.
    how : {"cubic", "linear"}
        OpenCV's interpolation.
    """
    if angle % 360 == 0:
        return image
    height, width = image.shape[:2]
    center = ((width - 1) / 2, (height - 1) / 2)
    matrix = cv2.getRotationMatrix2D(center, angle, 1.0)
    turned = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=_FLAGS[how],
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return np.asarray(turned, np.float32).reshape(image.shape)
