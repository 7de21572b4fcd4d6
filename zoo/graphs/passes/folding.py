"""Factors and offsets into the weights of convolutions, where that is exact.

After a convolution, a deconvolution, or a shuffle or choice of channels behind one:
always. Before a convolution: a factor always, an offset only where no zeros are added
around the picture, because what is added would have to be the offset.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.draft import Draft, Step

__all__ = ["fold", "offset_may_pass"]

Array = NDArray[Any]

_MOVES = ("shuffle", "unshuffle", "channels", "index", "resize", "trim", "pad")


def fold(draft: Draft) -> None:
    """Fold every step ``affine`` that can be."""
    for step in draft:
        if step.kind != "affine" or not (step.readers or step is draft.output):
            continue
        if not _upwards(draft, step):
            _downwards(draft, step)


def offset_may_pass(step: Step) -> bool:
    """Whether adding an offset before a step is adding one after it: no zeros join."""
    match step.kind:
        case "conv":
            padded = any(step.values["pads"]) or step.values["same"]
            return not padded or step.values["mode"] != "zero"
        case "index":
            return bool((step.values["rows"] >= 0).all()) and bool(
                (step.values["columns"] >= 0).all()
            )
        case "channels":
            return bool((step.values["indices"] >= 0).all())
        case "pad":
            return step.values["mode"] != "zero"
    return True


# -- into what comes before -------------------------------------------------------


def _upwards(draft: Draft, step: Step) -> bool:
    scale, offset = step.values["scale"], step.values["offset"]
    moves: list[Step] = []
    source = step.only
    while source.kind in _MOVES and len(source.inputs) == 1:
        if not draft.is_read_once(source):
            return False
        if source.kind == "channels":
            return False  # scattered back, some would have no factor
        if offset.any() and not offset_may_pass(source):
            return False
        scale, offset = (_before(source, vector) for vector in (scale, offset))
        if scale is None or offset is None:
            return False
        moves.append(source)
        source = source.only
    if source.kind not in ("conv", "deconv") or not draft.is_read_once(source):
        return False
    weights, biases = source.values["weights"], source.values["biases"]
    source.values["weights"] = (
        _scaled_deconvolution(source, scale)
        if source.kind == "deconv"
        else weights * scale.astype(weights.dtype)
    )
    bias = np.zeros(len(scale)) if biases is None else biases.astype(np.float64)
    if biases is not None or offset.any():
        source.values["biases"] = bias * scale + offset
    source.origins |= step.origins
    draft.replace(step, step.only)
    return True


def _before(step: Step, vector: Array) -> Any:
    """One number for each channel of the result, as one for each of the input."""
    if step.kind not in ("shuffle", "unshuffle"):
        return vector
    cell = step.values["scale"] ** 2
    crd = step.values["order"] == "crd"
    if step.kind == "shuffle":
        return np.repeat(vector, cell) if crd else np.tile(vector, cell)
    table = vector.reshape((-1, cell) if crd else (cell, -1))
    table = table if crd else table.T
    return table[:, 0] if (np.ptp(table, axis=1) == 0).all() else None


def _scaled_deconvolution(step: Step, scale: Array) -> Array:
    weights, groups = step.values["weights"], step.values["groups"]
    kh, kw, depth, channels = weights.shape
    apart = weights.reshape(kh, kw, depth, groups, channels // groups)
    factors = scale.reshape(groups, depth).T[:, :, None].astype(weights.dtype)
    return (apart * factors).reshape(weights.shape)


# -- into what comes after -----------------------------------------------------------


def _downwards(draft: Draft, step: Step) -> None:
    if not draft.is_read_once(step):
        return
    scale, offset = step.values["scale"], step.values["offset"]
    reader = step.readers[0]
    while reader.kind in _MOVES and len(reader.inputs) == 1:
        if offset.any() and not offset_may_pass(reader):
            return
        if not draft.is_read_once(reader):
            return
        scale, offset = (_after(reader, vector) for vector in (scale, offset))
        if np.isnan(scale).any() or np.isnan(offset).any():
            return
        reader = reader.readers[0]
    if reader.kind != "conv":
        return
    if offset.any() and not offset_may_pass(reader):
        return
    weights, groups = reader.values["weights"], reader.values["groups"]
    depth, filters = weights.shape[2:]
    apart = weights.reshape(*weights.shape[:2], depth, groups, filters // groups)
    factors, shifts = (v.reshape(groups, depth).T[:, :, None] for v in (scale, offset))
    reader.values["weights"] = (apart * factors.astype(weights.dtype)).reshape(
        weights.shape
    )
    if offset.any():
        added = (apart.astype(np.float64) * shifts).sum(axis=(0, 1, 2)).reshape(-1)
        biases = reader.values["biases"]
        reader.values["biases"] = added if biases is None else biases + added
    reader.origins |= step.origins
    draft.replace(step, step.only)


def _after(step: Step, vector: Array) -> Array:
    """One number for each channel of the input, as one for each of the result.

    NaN where a channel of the result has several.
    """
    match step.kind:
        case "channels":
            return np.append(vector, 0)[step.values["indices"]]
        case "shuffle":
            cell = step.values["scale"] ** 2
            crd = step.values["order"] == "crd"
            table = vector.reshape((-1, cell) if crd else (cell, -1))
            if not crd:
                table = table.T
            if np.ptp(table, axis=1).any():
                return np.full(len(table), np.nan)
            return table[:, 0]
        case "unshuffle":
            cell = step.values["scale"] ** 2
            crd = step.values["order"] == "crd"
            return np.repeat(vector, cell) if crd else np.tile(vector, cell)
    return vector
