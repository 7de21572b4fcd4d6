"""From a picture to a file's bytes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.images import bmp, codec, exif, jpeg, png, tiff_writer, webp
from zoo.images.formats import FORMATS, check_fits, format_of
from zoo.images.image import Image, Metadata

__all__ = ["DEFAULT_QUALITY", "encode", "write"]

DEFAULT_QUALITY = 95
"""Of JPEG and lossy WebP, from 1 to 100."""

_PNG_LEVEL = 4
_FULL_CHROMA_QUALITY = 90
_WEBP_LOSSLESS = 101  # OpenCV's way to ask for it


def write(
    path: str | Path,
    image: Image,
    *,
    format: str | None = None,
    quality: int | None = None,
) -> None:
    """Write a picture; the file appears whole or not at all.

    Parameters
    ----------
    path : str or Path
        Replaced if it exists; ``-`` is standard output.
    image : Image
    format : str, optional
        By default what the ending of ``path`` says, else ``image.format``.
    quality : int, optional
        See :func:`encode`.

    Raises
    ------
    ImageError
        If the format cannot hold the picture.
    ZooError
        If the file cannot be written.
    """
    data = encode(image, format or format_of(path) or image.format, quality=quality)
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    with atomic_write(path) as file:
        file.write(data)


def encode(image: Image, format: str, *, quality: int | None = None) -> bytes:
    """Make the bytes of a file.

    Parameters
    ----------
    image : Image
    format : {"png", "jpg", "webp", "tiff", "bmp"}
    quality : int, 1 to 100, optional
        Of JPEG and WebP. By default 95, and WebP without loss for a picture
        that came from a file without loss.

    Raises
    ------
    ImageError
        If the format cannot hold the picture: type of pixels, transparency, size.
    """
    if format not in FORMATS:
        raise ImageError(f"there is no format {format!r}; choose {', '.join(FORMATS)}")
    check_fits(image, format, image.height, image.width)
    meta = _metadata_of(image)
    if format == "tiff":
        return tiff_writer.encode(_stacked(image), image.alpha is not None, meta)
    if format == "png":
        return png.embed(_png(image), meta)
    if format == "jpg":
        return jpeg.embed(_jpg(image, quality or DEFAULT_QUALITY), meta)
    if format == "webp":
        lossless = image.is_lossless and quality is None
        chosen = _WEBP_LOSSLESS if lossless else quality or DEFAULT_QUALITY
        options = [cv2.IMWRITE_WEBP_QUALITY, chosen]
        if lossless and hasattr(cv2, "IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR"):
            # Keeps the colour of what is transparent; only newer OpenCV can.
            options += [
                cv2.IMWRITE_WEBP_LOSSLESS_MODE,
                cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR,
            ]
        return webp.embed(codec.encode(".webp", _for_opencv(image, 3), options), meta)
    minimum = 1 if image.alpha is None else 3
    return bmp.embed(codec.encode(".bmp", _for_opencv(image, minimum), []), meta)


def _metadata_of(image: Image) -> Metadata:
    """The metadata, made true for the picture as it is now."""
    meta = image.metadata
    icc = meta.icc
    if icc[16:20] not in ((b"GRAY",) if image.is_gray else (b"RGB ",)):
        icc = b""  # a profile of another kind of colour
    return replace(
        meta, exif=exif.update(meta.exif, image.height, image.width), icc=icc
    )


def _stacked(image: Image) -> NDArray[Any]:
    """Colour and alpha in one array, H x W x (1 to 4)."""
    if image.alpha is None:
        return image.pixels
    return np.dstack([image.pixels, image.alpha])


def _for_opencv(image: Image, minimum: int = 1) -> NDArray[Any]:
    """The picture in OpenCV's order, gray replicated to ``minimum`` channels."""
    color = image.pixels[..., ::-1]
    if image.is_gray and minimum == 3:
        color = np.repeat(color, 3, axis=2)
    if image.alpha is not None:
        color = np.dstack([color, image.alpha])
    return np.ascontiguousarray(color)


def _png(image: Image) -> bytes:
    options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL]
    if image.alpha is None or not image.is_gray:
        return codec.encode(".png", _for_opencv(image), options)
    pair = np.dstack([image.pixels, image.alpha]).astype(
        image.dtype.newbyteorder(">"), copy=False
    )
    height, width = image.height, image.width
    # Bytes in the order of the file; see png.retype.
    if image.dtype == np.uint8:
        words = pair.reshape(height, width * 2).view(">u2")
        data = codec.encode(".png", words.astype(np.uint16), options)
        return png.retype(data, 8, 4)
    quads = np.ascontiguousarray(pair).view(np.uint8).reshape(height, width, 4)
    stored = np.ascontiguousarray(quads[..., [2, 1, 0, 3]])
    return png.retype(codec.encode(".png", stored, options), 16, 4)


def _jpg(image: Image, quality: int) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if quality >= _FULL_CHROMA_QUALITY:
        options += [
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ]
    return codec.encode(".jpg", _for_opencv(image), options)
