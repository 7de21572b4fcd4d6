"""What an eye would see of the difference: FLIP, by its authors' package."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ZooError
from zoo.extras import how_to_install
from zoo.metrics.arrays import require_same_shape

__all__ = ["flip"]

_PEAK = 255.0


def flip(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Mean FLIP (Andersson et al., 2020): the difference seen when pictures alternate.

    Contrast sensitivity, colour and edges as an eye has them that sees 67 pixels in a
    degree: a screen 70 cm away. 0 for equal pictures, 1 for black and white; lower is
    better. It needs the package flip-evaluator, no network and no framework.

    Parameters
    ----------
    a, b : ndarray, H x W, or H x W x 3 (sRGB), 0 to 255, one shape
        The result and the truth; what lies beyond is clipped. Gray counts as three
        equal channels.

    Raises
    ------
    ShapeError
        If the shapes differ or the arrays are empty.
    ZooError
        If flip-evaluator is not installed.
    """
    require_same_shape(a, b, "FLIP")
    try:
        flip_evaluator = import_module("flip_evaluator")
    except ImportError:
        raise ZooError(
            f"metric flip needs flip-evaluator; {how_to_install('perceptual')}"
        ) from None
    test, reference = (_colour(picture) for picture in (a, b))
    _, mean, _ = flip_evaluator.evaluate(reference, test, "LDR", applyMagma=False)
    return float(mean)


def _colour(picture: NDArray[Any]) -> NDArray[np.float32]:
    plain = np.clip(np.asarray(picture, np.float32) / _PEAK, 0, 1)
    if plain.ndim == 2:
        plain = plain[..., None]
    if plain.shape[2] == 1:
        plain = plain.repeat(3, axis=2)
    return np.ascontiguousarray(plain, np.float32)
