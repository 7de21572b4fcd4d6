"""From the weights of other systems to plain convolutions, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import WeightsError

__all__ = ["finite_float32", "fold_weight_norm", "unfold_weight_norm"]


def finite_float32(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Convert to float32.

    Raises
    ------
    WeightsError
        If the values are no floats, not finite, or beyond float32.
    """
    if array.dtype.kind != "f":
        raise WeightsError(
            f"the tensor {name!r} holds {array.dtype} in place of floats; "
            f"the file is of another kind or damaged"
        )
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise WeightsError(
            f"the tensor {name!r} holds NaN or infinity; the file is damaged, "
            f"or its training had diverged"
        )
    return values


def fold_weight_norm(
    magnitude: NDArray[Any], direction: NDArray[Any], name: str
) -> NDArray[np.float32]:
    """Fold weight normalisation: W[o] = g[o] v[o] / |v[o]|.

    Salimans and Kingma, "Weight Normalization", 2016, equation 2; the norm is
    Euclidean, over all axes but the first, as PyTorch stores a filter.

    Parameters
    ----------
    magnitude : ndarray, O values in any shape
        g
    direction : ndarray, O x I x H x W
        v
    name : str
        Of v, for messages.

    Raises
    ------
    WeightsError
        If the sizes do not match, or a filter of v is all zeros.
    """
    filters = direction.shape[0]
    if magnitude.size != filters:
        raise WeightsError(
            f"{name!r} has {filters} filters, and there are {magnitude.size} "
            f"magnitudes for them"
        )
    v = direction.astype(np.float64).reshape(filters, -1)
    norms = np.sqrt((v * v).sum(axis=1))
    if not norms.all():
        raise WeightsError(
            f"filter {int(np.argmin(norms))} of {name!r} is all zeros, so that its "
            f"weight normalisation is not defined"
        )
    scaled = v * (magnitude.astype(np.float64).reshape(filters) / norms)[:, None]
    return scaled.reshape(direction.shape).astype(np.float32)


def unfold_weight_norm(
    weights: NDArray[Any], name: str
) -> dict[str, NDArray[np.float32]]:
    """Magnitude g = |W[o]| and direction v = W[o] of each filter, as PyTorch names them.

    A filter of zeros gets a direction of ones.
    """
    direction = weights.astype(np.float32)
    magnitude = np.sqrt(np.square(direction, dtype=np.float64).sum((1, 2, 3)))
    direction[magnitude == 0] = 1
    return {
        f"{name}_g": magnitude.astype(np.float32).reshape(-1, 1, 1, 1),
        f"{name}_v": direction,
    }
