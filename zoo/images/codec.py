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

__all__ = ["decode", "encode"]

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
