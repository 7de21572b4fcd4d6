"""OpenCV's encoders and decoders: what they complain of is an error."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from tempfile import TemporaryFile
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import DamagedError, ImageError
from zoo.images.image import Image

__all__ = ["checked", "decode", "encode", "examine", "for_opencv", "from_opencv"]

_lock = threading.Lock()
_WARNINGS = 3  # OpenCV's level of logging that tells of them
_MOST_HEARD = 1 << 16
# How decoders begin a line on something that is wrong.
_COMPLAINTS = (
    "Corrupt JPEG data",
    "Premature end of JPEG",
    "Inconsistent progression sequence",
    "Invalid SOS parameters",
    "Invalid progressive",
    "Bogus",
    "Unsupported",
    "Huffman",
    "Application transferred",
    "libpng error",
    "OpenJPEG",
    "libpng warning: IDAT",
)
_HARMLESS = (
    "libpng warning: IDAT: Extra compressed data",
    "libpng warning: IDAT: Too much image data",
)
_LOGGED = re.compile(r"\[ERROR.*errorLogCallback OpenJPEG2000: (.*)")
_PADDING = re.compile(
    r"Corrupt JPEG data: (\d{1,4}) extraneous bytes before marker 0xd9"
)


def decode(data: bytes, *, damaged: bool = False) -> tuple[NDArray[Any], str]:
    """Decode a picture as it is stored: no turning, no change of type.

    Parameters
    ----------
    data : bytes
    damaged : bool
        Take what there is of a damaged one.

    Returns
    -------
    pixels : ndarray, H x W or H x W x (3 or 4)
        In OpenCV's order B, G, R, A.
    fault : str
        What is wrong with it; empty unless ``damaged``.

    Raises
    ------
    DamagedError
        If the decoder says that something is wrong.
    ImageError
        If OpenCV cannot decode it at all.
    """
    pixels, complaint = examine(data)
    if complaint and not damaged:
        raise DamagedError(f"is damaged: {complaint}")
    return pixels, complaint


def examine(data: bytes) -> tuple[NDArray[Any], str]:
    """Decode a picture, and return beside it what its decoder complains of.

    Raises
    ------
    ImageError
        If OpenCV cannot decode it at all.
    """
    with _heard() as heard:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if "CV_IO_MAX" in str(error):
                raise ImageError(
                    "has more pixels than OpenCV decodes "
                    "(OPENCV_IO_MAX_IMAGE_PIXELS sets how many)"
                ) from None
            pixels = None
    complaint = _complaint(data, heard)
    if pixels is None or pixels.size == 0:
        reason = f" ({complaint})" if complaint else ""
        raise ImageError(
            f"is damaged, or stored in a way that OpenCV cannot decode{reason}"
        )
    return pixels, complaint


def _complaint(data: bytes, heard: list[str]) -> str:
    """The first line of a decoder that means damage; empty if there is none."""
    for line in map(_without_place, heard):
        if line.startswith(_HARMLESS) or not line.startswith(_COMPLAINTS):
            continue
        padding = _PADDING.match(line)
        if padding is not None and _is_padded(data, int(padding[1])):
            continue
        return line.rstrip(".")
    return ""


def _without_place(line: str) -> str:
    """What OpenCV logs as an error, without where in OpenCV it is logged."""
    match = _LOGGED.match(line)
    return f"OpenJPEG: {match[1]}" if match is not None else line


def _is_padded(data: bytes, count: int) -> bool:
    """Whether so many equal bytes, which no decoder needs, stand before the end."""
    end = data.rfind(b"\xff\xd9")
    return end > count and len(set(data[end - count : end])) == 1


def encode(suffix: str, pixels: NDArray[Any], options: Sequence[int]) -> bytes:
    """Encode pixels in OpenCV's order; ``options`` are pairs of flag and value.

    Raises
    ------
    ImageError
        If OpenCV cannot.
    """
    with _heard():
        try:
            done, data = cv2.imencode(suffix, pixels, list(options))
        except cv2.error:
            done = False
    if not done:
        height, width = pixels.shape[:2]
        raise ImageError(f"OpenCV cannot make a {suffix[1:]} file of {width}x{height}")
    return bytes(data.data)


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Catch what is written to file descriptor 2; the lines are there afterwards.

    libpng and libjpeg print straight to it, and it is the only way in which they
    tell of damage that they decode over.
    """
    lines: list[str] = []
    with _lock, ExitStack() as stack:
        set_level = getattr(cv2, "setLogLevel", None)
        if set_level is not None:
            stack.callback(set_level, set_level(_WARNINGS))
        with suppress(OSError, ValueError, AttributeError):  # there is no stderr
            sys.stderr.flush()
        file = stack.enter_context(TemporaryFile())
        try:
            saved = os.dup(2)
        except OSError:  # it is closed
            saved = None
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            if saved is None:
                os.close(2)
            else:
                os.dup2(saved, 2)
                os.close(saved)
            file.seek(0)
            text = file.read(_MOST_HEARD).decode("utf-8", "replace")
            lines += text.splitlines()


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
