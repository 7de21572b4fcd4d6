"""From pictures to what a network takes, and back.

A picture is an array of pixels: unsigned integers from 0 to the largest value
of their type, or floats with a stated white. A network takes float32 batches
in its own range, colour order and normalisation (``[net]``, see
:class:`zoo.net_section.PixelFormat`).
"""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoo.errors import ShapeError
from zoo.net_section import PixelFormat

__all__ = [
    "NonFinite",
    "Picture",
    "as_batch",
    "beyond_white",
    "finite",
    "prepare",
    "quantize",
    "restore",
    "target",
    "unbatched",
    "white_of",
]

_BLOCK = 1 << 18  # values rounded at a time
_FAR = 16.0
_LARGEST = float(np.finfo(np.float32).max)

NonFinite = Literal["refuse", "keep"]
"""What becomes of NaN and infinity: an error, or NaN in the enlarged pixel alone."""


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
        For a type that is no pixel: signed, boolean, complex, text, objects.
    """
    kind = np.dtype(dtype)
    if kind.kind == "u":
        return float(np.iinfo(kind).max)
    if kind.kind == "f":
        return 1.0
    hint = "use uint8, uint16 or floats"
    if kind.kind == "i":
        hint += ", or say which value is white (white=...)"
    elif kind.kind == "b":
        hint += " (a mask: image.astype('uint8') * 255)"
    raise ShapeError(f"pixels of type {kind} are not understood; {hint}")


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
    if image is None or isinstance(image, str | os.PathLike):
        what = "None" if image is None else f"the name {str(image)!r}"
        raise ShapeError(
            f"{what} is no picture; give the pixels of a file, as in "
            f"zoo.images.read(name).pixels"
        )
    # np.ma takes a while to import, and an array that is no subclass needs none of it.
    if type(image) is not np.ndarray and np.ma.is_masked(image):
        raise ShapeError(
            "the array has masked pixels, which a network cannot leave out; fill them "
            "first (image.filled(value))"
        )
    try:
        image = np.asarray(image)
    except ValueError as error:  # lists of several lengths
        raise ShapeError(f"this is no array of pixels: {error}") from None
    if image.ndim not in (2, 3, 4) or image.size == 0:
        raise ShapeError(
            f"an array of shape {image.shape} is no picture; "
            f"give H x W, H x W x C or N x H x W x C, none of them 0"
        )
    if white is None or image.dtype.kind not in "uif":
        white = white_of(image.dtype)
    white = float(white)
    if not 0 < white <= _LARGEST:
        raise ShapeError(
            f"the value of white is {white}; it must be above 0 and no more than "
            f"float32 can hold"
        )
    batch = image
    if image.ndim == 2:
        batch = image[None, :, :, None]
    elif image.ndim == 3:
        batch = image[None]
    channels = batch.shape[3]
    is_gray = channels == 1 and pixels.channels == 3 and pixels.color != "any"
    if channels != pixels.channels and not is_gray:
        raise ShapeError(
            f"the picture has {channels} channels and the network takes "
            f"{pixels.channels}{_hint(image.shape, pixels.channels)}"
        )
    native = image.dtype.newbyteorder("=")
    if image.dtype != native:
        batch = batch.astype(native)
    return batch, Picture(image.ndim, image.dtype, white, is_gray)


def _hint(shape: tuple[int, ...], channels: int) -> str:
    """What may be meant by an array whose last axis is not the channels."""
    if shape[-1] in (2, 4):
        return "; convert to RGB and treat alpha apart"
    size = " x ".join(map(str, shape))
    if len(shape) == 4 and shape[1] in (1, channels):
        return (
            f"; {size} looks like N x C x H x W, and N x H x W x C is expected: "
            f"np.moveaxis(images, 1, 3)"
        )
    if len(shape) == 3 and shape[0] in (1, channels):
        return (
            f"; {size} looks like C x H x W, and H x W x C is expected: "
            f"np.moveaxis(image, 0, 2)"
        )
    if len(shape) == 3:
        return (
            f"; if {size} are N gray pictures, N x H x W x 1 is expected: "
            f"images[..., None]"
        )
    return ""


def beyond_white(pixels: NDArray[Any]) -> float | None:
    """The largest value of float pixels that lie far above a white of 1.0, or None.

    Sixteen times white is rare in pictures; 255 means that white is something else.
    """
    if pixels.dtype.kind != "f" or pixels.size == 0:
        return None
    most = float(pixels.max())
    return most if _FAR < most <= _LARGEST else None


def finite(
    batch: NDArray[Any], how: NonFinite = "refuse"
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Pixels that a network can take, and where there were none.

    Parameters
    ----------
    batch : ndarray, N x H x W x C
    how : {"refuse", "keep"}
        With "keep" a pixel that is NaN or infinite in any channel, or too large for
        float32, takes the values of the nearest one that is not, so that it does not
        spread over the network's receptive field.

    Returns
    -------
    batch : ndarray
        A copy if something was replaced, else the same.
    bad : ndarray, bool, N x H x W, or None
        Where something was replaced; None if nowhere.

    Raises
    ------
    ShapeError
        If there are such pixels and they are to be refused.
    """
    if batch.dtype.kind != "f" or _all_finite(batch):
        return batch, None
    limit = _LARGEST if batch.dtype.itemsize > 2 else np.inf
    bad = ~(np.isfinite(batch) & (np.abs(batch) <= limit)).all(axis=3)
    if how == "refuse":
        raise ShapeError(
            f"{int(bad.sum())} pixels are NaN, infinite or beyond float32, and the "
            f"network would spread them; replace them first, or keep them where they "
            f"are (nan='keep')"
        )
    filled = batch.copy()
    for image, hidden in zip(filled, bad, strict=True):
        fill_nearest(image, hidden)
    return filled, bad


