"""Which layer of one network is like which of another, and colours made luma."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.layers.base import Layer
from zoo.network import Network

__all__ = ["align", "recolored"]

_LUMA = np.array([0.299, 0.587, 0.114])  # BT.601
_COLORS = 3
# A layer that must be converted counts less than one that fits, however large.
_SHARE = 0.25


def align(network: Network, other: Network) -> list[tuple[int, int]]:
    """Pairs of layers, in order, that hold the most weights in common.

    The longest common subsequence (Needleman and Wunsch, 1970), each pair counting as
    many as it has weights: layers of one kind whose tensors have the same shapes, or
    shapes that differ only by three colours on one side and one on the other.

    Returns
    -------
    list of (int, int)
        Indices into both networks.
    """
    ours, theirs = _weighted(network), _weighted(other)
    worth = np.zeros((len(ours) + 1, len(theirs) + 1))
    for i, (mine, kind) in enumerate(ours, start=1):
        for j, (its, its_kind) in enumerate(theirs, start=1):
            gain = 0.0
            if kind == its_kind:
                gain = _gain(network.layers[mine], other.layers[its])
            together = worth[i - 1, j - 1] + gain if gain else 0.0
            worth[i, j] = max(worth[i - 1, j], worth[i, j - 1], together)
    pairs = []
    i, j = len(ours), len(theirs)
    while i and j:
        if worth[i, j] == worth[i - 1, j]:
            i -= 1
        elif worth[i, j] == worth[i, j - 1]:
            j -= 1
        else:
            pairs.append((ours[i - 1][0], theirs[j - 1][0]))
            i, j = i - 1, j - 1
    return pairs[::-1]


def _weighted(network: Network) -> list[tuple[int, str]]:
    kinds = network.canonical_kinds
    return [
        (index, kinds[index])
        for index, layer in enumerate(network.layers)
        if layer.tensors
    ]


def _gain(mine: Layer, its: Layer) -> float:
    """Weights that two layers have in common; 0 if none."""
    if mine.tensors.keys() != its.tensors.keys():
        return 0.0
    total, share = 0.0, 1.0
    for name, tensor in mine.tensors.items():
        shape = its.tensors[name].shape
        if shape != tensor.shape:
            if not _differs_by_colors(tensor.shape, shape):
                return 0.0
            share = _SHARE
        total += tensor.size
    return share * total


def _differs_by_colors(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether one axis, of the channels, has three times as many on one side."""
    if len(a) != len(b):
        return False
    unlike = [(m, n, i) for i, (m, n) in enumerate(zip(a, b, strict=True)) if m != n]
    return (
        len(unlike) == 1
        and unlike[0][2] >= len(a) - 2
        and max(unlike[0][:2]) == _COLORS * min(unlike[0][:2])
    )


def recolored(
    value: NDArray[Any], shape: tuple[int, ...], order: str | None
) -> NDArray[Any]:
    """Weights or biases of a layer of colours, for luma, or the other way round.

    Parameters
    ----------
    value : ndarray
        kh x kw x in x out, or out.
    shape : tuple of int
        Wanted; may be that of ``value``, which is returned then.
    order : {"crd", "dcr"} or None
        Of the pixel shuffle behind the layer, which says where the colours are among
        its filters.
    """
    axis = next(
        (i for i, (m, n) in enumerate(zip(value.shape, shape, strict=True)) if m != n),
        None,
    )
    if axis is None:
        return value
    is_input = len(shape) > 1 and axis == len(shape) - 2
    cells = min(value.shape[axis], shape[axis])
    # Colours outside (crd) or inside (dcr) of the cell's pixels.
    inside = order == "dcr" and not is_input
    split = (cells, _COLORS) if inside else (_COLORS, cells)
    colors = axis + inside
    if value.shape[axis] > shape[axis]:
        apart = value.reshape(*value.shape[:axis], *split, *value.shape[axis + 1 :])
        share = np.ones(_COLORS) if is_input else _LUMA
        summed = np.tensordot(np.moveaxis(apart, colors, -1), share, 1)
        return np.asarray(summed).reshape(shape)
    repeated = np.repeat(np.expand_dims(value, colors), _COLORS, axis=colors)
    return repeated.reshape(shape) / (_COLORS if is_input else 1)
