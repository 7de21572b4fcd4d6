"""What happens to the picture first and last, as keys of [net]."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.graphs.draft import Draft

__all__ = ["ends"]

_CLOSE = 1e-5


def ends(draft: Draft) -> None:
    """Take a factor and offset of the input as mean and std, and their inverse.

    They go to ``draft.net``: mean, std, denormalize.
    """
    source = draft.input
    if draft.output is source or len(source.readers) != 1:
        return
    first = source.readers[0]
    if first.kind != "affine" or first is draft.output:
        return
    scale, offset = first.values["scale"], first.values["offset"]
    if not scale.all():
        return
    std, mean = 1 / scale, -offset / scale
    draft.net_origins |= first.origins
    draft.replace(first, source)
    last = draft.output
    if last.kind == "affine" and not last.readers and last.only is not source:
        alike = last.shape.channels in (len(std), 1) or np.ptp(std) == 0 == np.ptp(mean)
        if (
            alike
            and _alike(last.values["scale"], std)
            and _alike(last.values["offset"], mean)
        ):
            draft.net["denormalize"] = True
            draft.net_origins |= last.origins
            draft.replace(last, last.only)
    draft.net["mean"] = _short(mean)
    draft.net["std"] = _short(std)


def _alike(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        a, b = a[:1], b[:1]
    return bool(np.allclose(a, b, rtol=_CLOSE, atol=_CLOSE * max(1.0, np.abs(b).max())))


def _short(vector: Any) -> tuple[float, ...]:
    """One number per channel, or one for all; as few digits as float32 has."""
    values = [float(str(np.float32(value))) for value in vector]
    return (values[0],) if len(set(values)) == 1 else tuple(values)
