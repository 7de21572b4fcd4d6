"""From a file's bytes to a picture."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.images import bmp, codec, exif, jpeg, png, tiff, webp
from zoo.images.formats import sniff
from zoo.images.image import Image, Metadata

__all__ = ["MAX_PIXELS", "decode", "read"]

MAX_PIXELS = 2**29
"""Largest number of pixels that is decoded, unless ``ZOO_MAX_PIXELS`` says more.

A file of a few kilobytes can claim any size; its header is looked at first.
"""


def read(path: str | Path) -> Image:
    """Read a picture.

    Parameters
    ----------
    path : str or Path
        A file, or ``-`` for standard input.

    Returns
    -------
    Image
        Upright: an orientation that the file states has been applied once, and
        is 1 in the metadata.

    Raises
    ------
    ImageError
        In one sentence, whatever is wrong with the file.
    """
    name = "standard input" if str(path) == "-" else str(path)
    return decode(_bytes_of(path, name), name)


def decode(data: bytes, name: str = "the picture") -> Image:
    """Make a picture of the bytes of a PNG, JPEG, WebP, TIFF or BMP file.

    Palettes become RGB, or RGB with alpha; single bits become 8-bit gray;
    float64 and float16 become float32; colour that was multiplied by alpha is
    divided by it.

    Parameters
    ----------
    data : bytes
    name : str
        For messages.

    Raises
    ------
    ImageError
        If they are truncated, damaged, animated, in several pages, CMYK, or not
        a picture at all.
    """
    if not data:
        raise ImageError(f"{name} is empty")
    kind = sniff(data)
    if kind is None:
        raise ImageError(
            f"{name} is no picture that zoo reads (PNG, JPEG, WebP, TIFF or BMP)"
        )
    try:
        image, orientation = _DECODERS[kind](data)
    except ImageError as error:
        raise ImageError(f"{name} {error}") from None
    return _upright(image, orientation)


def _bytes_of(path: str | Path, name: str) -> bytes:
    """All bytes of a file or of standard input."""
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name} is a folder, not a picture")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise ImageError(f"{name} is a device, not a picture")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{name} does not exist") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name} cannot be read: {reason}") from None


def _check_size(width: int, height: int) -> None:
    """Refuse no pixels at all, and more than the limit."""
    if width < 1 or height < 1:
        raise ImageError("is damaged: it has no pixels")
    limit = MAX_PIXELS
    text = os.environ.get("ZOO_MAX_PIXELS", "")
    if text.isdecimal():
        limit = int(text)
    if width * height > limit:
        raise ImageError(
            f"has {width}x{height} pixels, above the limit of {limit} "
            f"(ZOO_MAX_PIXELS sets it)"
        )


def _png(data: bytes) -> tuple[Image, int]:
    header = png.read_header(data)
    _check_size(header.width, header.height)
    pixels = _checked(codec.decode(data), header.width, header.height)
    if header.gray_key is not None and pixels.ndim == 2:
        # OpenCV does not see this kind of transparency.
        alpha = png.gray_alpha(pixels, header.gray_key, header.depth)
        pixels = np.dstack([pixels, alpha])
    image = _from_opencv(pixels, is_gray=header.color in (0, 4))
    meta = png.metadata(data)
    return replace(image, format="png", metadata=meta), exif.orientation(meta.exif)


def _jpg(data: bytes) -> tuple[Image, int]:
    header = jpeg.read_header(data)
    _check_size(header.width, header.height)
    pixels = _checked(codec.decode(data), header.width, header.height)
    image = _from_opencv(pixels)
    meta = jpeg.metadata(data)
    image = replace(image, format="jpg", is_lossless=False, metadata=meta)
    return image, exif.orientation(meta.exif)


def _webp(data: bytes) -> tuple[Image, int]:
    header = webp.read_header(data)
    _check_size(header.width, header.height)
    pixels = _checked(codec.decode(data), header.width, header.height)
    image = _from_opencv(pixels)
    meta = webp.metadata(data)
    image = replace(image, format="webp", is_lossless=header.is_lossless, metadata=meta)
    return image, exif.orientation(meta.exif)


def _bmp(data: bytes) -> tuple[Image, int]:
    header = bmp.read_header(data)
    _check_size(header.width, header.height)
    pixels = _checked(codec.decode(data), header.width, header.height)
    return replace(_from_opencv(pixels), format="bmp", metadata=bmp.metadata(data)), 1


def _tiff(data: bytes) -> tuple[Image, int]:
    page = tiff.read_page(data)
    _check_size(page.width, page.height)
    stored = tiff.decode(page)
    if stored is not None:
        image = _from_planes(stored, page.colors)
    else:
        pixels = codec.decode(tiff.for_opencv(page))
        image = _from_opencv(_checked(pixels, page.width, page.height))
        if page.has_alpha and image.alpha is None:
            raise ImageError(
                "has transparency stored in a way that zoo cannot read; save it as PNG"
            )
    if page.is_multiplied and image.alpha is not None:
        image = replace(image, pixels=tiff.unmultiply(image.pixels, image.alpha))
    image = replace(image, format="tiff", metadata=tiff.metadata(page))
    return image, page.orientation


_DECODERS = {"png": _png, "jpg": _jpg, "webp": _webp, "bmp": _bmp, "tiff": _tiff}


def _checked(pixels: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """Make sure that the decoder found what the header says."""
    if pixels.shape[:2] != (height, width):
        raise ImageError("is damaged: its header and its pixels differ in size")
    if pixels.dtype.name not in ("uint8", "uint16"):
        raise ImageError(
            f"holds {pixels.dtype} pixels; convert it to uint16 or float32"
        )
    return pixels


def _from_opencv(pixels: NDArray[Any], *, is_gray: bool = False) -> Image:
    """Split what OpenCV decodes, in the order B, G, R, A, into colour and alpha."""
    if pixels.ndim == 2:
        return Image(pixels[..., None])
    channels = pixels.shape[2]
    alpha = np.ascontiguousarray(pixels[..., -1]) if channels in (2, 4) else None
    if channels == 2 or is_gray:
        return Image(np.ascontiguousarray(pixels[..., :1]), alpha)
    return Image(np.ascontiguousarray(pixels[..., 2::-1]), alpha)


def _from_planes(stored: NDArray[Any], colors: int) -> Image:
    """Split stored channels, in the order R, G, B, A, into colour and alpha."""
    alpha = None
    if stored.shape[2] > colors:
        alpha = np.ascontiguousarray(stored[..., colors])
    return Image(np.ascontiguousarray(stored[..., :colors]), alpha)


def _upright(image: Image, orientation: int) -> Image:
    """Apply an orientation, and say in the metadata that it was applied."""
    pixels = exif.orient(image.pixels, orientation)
    alpha = None if image.alpha is None else exif.orient(image.alpha, orientation)
    old = image.metadata
    dpi = old.dpi
    if dpi is not None and orientation >= 5:
        dpi = (dpi[1], dpi[0])
    height, width = pixels.shape[:2]
    meta: Metadata = replace(old, exif=exif.update(old.exif, height, width), dpi=dpi)
    return replace(image, pixels=pixels, alpha=alpha, metadata=meta)
