"""Non-maximum suppression: of boxes that mean one object the likeliest stays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["keep", "overlaps"]

Floats = NDArray[np.float64]


def keep(
    boxes: Floats, scores: Floats, threshold: float, distance: float | None = None
) -> list[int]:
    """Which boxes stay, the likeliest first.

    A box goes that overlaps a likelier one which stays by more than the threshold.

    Parameters
    ----------
    boxes : ndarray, N x 4
        x, y of the centre, w, h.
    scores : ndarray, N
    threshold : float
    distance : float, optional
        If given, from the overlap the distance of the centres is subtracted: its square
        over that of the diagonal of the smallest box around both, to this power.
        (Zheng et al., "Distance-IoU loss", 2019; ``box_diounms`` of Darknet.)
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        order = rest[overlaps(boxes[first], boxes[rest], distance) <= threshold]
    return kept


def overlaps(box: Floats, others: Floats, distance: float | None = None) -> Floats:
    """Intersection over union of a box and others; see :func:`keep` for distance."""
    low, high = box[:2] - box[2:] / 2, box[:2] + box[2:] / 2
    lows, highs = others[:, :2] - others[:, 2:] / 2, others[:, :2] + others[:, 2:] / 2
    sides = np.minimum(high, highs) - np.maximum(low, lows)
    common = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:]) + np.prod(others[:, 2:], axis=1) - common
    result: Floats = np.divide(
        common, union, out=np.zeros_like(common), where=union > 0
    )
    if distance is not None:
        around = np.maximum(high, highs) - np.minimum(low, lows)
        diagonal = np.square(around).sum(axis=1)
        apart = np.square(others[:, :2] - box[:2]).sum(axis=1)
        ratio = np.divide(apart, diagonal, out=np.zeros_like(apart), where=diagonal > 0)
        result = result - ratio**distance
    return result
