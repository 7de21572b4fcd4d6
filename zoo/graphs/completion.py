"""What the program of a file did around its network, done by layers.

Real-CUGAN and waifu2x lose pixels at the border, so their programs pad the picture
first; some files give only what is to be added to the enlarged picture, or take white
as 1 and give it as 255.
"""

from __future__ import annotations

from collections.abc import Mapping

from zoo.errors import UsageError
from zoo.graphs.draft import Draft
from zoo.graphs.passes import affines
from zoo.graphs.sizes import Survey
from zoo.shapes import Shape

__all__ = ["add_margin", "add_residual", "margin_of", "rescale"]

_LEAST_MARGIN = 7


def margin_of(settings: Mapping[str, str], found: Survey, notes: list[str]) -> int:
    """Pixels that the network loses at each side of its input, if it must be given."""
    if found.fixed or len(found.rows) < 2 or settings.get("pad") == "none":
        return 0
    (a, b), (c, d), *_ = found.rows
    if (d - b) % (c - a):
        return 0
    scale = (d - b) // (c - a)
    if scale < 1:
        return 0
    lost = scale * a - b
    if lost <= 0:
        return 0
    if lost % (2 * scale) or lost // (2 * scale) < _LEAST_MARGIN:
        notes.append(
            f"its result is {lost} pixels smaller than {scale} times the input"
        )
        return 0
    return lost // (2 * scale)


def add_margin(draft: Draft, margin: int, mode: str) -> None:
    if mode not in ("reflect", "edge", "symmetric", "zero"):
        raise UsageError(
            f"pad={mode} is none of reflect, edge, symmetric, zero and none"
        )
    source = draft.input
    height, width, depth = source.shape
    shape = Shape(height + 2 * margin, width + 2 * margin, depth)
    padded = draft.add("pad", [source], shape, pads=(margin,) * 4, mode=mode)
    draft.replace(source, padded)
    draft.sweep()


def add_residual(draft: Draft, mode: str, scale: float) -> None:
    """Add the enlarged picture, as the program does that the file was made for."""
    if mode not in ("nearest", "bilinear", "bicubic"):
        raise UsageError(f"residual={mode} is none of nearest, bilinear and bicubic")
    picture, result = draft.input, draft.output
    whole = int(scale)
    if draft.net or whole != scale or result.shape.channels != picture.shape.channels:
        raise UsageError(
            "residual is for networks that enlarge by a whole number, keep the "
            "channels and do not normalise the picture"
        )
    height, width, channels = picture.shape
    result.shape = Shape(height * whole, width * whole, channels)
    enlarged = picture
    if whole > 1:
        enlarged = draft.add(
            "resize", [picture], result.shape, mode=mode, scale=whole, a=-0.75
        )
    draft.output = draft.add(
        "add", [result, enlarged], result.shape, alpha=1.0, beta=1.0
    )
    draft.sweep()


def rescale(draft: Draft, white: float, result: str) -> float:
    """Bring the result to the range of the picture.

    Parameters
    ----------
    draft : Draft
    white : float
        Its value at the input.
    result : str
        Its value in the graph's result.

    Returns
    -------
    float
        What the result is multiplied with.
    """
    try:
        gain = white / float(result)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"result={result} is no value of white") from None
    if gain != 1:
        draft.output = draft.affine(draft.output, gain, 0)
        affines.merge(draft)
        draft.sweep()
    return gain
