"""Borders that a convolution can add by itself, so that no larger picture is made."""

from __future__ import annotations

from zoo.graphs.draft import Draft, Step

__all__ = ["fold"]


def fold(draft: Draft) -> None:
    """Fold steps ``pad`` into the convolutions that follow."""
    for step in draft:
        if step.kind == "pad" and draft.is_read_once(step):
            reader = step.readers[0]
            if reader.kind == "conv" and not reader.values["same"]:
                _into(draft, step, reader)


def _into(draft: Draft, pad: Step, conv: Step) -> None:
    added, mode = pad.values["pads"], pad.values["mode"]
    own = conv.values["pads"]
    if mode == "zero":
        if conv.values["mode"] != "zero":
            return
        pads = tuple(a + b for a, b in zip(added, own, strict=True))
        if len(set(pads)) > 1:
            return
    else:
        height, width = conv.values["weights"].shape[:2]
        (down, across) = conv.values["dilation"]
        whole = added[0] % (down if height > 1 else 1) == 0
        if any(own) or len(set(added)) > 1 or height != width or not whole:
            return
        if down != across:
            return
        pads = added
        conv.values["mode"] = mode
    conv.values["pads"] = pads
    draft.replace(pad, pad.only)
