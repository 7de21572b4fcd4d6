"""What a smooth picture tells of a network: range, residual, white in the result."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zoo.checkpoints.drawn import BETTER, MOST_PARAMETERS, TRAINED, evaluate, gain
from zoo.errors import ShapeError
from zoo.graphs.picture_keys import CLIPPED, USUAL
from zoo.graphs.translate import NORMALIZED, Translation
from zoo.network import Network

__all__ = ["probed", "smooth", "told"]

_ALIKE: Final = 0.05
"""Of a picture's variance: as far as what was enlarged and averaged may be from it."""


def smooth(
    made: Translation, channels: int, sides: tuple[int | None, int | None] = (None,) * 2
) -> NDArray[np.float32]:
    """A picture from 0 to 1 without edges, of a size that the network takes.

    ``sides`` are height and width where a file states them.
    """
    if made.fixed is not None:
        height, width = made.fixed
    else:
        height, width = (
            stated or -(-size // made.multiple) * made.multiple
            for stated, size in zip(sides, (64, 48), strict=True)
        )
    rows = np.linspace(0, np.pi, height)[:, None, None]
    columns = np.linspace(0, np.pi, width)[:, None]
    shifts = np.linspace(0, 0.6, channels)
    waves = np.sin(rows + shifts) * np.cos(columns - shifts)
    return (0.5 + 0.4 * waves).astype(np.float32)


def probed(network: Network, made: Translation) -> list[str]:
    """What a smooth picture tells of range and residual, for people to judge."""
    try:
        picture = smooth(made, network.pixels.channels)
        results = {}
        for white in (1.0, 255.0):
            with np.errstate(all="ignore"):
                y = evaluate(network, picture * np.float32(white))
            results[white] = float(y.mean()) / white
    except ShapeError:
        return []
    mean = float(picture.mean())
    at_one, at_bytes = results[1.0], results[255.0]
    results_said = f"{at_one:.3f} at range 1, {at_bytes:.3f} at range 255"
    notes = [f"probe: a smooth picture of mean {mean:.3f} gives {results_said}"]
    assumed = float(network.pixels.range)
    here = results.get(assumed, at_one)
    other, white = (at_bytes, 255) if assumed == 1 else (at_one, 1)
    if abs(here) < 0.1 * mean and abs(other) < 0.1 * mean:
        notes.append(
            "its result looks like a residual: the program that it was made for adds "
            "the enlarged picture (--set residual=nearest or bicubic does it)"
        )
    elif abs(other - mean) < 0.05 and abs(here - mean) > 0.2:
        notes.append(f"so it may have been made for --set range={white}")
    return notes


def told(network: Network, made: Translation) -> dict[str, Any]:
    """What white is, and what in the result; {} if both are as is assumed.

    A file that takes 0 to 1 and gives 0 to 255 would make all white, the opposite all
    black, and one that leaves the mean off all dark. Only a result that is the picture
    but for that tells.
    """
    pixels = network.pixels
    white = float(pixels.range)
    picture = smooth(made, pixels.channels)
    small = _reduced(network, picture * np.float32(white), picture.shape)
    if small is None:
        return {}
    if USUAL in made.assumed and _takes_bytes(network, made):
        return {"range": 255.0}
    is_guess = any(item == CLIPPED for item in made.assumed)
    if is_guess and not _alike(small, picture * white):
        small = _reduced(network, picture, picture.shape)
        if small is not None and _alike(small, picture * white):
            return {"range": 1.0, "result": white}
        return {}
    other = {1.0: 255.0, 255.0: 1.0}.get(white)
    if other is not None and _alike(small, picture * other):
        return {"result": other}
    mean, std = (np.asarray(v, np.float64) for v in (pixels.mean, pixels.std))
    is_left = not pixels.denormalize and not _alike(small, picture * white)
    if is_left and _alike(small, (picture * white - mean) / std):
        return {"result": NORMALIZED}
    return {}


def _takes_bytes(network: Network, made: Translation) -> bool:
    """Whether it enlarges a drawn picture well, and only where white is 255."""
    scale = float(made.stated.get("scale", 0))
    if scale not in range(2, 9) or made.fixed or made.multiple > 1:
        return False
    if network.parameter_count > MOST_PARAMETERS:
        return False
    usual, other = (gain(network, int(scale), white) for white in (1.0, 255.0))
    return other > max(usual + BETTER, TRAINED)


def _reduced(
    network: Network, picture: NDArray[Any], shape: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """A network's result, averaged down to the picture's size; None if it has none."""
    try:
        with np.errstate(all="ignore"):
            y = evaluate(network, picture).astype(np.float64)
    except ShapeError:
        return None
    height, width, channels = shape
    rows, columns = y.shape[0] // height, y.shape[1] // width
    if 0 in (rows, columns) or y.shape != (height * rows, width * columns, channels):
        return None
    return y.reshape(height, rows, width, columns, channels).mean((1, 3))


def _alike(result: NDArray[Any], picture: NDArray[Any]) -> bool:
    difference = float(np.square(result - picture).mean())
    return difference < _ALIKE * float(picture.var())
