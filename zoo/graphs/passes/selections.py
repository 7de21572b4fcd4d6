"""Channels in another order go into the convolution before or after."""

from __future__ import annotations

import numpy as np

from zoo.graphs.draft import Draft, Step

__all__ = ["fold"]


def fold(draft: Draft) -> None:
    """Fold picks of channels into each other and into convolutions."""
    for step in draft:
        if step.kind != "channels":
            continue
        source = step.only
        if source.kind == "channels":
            indices = np.append(source.values["indices"], -1)[step.values["indices"]]
            made = draft.add("channels", [source.only], step.shape, indices=indices)
            draft.replace(step, made)
    for step in draft:
        if step.kind == "channels" and (step.readers or step is draft.output):
            _into_convolution(draft, step)


def _is_run(step: Step) -> bool:
    """Whether the channels are some of the picture's, in a row."""
    indices = step.values["indices"]
    return bool((indices >= 0).all() and (np.diff(indices) == 1).all())


def _into_convolution(draft: Draft, step: Step) -> None:
    source, indices = step.only, step.values["indices"]
    before = source.kind == "conv" and source.values["groups"] == 1
    if before and draft.is_read_once(source) and (indices >= 0).all():
        values = dict(source.values)
        values["weights"] = values["weights"][..., indices]
        if values["biases"] is not None:
            values["biases"] = values["biases"][indices]
        _replace(draft, step, source, [source.only], values)
        return
    if _is_run(step):
        return
    readers = list(step.readers)
    if step is draft.output or not readers or not _may_go_on(step, readers):
        return
    for reader in dict.fromkeys(readers):
        values = dict(reader.values)
        weights = values["weights"]
        spread = np.zeros(
            (*weights.shape[:2], source.shape.channels, weights.shape[3]), weights.dtype
        )
        for place, index in enumerate(indices):
            if index >= 0:
                spread[:, :, index] += weights[:, :, place]
        values["weights"] = spread
        _replace(draft, reader, reader, [source], values)


def _may_go_on(step: Step, readers: list[Step]) -> bool:
    """Whether all readers are convolutions, which will not grow by it."""
    return len(step.values["indices"]) >= step.only.shape.channels and all(
        reader.kind == "conv" and reader.values["groups"] == 1 for reader in readers
    )


def _replace(
    draft: Draft, old: Step, like: Step, inputs: list[Step], values: dict[str, object]
) -> None:
    made = draft.add(
        like.kind, inputs, old.shape, old.origins | like.origins, like.name, **values
    )
    draft.replace(old, made)