def _all_finite(batch: NDArray[Any]) -> bool:
    # NaN and infinity come through a maximum: no array of truth values is needed.
    with np.errstate(invalid="ignore"):
        extremes = float(batch.min()), float(batch.max())
    return all(abs(value) <= _LARGEST for value in extremes)


def fill_nearest(image: NDArray[Any], hidden: NDArray[np.bool_]) -> None:
    """Give hidden pixels the values of the nearest that is not, in place.

    Parameters
    ----------
    image : ndarray, H x W x C
        Where all pixels are hidden they become 0.
    hidden : ndarray, bool, H x W
    """
    import cv2

    if not hidden.any():
        return
    if hidden.all():
        image[...] = 0
        return
    _, labels = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    # Every visible pixel has a label of its own; hidden ones that of the nearest.
    visible = np.flatnonzero(~hidden)
    owner = np.zeros(labels.max() + 1, np.intp)
    owner[labels.ravel()[visible]] = visible
    rows, columns = np.unravel_index(owner[labels[hidden]], hidden.shape)
    image[hidden] = image[rows, columns]


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
        return _as_floats(values, kind)
    limits = np.iinfo(kind)
    # float32 cannot tell the last integers of 32 bits apart, nor float64 those of 64.
    exact = np.float32 if kind.itemsize < 4 else np.float64
    result = np.empty(values.shape, kind)
    # A few rows at a time: a whole picture of floats more would be as large as
    # everything else together.
    rows = values.reshape(-1, *values.shape[-2:]) if values.ndim > 2 else values
    target = result.reshape(rows.shape)
    step = max(1, _BLOCK // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        part = np.rint(rows[start : start + step], dtype=exact)
        inside = np.clip(part, limits.min, limits.max)
        if kind.itemsize < 8:
            target[start : start + step] = inside
        else:  # the limits of 64 bits are no floats: 2**64 would become 0
            above = inside >= float(limits.max)
            inside[above] = 0
            target[start : start + step] = inside
            target[start : start + step][above] = limits.max
    return result


def _as_floats(values: NDArray[np.float32], kind: np.dtype[Any]) -> NDArray[Any]:
    if kind.itemsize == 2:
        largest = float(np.finfo(kind).max)
        peak = max(abs(float(values.min())), abs(float(values.max())))
        if largest < peak < np.inf:
            raise ShapeError(
                f"the result reaches {peak:.6g} and {kind.name} ends at {largest:.6g}; "
                f"give float32"
            )
    return np.ascontiguousarray(values, dtype=kind)


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
