"""OpenCV's encoders and decoders, quiet and with one kind of error."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images.image import Image

__all__ = ["checked", "decode", "encode", "for_opencv", "from_opencv"]

_lock = threading.Lock()


def decode(data: bytes) -> NDArray[Any]:
    """Decode a picture as it is stored: no turning, no change of type.

    Returns
    -------
    ndarray, H x W or H x W x (3 or 4)
        In OpenCV's order B, G, R, A.

    Raises
    ------
    ImageError
        If OpenCV cannot.
    """
    with _quiet():
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if "CV_IO_MAX" in str(error):
                raise ImageError(
                    "has more pixels than OpenCV decodes "
                    "(OPENCV_IO_MAX_IMAGE_PIXELS sets how many)"
                ) from None
            pixels = None
    if pixels is None or pixels.size == 0:
        raise ImageError("is damaged, or stored in a way that OpenCV cannot decode")
    return pixels


def encode(suffix: str, pixels: NDArray[Any], options: Sequence[int]) -> bytes:
    """Encode pixels in OpenCV's order; ``options`` are pairs of flag and value.

    Raises
    ------
    ImageError
        If OpenCV cannot.
    """
    with _quiet():
        try:
            done, data = cv2.imencode(suffix, pixels, list(options))
        except cv2.error:
            done = False
    if not done:
        height, width = pixels.shape[:2]
        raise ImageError(f"OpenCV cannot make a {suffix[1:]} file of {width}x{height}")
    return bytes(data.data)


@contextmanager
def _quiet() -> Iterator[None]:
    """Send file descriptor 2 nowhere.

    libpng, libjpeg and libtiff print straight to it. What they say of a damaged
    file is noise: the caller says it in one sentence.
    """
    with _lock:
        try:
            sys.stderr.flush()
            saved = os.dup(2)
        except (OSError, ValueError, AttributeError):  # there is no stderr
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def checked(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Make sure that the decoder found what the header says."""
    if pixels.shape[:2] != (height, width):
        raise ImageError("is damaged: its header and its pixels differ in size")
    if pixels.dtype.name not in ("uint8", "uint16", "float32"):
        raise ImageError(
            f"holds {pixels.dtype} pixels; convert it to uint16 or float32"
        )
    return pixels


def from_opencv(pixels: NDArray[Any], *, is_gray: bool = False) -> Image:
    """Split what OpenCV decodes, in the order B, G, R, A, into colour and alpha."""
    if pixels.ndim == 2:
        return Image(pixels[..., None])
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in (2, 4) else None
    if channels == 2 or is_gray:
        return Image(np.ascontiguousarray(pixels[..., :1]), alpha)
    return Image(np.ascontiguousarray(pixels[..., 2::-1]), alpha)


def for_opencv(image: Image, minimum: int = 1) -> NDArray[Any]:
    """The picture in OpenCV's order, gray replicated to ``minimum`` channels."""
    color = image.pixels[..., ::-1]
    if image.is_gray and minimum == 3:
        color = np.repeat(color, 3, axis=2)
    if image.alpha is not None:
        color = np.dstack([color, image.alpha])
    return np.ascontiguousarray(color)
