"""What means nothing for a picture of floats: rounding and integers at the output.

zoo rounds once, when a picture is written.
"""

from __future__ import annotations

from zoo.graphs.draft import Draft

__all__ = ["drop"]

_AT_THE_END = ("round", "to uint8", "to integers")
_MOVES = ("shuffle", "channels", "index")


def drop(draft: Draft) -> None:
    """Drop roundings that only the output sees."""
    step = draft.output
    while True:
        if step.kind == "unary" and step.values["function"] in _AT_THE_END:
            before = step.only
            draft.replace(step, before)
            step = before
        elif step.kind in _MOVES:
            step = step.only
        elif _is_bound(step):
            # 0 to 255 and then to bytes: pictures are clipped when they are written.
            step = step.only
        else:
            return
        if not draft.is_read_once(step) and step is not draft.output:
            return


def _is_bound(step: object) -> bool:
    return getattr(step, "activation", "") in ("clip", "relu")
