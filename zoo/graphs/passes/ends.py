"""What happens to the picture first and last, as keys of [net]."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.graphs.draft import Draft, Step

__all__ = ["ends"]

_CLOSE = 1e-5
_TURNED = np.array([2, 1, 0])


def ends(draft: Draft) -> None:
    """Take a factor and offset of the input as mean and std, and their inverse.

    They go to ``draft.net``: mean, std, denormalize.
    """
    _colours(draft)
    _white(draft)
    source = draft.input
    readers = [step for step in source.readers if not _is_size(step, source)]
    scaled = [step for step in readers if _is_scaled(step) and step is not draft.output]
    if not scaled:
        return
    first = scaled[0]
    scale, offset = first.values["scale"], first.values["offset"]
    std, mean = 1 / scale, 0 - offset / scale
    if len(readers) != 1:
        draft.hints |= {"mean": _short(mean), "std": _short(std)}
        return
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


def _white(draft: Draft) -> None:
    """A result clipped to bytes tells of bytes."""
    last = draft.output
    if last.activation == "clip" and last.values.get("high") == 255:
        draft.hints["white"] = 255.0


def _is_size(step: Step, source: Step) -> bool:
    """Whether a step takes only its size from the input."""
    return step.kind == "resize" and step.inputs[0] is not source


def _is_scaled(step: Step) -> bool:
    return step.kind == "affine" and bool(step.values["scale"].all())


def _colours(draft: Draft) -> None:
    """Turn red and blue around behind the input's factor, and before the output's.

    So these are still found at the ends, and the convolutions next to them take the
    colours as they come.
    """
    source, last = draft.input, draft.output
    first = source.readers[0] if len(source.readers) == 1 else source
    after = first.readers[0] if len(first.readers) == 1 else source
    if _turns(first) and after.kind == "affine" and after is not last:
        before = _turned_affine(draft, source, after)
        turned = draft.add("channels", [before], after.shape, indices=_TURNED)
        draft.replace(after, turned)
    if not _turns(last) or last.readers:
        return
    scaled = last.only
    if scaled.kind == "affine" and draft.is_read_once(scaled):
        turned = draft.add("channels", [scaled.only], last.shape, indices=_TURNED)
        draft.replace(last, _turned_affine(draft, turned, scaled))


def _turned_affine(draft: Draft, source: Step, old: Step) -> Step:
    """A factor and offset for colours in the opposite order."""
    scale, offset = (old.values[key][::-1] for key in ("scale", "offset"))
    return draft.add(
        "affine", [source], source.shape, old.origins, scale=scale, offset=offset
    )


def _turns(step: Step) -> bool:
    """Whether a step gives three channels in the opposite order."""
    return step.kind == "channels" and list(step.values["indices"]) == [2, 1, 0]


def _alike(a: Any, b: Any) -> bool:
    if a.shape != b.shape:
        a, b = a[:1], b[:1]
    return bool(np.allclose(a, b, rtol=_CLOSE, atol=_CLOSE * max(1.0, np.abs(b).max())))


def _short(vector: Any) -> tuple[float, ...]:
    """One number per channel, or one for all; as few digits as float32 has."""
    values = [float(str(np.float32(value))) for value in vector]
    return (values[0],) if len(set(values)) == 1 else tuple(values)
