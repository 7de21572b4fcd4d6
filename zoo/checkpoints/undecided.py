"""What names and shapes of tensors leave open, decided by a picture.

Networks with the same tensors may differ in what no tensor tells: the value of white
they were trained with, a dilation, whether the enlarged picture is added. A family
lists such hyper-parameters with the values that published files have
(:attr:`zoo.models.base.Family.undecided`). Each combination enlarges a drawn picture
whose large original is known. Another value than the usual one is taken only where it
comes nearer to the original than the usual one does, and nearer than a bilinear filter
comes: that is what training achieves, and what chance does not.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.checkpoints.graph_probe import evaluate
from zoo.errors import ZooError
from zoo.models.base import Assumption, Family, Recognition
from zoo.network import Network
from zoo.parsers.base import Checkpoint
from zoo.resize import imresize

__all__ = ["decide", "drawn_pair", "open_options"]

Build = Callable[[Recognition], Network]

_SIDE: Final = 32
_BORDER: Final = 2  # small pixels at each side that do not count
_MOST_PARAMETERS: Final = 20_000_000
_BETTER: Final = 0.5  # dB above the usual value
_TRAINED: Final = 0.5  # dB above a bilinear filter


def open_options(
    family: type[Family], assumptions: tuple[Assumption, ...], checkpoint: Checkpoint
) -> dict[str, tuple[Any, ...]]:
    """The values to try of each assumed option, the assumed one first.

    None for large networks, which would take long.
    """
    shapes = map(checkpoint.shape, checkpoint.tensors)
    if sum(map(math.prod, shapes)) > _MOST_PARAMETERS:
        return {}
    return {
        item.option: (
            item.value,
            *(v for v in family.undecided[item.option] if v != item.value),
        )
        for item in assumptions
        if item.option in family.undecided
    }


def decide(
    recognition: Recognition, options: Mapping[str, tuple[Any, ...]], build: Build
) -> Recognition:
    """Replace what was assumed where a picture tells better.

    Parameters
    ----------
    recognition : Recognition
    options : mapping of str to tuple
        From :func:`open_options`.
    build : callable
        The network with its weights, for a recognition.

    Returns
    -------
    Recognition
        Its assumptions say what the picture told.
    """
    if not options:
        return recognition
    gains: dict[tuple[Any, ...], float] = {}
    for values in itertools.product(*options.values()):
        chosen = dict(zip(options, values, strict=True))
        known = replace(recognition, options={**recognition.options, **chosen})
        gains[values] = _gain(build(known), int(known.options["scale"]))
    usual = next(iter(gains))
    highest = max(gains.values())
    if highest < max(gains[usual] + _BETTER, _TRAINED):
        return recognition
    # Of values that do nearly as well, those with the fewest that are not usual.
    best = min(
        (values for values, gain in gains.items() if gain > highest - _BETTER),
        key=lambda values: sum(map(operator.ne, values, usual)),
    )
    chosen = dict(zip(options, best, strict=True))
    changed = {name for name, value in chosen.items() if value != options[name][0]}
    reason = (
        f"so a drawn picture comes out {gains[best]:.1f} dB better than by a bilinear "
        f"filter; by the usual value {gains[usual]:.1f} dB"
    )
    return replace(
        recognition,
        options={**recognition.options, **chosen},
        assumptions=tuple(
            Assumption(item.option, chosen[item.option], reason)
            if item.option in changed
            else item
            for item in recognition.assumptions
        ),
    )


def drawn_pair(
    scale: int, channels: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A picture of discs, bars and waves from 0 to 1, large and small.

    Returns
    -------
    tuple of ndarray, H x W x C
        The original, and what the bicubic filter of the benchmarks makes of it.
    """
    side = _SIDE * scale
    row, column = np.mgrid[:side, :side].astype(np.float32) / scale  # in small pixels
    rng = np.random.default_rng(5)
    picture = np.stack(
        [0.3 + 0.4 * column / _SIDE + 0.05 * c * row / _SIDE for c in range(channels)],
        axis=-1,
    )
    for _ in range(14):
        middle = rng.uniform(0, _SIDE, 2)
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
    small = imresize(picture, size=(_SIDE, _SIDE)) if scale > 1 else picture
    return picture, np.clip(small, 0, 1).astype(np.float32)


def _gain(network: Network, scale: int) -> float:
    """By how many dB the network's result is nearer than a bilinear filter's."""
    import cv2

    pixels = network.pixels
    large, small = drawn_pair(scale, pixels.channels)
    try:
        with np.errstate(all="ignore"):
            made = evaluate(network, small * np.float32(pixels.range)) / pixels.range
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
