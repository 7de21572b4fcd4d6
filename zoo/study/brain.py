"""Where the brain is: a fast and simple guess, no segmentation to rely on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["brain_mask", "iou"]

_OPENING, _CLOSING = 5.0, 6


def brain_mask(slices: NDArray[np.floating]) -> NDArray[np.bool_]:
    """A mask by threshold and shape.

    Each slice is blurred and cut at a threshold (Otsu, 1979, of the volume's bright
    part); what is thinner than ten pixels is taken off, which parts the brain from the
    skull; the largest piece of all slices together stays; it is closed and filled.
    BET or a trained network does it better: give their mask where there is one.

    Parameters
    ----------
    slices : ndarray, S x H x W
        0 to 255.

    Returns
    -------
    ndarray, bool, S x H x W
    """
    smooth = np.stack(
        [cv2.GaussianBlur(part.astype(np.float32), (0, 0), 1) for part in slices]
    )
    threshold = _otsu(smooth)
    opened = np.stack([_opened(part > threshold) for part in smooth])
    kept = _largest(opened)
    return np.stack([_filled(part) for part in kept])


def _otsu(values: NDArray[np.float32]) -> float:
    clipped = np.clip(values, 0, 255).astype(np.uint8)
    bright = clipped[clipped > 10].reshape(1, -1)
    if bright.size < 2:
        return 255.0
    level, _ = cv2.threshold(bright, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    return 0.8 * float(level)


def _opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Opening by a disk, by distances."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    core = inside > _OPENING
    if not core.any():
        return core
    away = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away <= _OPENING)


def _largest(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected piece; pieces of neighbouring slices touch if they overlap."""
    labels = np.zeros(masks.shape, np.int64)
    parents = [0]

    def root(label: int) -> int:
        while parents[label] != label:
            parents[label] = parents[parents[label]]
            label = parents[label]
        return label

    for index, mask in enumerate(masks):
        count, found = cv2.connectedComponents(mask.astype(np.uint8))
        first = len(parents)
        parents += range(first, first + count - 1)
        labels[index] = np.where(found > 0, found + first - 1, 0)
        if index:
            both = (labels[index] > 0) & (labels[index - 1] > 0)
            pairs = np.stack([labels[index][both], labels[index - 1][both]], axis=1)
            for one, other in np.unique(pairs, axis=0):
                parents[root(int(one))] = root(int(other))
    roots = np.array([root(label) for label in range(len(parents))])
    whole = roots[labels]
    sizes = np.bincount(whole.ravel(), minlength=1)
    sizes[0] = 0
    return np.asarray((whole == sizes.argmax()) & (sizes.max() > 0) & (whole > 0))


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if not mask.any():
        return mask
    size = 2 * _CLOSING + 1
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    wide = np.pad(mask.astype(np.uint8), size)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, disk)
    outside = closed.copy()
    cv2.floodFill(outside, None, (0, 0), 2)
    return np.asarray((outside != 2)[size:-size, size:-size])


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union; NaN where the union is empty."""
    union = int((a | b).sum())
    return int((a & b).sum()) / union if union else float("nan")
