"""From pictures to what a network takes, and back.

A picture is an array of pixels: unsigned integers from 0 to the largest value
of their type, or floats with a stated white. A network takes float32 batches
in its own range, colour order and normalisation (``[net]``, see
:class:`zoo.net_section.PixelFormat`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoo.errors import ShapeError
from zoo.net_section import PixelFormat

__all__ = [
    "Picture",
    "as_batch",
    "prepare",
    "quantize",
    "restore",
    "target",
    "unbatched",
    "white_of",
]

_BLOCK = 1 << 18  # values rounded at a time


class Picture(NamedTuple):
    """What :func:`restore` must know of the picture that went in."""

    ndim: int
    dtype: np.dtype[Any]
    white: float
    is_gray: bool


def white_of(dtype: DTypeLike) -> float:
    """The pixel value of white: the largest of an integer type, 1.0 of a float.

    Raises
    ------
    ShapeError
        For a type that is no pixel: signed, boolean, complex.
    """
    kind = np.dtype(dtype)
    if kind.kind == "u":
        return float(np.iinfo(kind).max)
    if kind.kind == "f":
        return 1.0
    raise ShapeError(
        f"pixels of type {kind} are not understood; use uint8, uint16 or floats"
    )


def prepare(
    image: NDArray[Any], pixels: PixelFormat, white: float | None = None
) -> tuple[NDArray[np.float32], Picture]:
    """Turn a picture, or a batch of them, into a network's input.

    Parameters
    ----------
    image : ndarray, H x W, H x W x C or N x H x W x C
        C is 1 or what the network takes; a gray picture is replicated for a
        colour network. Colour is in the order R, G, B.
    pixels : PixelFormat
        What the network expects.
    white : float, optional
        The pixel value of white; by default that of the type (1.0 for floats).

    Returns
    -------
    x : ndarray, float32, N x H x W x C
    picture : Picture
        For :func:`restore`.

    Raises
    ------
    ShapeError
        If the array is no picture that this network can take.
    """
    batch, picture = as_batch(image, pixels, white)
    white, is_gray = picture.white, picture.is_gray
    if pixels.color == "bgr" and not is_gray:
        batch = batch[..., ::-1]
    x = np.ascontiguousarray(batch, dtype=np.float32)
    if is_gray:
        x = np.repeat(x, pixels.channels, axis=3)
    elif np.shares_memory(x, batch):
        x = x.copy()
    if pixels.range != white:
        x *= np.float32(pixels.range / white)
    if any(pixels.mean):
        x -= np.asarray(pixels.mean, np.float32)
    if any(value != 1 for value in pixels.std):
        x /= np.asarray(pixels.std, np.float32)
    return x, picture


def as_batch(
    image: NDArray[Any], pixels: PixelFormat, white: float | None = None
) -> tuple[NDArray[Any], Picture]:
    """View a picture as a batch and check that a network can take it.

    Parameters and errors are those of :func:`prepare`.

    Returns
    -------
    batch : ndarray, N x H x W x C
        The same pixels; C is 1 for gray.
    picture : Picture
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3, 4) or image.size == 0:
        raise ShapeError(
            f"an array of shape {image.shape} is no picture; "
            f"give H x W, H x W x C or N x H x W x C, none of them 0"
        )
    white = white_of(image.dtype) if white is None else float(white)
    if not white > 0:
        raise ShapeError(f"the value of white is {white}; it must be above 0")
    batch = image
    if image.ndim == 2:
        batch = image[None, :, :, None]
    elif image.ndim == 3:
        batch = image[None]
    channels = batch.shape[3]
    is_gray = channels == 1 and pixels.channels == 3 and pixels.color != "any"
    if channels != pixels.channels and not is_gray:
        hint = "; convert to RGB and treat alpha apart" if channels in (2, 4) else ""
        raise ShapeError(
            f"the picture has {channels} channels and the network takes "
            f"{pixels.channels}{hint}"
        )
    return batch, Picture(image.ndim, image.dtype, white, is_gray)


def restore(
    y: NDArray[np.float32],
    pixels: PixelFormat,
    picture: Picture,
    *,
    as_float: bool = False,
) -> NDArray[Any]:
    """Turn a network's output into a picture of the kind that went in.

    Parameters
    ----------
    y : ndarray, float32, N x H x W x C
        The output of the last layer; may be changed.
    pixels : PixelFormat
    picture : Picture
        From :func:`prepare`.
    as_float : bool
        Keep float32 in the units of the pixels, neither rounded nor clipped.

    Returns
    -------
    ndarray
        Integer pixels are rounded (halves to even) and clipped; floats are
        neither. Gray comes back as the mean of the channels.
    """
    y = np.require(y, np.float32, ("W",))  # in place, for large pictures
    if pixels.denormalize:
        if any(value != 1 for value in pixels.std):
            y *= np.asarray(pixels.std, np.float32)
        if any(pixels.mean):
            y += np.asarray(pixels.mean, np.float32)
    if pixels.range != picture.white:
        y *= np.float32(picture.white / pixels.range)
    if pixels.color == "bgr" and y.shape[3] == 3:
        y = y[..., ::-1]
    if picture.is_gray:
        y = y.mean(axis=3, keepdims=True)
    y = unbatched(y, picture)
    if as_float:
        return np.ascontiguousarray(y, dtype=np.float32)
    return quantize(y, picture.dtype)


def unbatched(y: NDArray[Any], picture: Picture) -> NDArray[Any]:
    """The result N x H x W x C with the axes that the picture had."""
    if picture.ndim == 2:
        return y[0, :, :, 0] if y.shape[3] == 1 else y[0]
    return y[0] if picture.ndim == 3 else y


def quantize(values: NDArray[np.float32], dtype: DTypeLike) -> NDArray[Any]:
    """Values in the units of pixels as pixels of a type.

    Parameters
    ----------
    values : ndarray, float32
    dtype : data type
        Integers are rounded (halves to even) and clipped to the type's range;
        floats are neither.
    """
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.ascontiguousarray(values, dtype=kind)
    limits = np.iinfo(kind)
    result = np.empty(values.shape, kind)
    # A few rows at a time: a whole picture of floats more would be as large as
    # everything else together.
    rows = values.reshape(-1, *values.shape[-2:]) if values.ndim > 2 else values
    target = result.reshape(rows.shape)
    step = max(1, _BLOCK // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        part = np.rint(rows[start : start + step])
        np.clip(part, limits.min, limits.max, out=part)
        target[start : start + step] = part
    return result


def target(
    image: NDArray[Any], pixels: PixelFormat, white: float | None = None
) -> NDArray[np.float32]:
    """Turn pictures that a network should make into what its last layer should give.

    The inverse of :func:`restore`: with ``denormalize`` the mean is subtracted and
    std divided, without it the values are only brought to the network's range.

    Parameters
    ----------
    image : ndarray, N x H x W x C
        R, G, B in this order.
    pixels : PixelFormat
    white : float, optional
        The pixel value of white; by default that of the type.

    Returns
    -------
    ndarray, float32, N x H x W x C
    """
    plain = pixels
    if not pixels.denormalize:
        zeros, ones = (0.0,) * pixels.channels, (1.0,) * pixels.channels
        plain = pixels._replace(mean=zeros, std=ones)
    return prepare(image, plain, white)[0]
