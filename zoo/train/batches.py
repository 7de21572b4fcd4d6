"""Batches: what a network takes and what it should give, checked and divided."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError
from zoo.layers.base import Array
from zoo.net_section import PixelFormat
from zoo.network import Network
from zoo.pixels import prepare, target, white_of

__all__ = [
    "Pixels",
    "Truth",
    "checked_batch",
    "parts_of",
    "require_pictures",
    "targets",
    "training_arrays",
]

Pixels = NDArray[np.uint8]
Truth = Array | Sequence[Array]

# The luma of zoo.run.pipeline, which gives networks of color=y their pictures.
_LUMA = (0.299, 0.587, 0.114)


def targets(network: Network, x: Array, t: Array) -> Truth:
    """The truth for each output, from that for the largest.

    Smaller outputs learn from means over whole cells of pixels (what resizing by
    area gives); a network with one output from t itself.

    Raises
    ------
    ShapeError
        If an output is no whole part of the truth.
    """
    if len(network.outputs) == 1:
        return t
    shapes = network.shapes_for(x)
    found = []
    for index in network.outputs:
        height, width, channels = shapes[index]
        cell = t.shape[1] // height
        if t.shape[1:] != (height * cell, width * cell, channels):
            raise ShapeError(
                f"{network.where(index)} is an output of {shapes[index]}, which is no "
                f"whole part of the {t.shape[1]}x{t.shape[2]}x{t.shape[3]} that it "
                f"should learn"
            )
        cells = t.reshape(len(t), height, cell, width, cell, channels)
        found.append(t if cell == 1 else cells.mean(axis=(2, 4), dtype=t.dtype))
    return found


def checked_batch(network: Network, x: Array, t: Truth) -> tuple[Array, list[Array]]:
    """An input and the truths for its outputs, contiguous, of the weights' type.

    Raises
    ------
    ShapeError
        If the network cannot learn from these arrays.
    """
    truths = [t] if isinstance(t, np.ndarray) else list(t)
    for truth in truths:
        if x.dtype.kind != "f" or truth.dtype.kind not in "fiub":
            raise ShapeError(
                f"learning takes arrays of float32, not input {x.dtype} and truth "
                f"{truth.dtype}"
            )
    shapes = network.shapes_for(x)
    if not len(x):
        raise ShapeError("there is nothing to learn from a batch of no pictures")
    if len(truths) != len(network.outputs):
        raise ShapeError(
            f"{network.source} has {len(network.outputs)} outputs (layers "
            f"{', '.join(map(str, network.outputs))}) and learns from as many truths, "
            f"not {len(truths)}"
        )
    for index, truth in zip(network.outputs, truths, strict=True):
        expected = (len(x), *shapes[index])
        if truth.shape != expected:
            raise ShapeError(
                f"prediction {expected} and truth {truth.shape} differ in shape"
            )
    kinds = [array.dtype for layer in network for array in layer.parameters.values()]
    kind = np.result_type(*kinds) if kinds else np.dtype(np.float32)
    x = np.ascontiguousarray(x, kind)
    return x, [np.ascontiguousarray(truth, kind) for truth in truths]


def parts_of(count: int, parts: int) -> list[slice]:
    """Cut a batch into nearly equal parts, none of them empty."""
    parts = min(parts, count)
    ends = [number * count // parts for number in range(parts + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def require_pictures(pixels: PixelFormat, source: str = "the network") -> None:
    """Raise UsageError if a network takes no pictures: neither color nor luma."""
    if pixels.channels != 3 and pixels.color != "y":
        raise UsageError(
            f"{source} takes {pixels.channels} channels; training on pictures needs "
            f"three, or one with color=y in [net]"
        )


def training_arrays(
    low: Pixels, high: Pixels, pixels: PixelFormat
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network takes and what it should give, for a batch of patches.

    Parameters
    ----------
    low, high : ndarray, uint8, uint16 or float32, N x P x P x 3, N x rP x rP x 3, RGB
    pixels : PixelFormat
        A network of luma (``color=y``) learns from the luma alone.

    Raises
    ------
    UsageError
        If the network takes no pictures: neither colour nor luma.
    """
    if pixels.color == "y":
        small, large = (np.float32(batch) @ _luma_column() for batch in (low, high))
        white = white_of(high.dtype)
        return prepare(small, pixels, white)[0], target(large, pixels, white)
    require_pictures(pixels)
    return prepare(low, pixels)[0], target(high, pixels)


def _luma_column() -> NDArray[np.float32]:
    return np.array(_LUMA, np.float32)[:, None]
