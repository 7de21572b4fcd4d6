"""Channels repeated and then shuffled are pixels repeated."""

from __future__ import annotations

import numpy as np

from zoo.graphs.draft import Draft

__all__ = ["recognize"]


def recognize(draft: Draft) -> None:
    """Replace repeated channels before a pixel shuffle by a nearest enlargement."""
    for step in draft:
        if step.kind != "shuffle":
            continue
        source, cell = step.only, step.values["scale"] ** 2
        if source.kind == "channels":
            indices, x = source.values["indices"], source.only
        elif source.kind == "concat" and len(set(source.inputs)) == 1:
            x = source.inputs[0]
            indices = np.tile(np.arange(x.shape.channels), len(source.inputs))
        else:
            continue
        channels = np.arange(x.shape.channels)
        repeated = (
            np.repeat(channels, cell)
            if step.values["order"] == "crd"
            else np.tile(channels, cell)
        )
        if np.array_equal(indices, repeated):
            made = draft.add(
                "resize",
                [x],
                step.shape,
                mode="nearest",
                scale=step.values["scale"],
            )
            draft.replace(step, made)
