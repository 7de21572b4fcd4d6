"""Convolutions of every geometry as [convolutional], [deconvolutional] and [pad]."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.operators.convolutions import LARGEST_KERNEL
from zoo.graphs.sections import Sections, Writer

__all__ = ["WRITERS"]

Array = NDArray[Any]
Pads = tuple[int, int, int, int]


def _conv(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    values = step.values
    weights, dilation, pads = _square(
        values["weights"], values["dilation"], values["pads"]
    )
    strides = values["strides"]
    size = weights.shape[0]
    keys: dict[str, Any] = {"filters": weights.shape[3], "size": size}
    if strides[0] == strides[1]:
        keys["stride"] = strides[0]
    else:
        keys |= {"stride_y": strides[0], "stride_x": strides[1]}
    s.after(s.at[step.only])
    is_square = values["weights"].shape[0] == values["weights"].shape[1]
    if values["same"] and strides != (1, 1) and is_square:
        keys["same"] = True
    elif min(pads) < 0:
        _sides(s, "trim", _clipped(tuple(-pad for pad in pads)))
        _padding(s, keys, _clipped(pads), size, dilation)
    else:
        _padding(s, keys, pads, size, dilation)
        if values["mode"] != "zero":
            keys["pad_mode"] = values["mode"]
    if values["groups"] > 1:
        keys["groups"] = values["groups"]
    if dilation > 1:
        keys["dilation"] = dilation
    biases = values["biases"]
    if biases is None:
        keys["bias"] = False
    keys |= {"activation": activation, **more}
    return s.add(
        "convolutional", keys, {"weights": weights, "biases": biases}, step.origins
    )


def _clipped(pads: tuple[int, ...]) -> Pads:
    top, bottom, left, right = (max(pad, 0) for pad in pads)
    return top, bottom, left, right


def _padding(
    s: Sections, keys: dict[str, Any], pads: Pads, size: int, dilation: int
) -> None:
    """Zeros around the picture: by the convolution if all sides are alike."""
    one = pads[0]
    if len(set(pads)) > 1 or one % dilation:
        _sides(s, "pad", pads)
    elif size > 1 and one == size // 2 * dilation:
        keys["pad"] = True
    elif one:
        keys["padding"] = one // dilation


def _sides(s: Sections, kind: str, pads: Pads, **keys: Any) -> None:
    if any(pads):
        names = ("top", "bottom", "left", "right")
        sides = (
            {"size": pads[0]}
            if len(set(pads)) == 1
            else dict(zip(names, pads, strict=True))
        )
        s.add(kind, {**sides, **keys})


def _square(
    weights: Array, dilations: tuple[int, int], pads: Pads
) -> tuple[Array, int, Pads]:
    """A kernel with as many rows as columns and one dilation, made so by zeros."""
    height, width = weights.shape[:2]
    across, along = dilations
    if height == 1:
        across = along
    if width == 1:
        along = across
    if across != along:
        taps = (across * (height - 1) + 1) * (along * (width - 1) + 1)
        if taps * math.prod(weights.shape[2:]) > LARGEST_KERNEL:
            raise Untranslatable("Conv with unequal dilations, far apart")
        wide = np.zeros(
            (across * (height - 1) + 1, along * (width - 1) + 1, *weights.shape[2:]),
            weights.dtype,
        )
        wide[::across, ::along] = weights
        return _square(wide, (1, 1), pads)
    if height == width:
        return weights, across if height > 1 else 1, pads
    size = max(height, width)
    rows, columns = size - height, size - width
    top, left = rows // 2, columns // 2
    wide = np.zeros((size, size, *weights.shape[2:]), weights.dtype)
    wide[top : top + height, left : left + width] = weights
    return (
        wide,
        across,
        (
            pads[0] + across * top,
            pads[1] + across * (rows - top),
            pads[2] + across * left,
            pads[3] + across * (columns - left),
        ),
    )


def _deconv(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    """Of all that the kernel reaches, [deconvolutional] gives a part; [trim] cuts.

    Along an axis, pixels p to (L - 1) s + k - p + o are given, with the keys padding p
    and output_padding o, and a to (L - 1) s + k + b are wanted.
    """
    values = step.values
    weights, stride = _square_transposed(values["weights"], values["strides"])
    size = weights.shape[0]
    top, bottom, left, right = values["pads"]
    extra = values["extra"]
    missing = [
        size - values["weights"].shape[axis] for axis in (0, 1)
    ]  # zeros that made the kernel square lie at the end
    ends = [extra[0] - bottom - missing[0], extra[1] - right - missing[1]]
    if min(top, left) < 0:
        raise Untranslatable("ConvTranspose with negative pads")
    padding = min(top, left)
    output_padding = max(*ends, -padding) + padding
    if output_padding >= stride:
        grown = output_padding - stride + 1
        wide = np.zeros((size + grown, size + grown, *weights.shape[2:]), weights.dtype)
        wide[:size, :size] = weights
        weights, output_padding = wide, output_padding - grown
        ends = [end - grown for end in ends]
        size += grown
    trims = (
        top - padding,
        output_padding - padding - ends[0],
        left - padding,
        output_padding - padding - ends[1],
    )
    keys: dict[str, Any] = {
        "filters": weights.shape[2] * values["groups"],
        "size": size,
        "stride": stride,
    }
    if padding:
        keys["padding"] = padding
    if output_padding:
        keys["output_padding"] = output_padding
    if values["groups"] > 1:
        keys["groups"] = values["groups"]
    biases = values["biases"]
    if biases is None:
        keys["bias"] = False
    s.after(s.at[step.only])
    s.add(
        "deconvolutional",
        {**keys, "activation": activation, **more},
        {"weights": weights, "biases": biases},
        step.origins,
    )
    _sides(s, "trim", trims)
    return s.last


def _square_transposed(weights: Array, strides: tuple[int, int]) -> tuple[Array, int]:
    height, width = weights.shape[:2]
    if strides[0] != strides[1]:
        raise Untranslatable(f"ConvTranspose with strides {strides[0]}, {strides[1]}")
    size = max(height, width)
    if height == width:
        return weights, strides[0]
    wide = np.zeros((size, size, *weights.shape[2:]), weights.dtype)
    wide[:height, :width] = weights
    return wide, strides[0]


def _affine(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    channels = step.shape.channels
    s.after(s.at[step.only])
    offset = step.values["offset"]
    keys: dict[str, Any] = {"filters": channels, "size": 1, "stride": 1}
    if channels > 1:
        keys["groups"] = channels
    if not offset.any():
        keys["bias"] = False
    return s.add(
        "convolutional",
        {**keys, "activation": "linear"},
        {
            "weights": step.values["scale"].reshape(1, 1, 1, -1),
            "biases": offset if offset.any() else None,
        },
        step.origins,
    )


def _mean_channels(
    s: Sections, step: Step, activation: str, more: dict[str, Any]
) -> int:
    channels = step.only.shape.channels
    return s.pointwise(s.at[step.only], np.full((channels, 1), 1 / channels))


_FEW = 8


def _channels(s: Sections, step: Step, activation: str, more: dict[str, Any]) -> int:
    """Some channels: [route] if they come in few runs, else a 0/1 convolution."""
    indices, source = step.values["indices"], s.at[step.only]
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    runs = np.split(indices, breaks)
    if (indices >= 0).all() and len(runs) <= _FEW:
        parts = []
        for run in runs:
            keys = {"layers": s.back(source), "first": int(run[0]), "count": len(run)}
            parts.append(s.add("route", keys))
        if len(parts) > 1:
            s.add("route", {"layers": [s.back(part) for part in parts]})
        return s.last
    matrix = np.zeros((step.only.shape.channels, len(indices)), np.float32)
    places = np.arange(len(indices))[indices >= 0]
    matrix[indices[places], places] = 1
    return s.pointwise(source, matrix)


WRITERS: dict[str, Writer] = {
    "affine": _affine,
    "channels": _channels,
    "conv": _conv,
    "deconv": _deconv,
    "mean_channels": _mean_channels,
}
