"""Bicubic resizing that equals MATLAB's ``imresize``.

Low-resolution pictures of the super-resolution literature are made by it, and
other libraries' bicubic is another: OpenCV has a = -0.75 and does not smooth before
it shrinks, Pillow rounds differently.

MATLAB's own border has changed: older releases, with which the low-resolution
Set5 and Set14 were made, repeat the edge pixel, newer ones mirror the image. Only
the outermost row or two of pixels differ.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError

__all__ = ["Border", "imresize"]

Border = Literal["edge", "symmetric"]

_A = -0.5  # Keys' parameter
_SUPPORT = 4.0  # input pixels, when enlarging
_BLOCK = 1 << 16  # values worked on at a time, so that they stay in cache


def imresize(
    image: NDArray[Any],
    scale: float | None = None,
    *,
    size: tuple[int, int] | None = None,
    antialias: bool = True,
    border: Border = "edge",
) -> NDArray[Any]:
    """Resize by the bicubic filter of Keys (1981), as MATLAB does.

    Output pixel o of one axis lies at u = (o + 1/2) / s - 1/2 of the input and is
    sum_k h(u - k) x[k] / sum_k h(u - k), with h the cubic convolution kernel for
    a = -1/2; when s < 1 and ``antialias``, h(t) is replaced by s h(s t), which is
    1/s times as wide. The axis that shrinks more goes first, and an image of integers
    is rounded (halves away from zero) and clipped after each axis.

    Parameters
    ----------
    image : ndarray, H x W or H x W x C
        uint8, uint16 or another integer or floating type.
    scale : float, optional
        Factor s of both axes; the output has ceil(s H) x ceil(s W) pixels.
    size : tuple of int, optional
        Height and width of the output, in place of ``scale``.
    antialias : bool
        Whether to smooth when shrinking.
    border : {"edge", "symmetric"}
        What lies beyond the edge: the edge pixel again (older MATLAB, the published
        benchmark pictures) or the mirrored image, edge pixel included (newer).

    Returns
    -------
    ndarray, of the input's dtype
        Floating-point results are neither rounded nor clipped.

    Raises
    ------
    ShapeError
        If the array is no image.
    UsageError
        If neither or both of scale and size are given, or are not positive, or the
        border is unknown.
    """
    if border not in ("edge", "symmetric"):
        raise UsageError(f"the border {border!r} is neither edge nor symmetric")
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(
            f"a picture is H x W or H x W x C, not {' x '.join(map(str, image.shape))}"
        )
    if image.dtype.kind not in "uif":
        raise UsageError(f"a picture of type {image.dtype} cannot be resized")
    lengths, scales = _target(image.shape[:2], scale, size)
    for axis in sorted((0, 1), key=lambda axis: scales[axis]):
        taps = _taps(lengths[axis], scales[axis], antialias)
        if border == "edge":
            indices = np.clip(taps.indices, 0, image.shape[axis] - 1)
        else:
            indices = _mirrored(taps.indices, image.shape[axis])
        image = _along(image, axis, _Taps(indices, taps.weights))
    return np.ascontiguousarray(image)


def _target(
    shape: tuple[int, ...], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Lengths and scales of both axes."""
    if (scale is None) == (size is None):
        raise UsageError("give either the scale or the size to resize to")
    if size is not None:
        if len(size) != 2 or min(size) < 1:
            raise UsageError(f"the size {size} is not two positive numbers")
        return tuple(size), tuple(
            new / old for new, old in zip(size, shape, strict=True)
        )
    assert scale is not None
    if not 0 < scale < math.inf:
        raise UsageError(f"the scale {scale} is not a positive number")
    if scale * max(shape) < 1:
        raise UsageError(
            f"the scale {scale} leaves nothing of {' x '.join(map(str, shape))} pixels"
        )
    return tuple(math.ceil(scale * length) for length in shape), (scale, scale)


class _Taps(NamedTuple):
    """Sparse matrix of one axis: output x taps."""

    indices: NDArray[np.intp]
    weights: NDArray[np.float64]


def _taps(new_length: int, scale: float, antialias: bool) -> _Taps:
    """Which input pixels, also beyond the edge, make each output pixel, and how."""
    squeeze = scale if antialias and scale < 1 else 1.0
    support = _SUPPORT / squeeze
    centers = (np.arange(new_length) + 0.5) / scale - 0.5
    first = np.floor(centers - support / 2)
    indices = first[:, None] + np.arange(math.ceil(support) + 2)
    weights = _cubic(squeeze * (centers[:, None] - indices))
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return _Taps(indices[:, used].astype(np.intp), weights[:, used])


def _mirrored(indices: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Places beyond the edge brought inside: 0 1 2 | 2 1 0 | 0 1 2 ..."""
    indices = indices % (2 * length)
    return np.minimum(indices, 2 * length - 1 - indices)


def _cubic(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel."""
    t = np.abs(t)
    inner = ((_A + 2) * t - (_A + 3)) * t * t + 1
    outer = ((_A * t - 5 * _A) * t + 8 * _A) * t - 4 * _A
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))


def _along(image: NDArray[Any], axis: int, taps: _Taps) -> NDArray[Any]:
    """Resize one axis."""
    rows = np.ascontiguousarray(np.moveaxis(image, axis, 0))
    flat = rows.reshape(len(rows), -1)
    indices, weights = taps
    output = np.empty((len(indices), flat.shape[1]), image.dtype)
    step = max(1, _BLOCK // flat.shape[1])
    for start in range(0, len(output), step):
        block = slice(start, start + step)
        total = np.zeros((len(indices[block]), flat.shape[1]))
        for tap in range(indices.shape[1]):
            total += weights[block, tap, None] * flat[indices[block, tap]]
        output[block] = _as_type(total, image.dtype)
    shape = (len(output), *rows.shape[1:])
    return np.moveaxis(output.reshape(shape), 0, axis)


def _as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert as MATLAB does: integers rounded, halves away from zero, clipped."""
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    rounded = np.copysign(np.floor(np.abs(values) + 0.5), values)
    return np.clip(rounded, limits.min, limits.max).astype(dtype)
