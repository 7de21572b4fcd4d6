"""A drawn picture whose large original is known: how near a network comes to it.

What a trained network makes is nearer than a bilinear filter's result, by some dB; what
it makes with a wrong hyper-parameter, or of pictures in another range, is farther, and
so is what untrained weights make.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError
from zoo.network import Network
from zoo.resize import imresize

__all__ = ["BETTER", "MOST_PARAMETERS", "TRAINED", "drawn_pair", "evaluate", "gain"]

MOST_PARAMETERS: Final = 20_000_000
"""Of a network that is asked; larger ones would take long."""
BETTER: Final = 0.5
"""dB that tell one way from another."""
TRAINED: Final = 0.5
"""dB above a bilinear filter that training achieves."""

_SIDE: Final = 32  # of the small picture
_LARGEST: Final = 160  # and of the large one: features of its size take memory
_BORDER: Final = 2  # small pixels at each side that do not count


def evaluate(network: Network, picture: NDArray[Any]) -> NDArray[np.float32]:
    """Run a network on H x W x C in its own range, without normalisation by hand."""
    pixels = network.pixels
    mean, std = (np.asarray(v, np.float32) for v in (pixels.mean, pixels.std))
    y = network.forward(((picture - mean) / std).astype(np.float32)[None])[0]
    if pixels.denormalize:
        y = y * std[: y.shape[2]] + mean[: y.shape[2]]
    return np.asarray(y, np.float32)


def drawn_pair(
    scale: int, channels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A picture of discs, bars and waves from 0 to 1, large and small.

    Returns
    -------
    tuple of ndarray, H x W x C
        The original, and what the bicubic filter of the benchmarks makes of it.
    """
    small_side = min(_SIDE, _LARGEST // scale)
    side = small_side * scale
    row, column = np.mgrid[:side, :side].astype(np.float32) / scale  # in small pixels
    rng = np.random.default_rng(5)
    picture = np.stack(
        [
            0.3 + 0.4 * column / small_side + 0.05 * c * row / small_side
            for c in range(channels)
        ],
        axis=-1,
    )
    for _ in range(14):
        middle = rng.uniform(0, small_side, 2)
        angle, size = rng.uniform(0, np.pi), rng.uniform(2.5, 7, 2)
        along = np.cos(angle) * (row - middle[0]) + np.sin(angle) * (column - middle[1])
        across = np.cos(angle) * (column - middle[1]) - np.sin(angle) * (
            row - middle[0]
        )
        if rng.random() < 0.5:
            inside = (along / size[0]) ** 2 + (across / size[1]) ** 2 < 1
        else:
            inside = (abs(along) < size[0]) & (abs(across) < size[1] / 3)
        picture[inside] = rng.uniform(0.1, 0.9, channels)
    picture = np.asarray(picture, np.float32)
    small = imresize(picture, size=(small_side, small_side)) if scale > 1 else picture
    return picture, np.clip(small, 0, 1).astype(np.float32)


def gain(network: Network, scale: int, white: float | None = None) -> float:
    """By how many dB a network's result is nearer than a bilinear filter's.

    Parameters
    ----------
    network : Network
    scale : int
    white : float, optional
        In its input and result; by default as it says.

    Returns
    -------
    float
        -inf if it gives nothing of that size.
    """
    import cv2

    large, small = drawn_pair(scale, network.pixels.channels)
    white = white or float(network.pixels.range)
    try:
        with np.errstate(all="ignore"):
            made = evaluate(network, small * np.float32(white)) / white
    except ZooError:
        return -np.inf
    if made.shape != large.shape:
        return -np.inf
    plain = cv2.resize(small, large.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    plain = plain.reshape(large.shape)
    return _psnr(made, large, scale) - _psnr(plain, large, scale)


def _psnr(picture: NDArray[Any], original: NDArray[Any], scale: int) -> float:
    inner = slice(_BORDER * scale, -_BORDER * scale)
    with np.errstate(all="ignore"):
        difference = np.clip(picture[inner, inner], 0, 1) - original[inner, inner]
        error = float(np.mean(np.square(difference, dtype=np.float64)))
    return -10 * np.log10(max(error, 1e-12)) if np.isfinite(error) else -np.inf
