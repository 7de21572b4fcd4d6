"""Factors and offsets: several in a row become one, those of one number move on."""

from __future__ import annotations

import numpy as np

from zoo.graphs.draft import Draft, Step

__all__ = ["is_identity", "merge", "single"]

_CLOSE = 2e-6  # what float32 arithmetic on constants leaves of 1 and 0


def merge(draft: Draft) -> None:
    """Merge factors and offsets with each other, with sums, and with norms."""
    for step in draft:
        if step.kind == "add":
            _into_sum(draft, step)
        elif step.kind == "mul" and step.inputs[0] is step.inputs[1]:
            square = draft.add("unary", [step.inputs[0]], step.shape, function="square")
            draft.replace(step, square)
        elif step.kind == "affine":
            _merge(draft, step)


def _merge(draft: Draft, step: Step) -> None:
    if is_identity(step):
        draft.replace(step, step.only)
        return
    source = step.only
    scale, offset = step.values["scale"], step.values["offset"]
    if source.kind == "affine" and draft.is_read_once(source):
        made = draft.affine(
            source.only,
            source.values["scale"] * scale,
            source.values["offset"] * scale + offset,
            source.origins | step.origins,
        )
        draft.replace(step, made)
        _merge(draft, made)
    elif source.kind in ("groupnorm", "layernorm") and draft.is_read_once(source):
        source.values["scale"] = source.values["scale"] * scale
        source.values["offset"] = source.values["offset"] * scale + offset
        source.origins |= step.origins
        draft.replace(step, source)
    elif source.kind == "add" and draft.is_read_once(source):
        factor = single(step)
        if factor is not None:
            source.values["alpha"] *= factor
            source.values["beta"] *= factor
            source.origins |= step.origins
            draft.replace(step, source)
    elif (
        source.activation in ("relu", "leaky", "prelu")
        and draft.is_read_once(source)
        and not offset.any()
        and (scale > 0).all()
        and source.only.kind in ("conv", "deconv")
        and draft.is_read_once(source.only)
    ):
        inner = draft.affine(source.only, scale, 0, step.origins)
        made = draft.add("activation", [inner], step.shape, source.origins)
        made.values = dict(source.values)
        draft.replace(step, made)


def _into_sum(draft: Draft, step: Step) -> None:
    """Take factors of the parts of a sum as its alpha and beta."""
    for index, name in enumerate(("alpha", "beta")):
        source = step.inputs[index]
        if source.kind != "affine" or source.only.shape != source.shape:
            continue
        factor = single(source)
        if factor is None or not draft.is_read_once(source):
            continue
        step.values[name] *= factor
        step.origins |= source.origins
        before = source.only
        step.inputs[index] = before
        source.readers.remove(step)
        before.readers.append(step)
        before.readers.remove(source)


def single(step: Step) -> float | None:
    """The factor of a step that multiplies everything by one number, else None."""
    scale, offset = step.values["scale"], step.values["offset"]
    if offset.any() or np.ptp(scale) != 0:
        return None
    return float(scale[0])


def is_identity(step: Step) -> bool:
    """Whether it changes nothing, rounding aside."""
    scale, offset = step.values["scale"], step.values["offset"]
    return bool(np.abs(scale - 1).max() < _CLOSE and not offset.any())
