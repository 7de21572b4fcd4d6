"""Steps that are a layer each."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.graphs.draft import Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.sections import Sections, Writer, short

__all__ = ["WRITERS"]

Keys = dict[str, Any]


def _activation(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    name = step.activation
    keys: Keys = {"activation": name}
    if name == "prelu":
        slopes = step.values["slopes"]
        return s.add("activation", keys, {"slopes": slopes}, step.origins)
    if name == "leaky":
        keys["slope"] = short(step.values["slope"])
    elif name == "clip":
        low, high = step.values["low"], step.values["high"]
        keys["low"] = short(max(low, -3.0e38))
        keys["high"] = short(min(high, 3.0e38))
    return s.add("activation", keys)


def _concat(s: Sections, step: Step, activation: str, more: Keys) -> int:
    return s.add("route", {"layers": [s.back(s.at[x]) for x in step.inputs]})


def _sides(pads: tuple[int, ...]) -> Keys:
    if len(set(pads)) == 1:
        return {"size": pads[0]}
    return dict(zip(("top", "bottom", "left", "right"), pads, strict=True))


def _trim(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    return s.add("trim", _sides(step.values["pads"]))


def _pad(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    return s.add("pad", {**_sides(step.values["pads"]), "mode": step.values["mode"]})


def _shuffle(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    values = step.values
    return s.add("shuffler", {"scale": values["scale"], "order": values["order"]})


def _unshuffle(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    values = step.values
    return s.add("reorg3d", {"stride": values["scale"], "order": values["order"]})


def _resize(s: Sections, step: Step, activation: str, more: Keys) -> int:
    values = step.values
    s.after(s.at[step.inputs[0]])
    keys: Keys = {}
    if len(step.inputs) > 1:
        keys["like"] = s.back(s.at[step.inputs[1]])
    else:
        keys["stride"] = values["scale"]
    keys["mode"] = values["mode"]
    if values["mode"] == "bicubic" and values.get("a", -0.75) != -0.75:
        keys["a"] = short(values["a"])
    if values.get("align_corners"):
        keys["align_corners"] = True
    return s.add("upsample", keys)


def _pool(s: Sections, step: Step, activation: str, more: Keys) -> int:
    values = step.values
    (height, width), strides = values["size"], values["strides"]
    if height != width:
        raise Untranslatable("pooling over windows that are not square")
    top, bottom, left, right = values["pads"]
    ceil = values["ceil"]
    is_max = values["mode"] == "max"
    if ceil and values["counts_border"] and any(values["pads"]):
        raise Untranslatable("AveragePool with ceil_mode that counts the border")
    rest = [stride - 1 if ceil else 0 for stride in strides]
    pads = (top, bottom + rest[0], left, right + rest[1])
    for axis in (0, 1):
        room = step.only.shape[axis] + pads[2 * axis] + pads[2 * axis + 1] - height
        if room // strides[axis] + 1 != step.shape[axis]:
            raise Untranslatable("pooling with ceil_mode at the border")
    s.after(s.at[step.only])
    total = pads[0] + pads[1]
    inside = pads[:2] == pads[2:] and pads[0] == total // 2
    if any(pads) and (values["counts_border"] or not inside):
        if not is_max and not values["counts_border"]:
            raise Untranslatable("AveragePool with unequal pads")
        # A window with a pixel of the border also has its neighbour in the picture.
        mode = "edge" if is_max else "zero"
        s.add("pad", {**_sides(pads), "mode": mode})
        total = 0
    keys: Keys = {"size": height, "padding": total}
    if strides[0] == strides[1]:
        keys["stride"] = strides[0]
    else:
        keys |= {"stride_y": strides[0], "stride_x": strides[1]}
    return s.add("maxpool" if is_max else "local_avgpool", keys)


def _mean(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    return s.add("avgpool")


def _deviation(s: Sections, step: Step, activation: str, more: Keys) -> int:
    s.after(s.at[step.only])
    return s.add("avgpool", {"deviation": True})


def _norm(kind: str) -> Writer:
    def write(s: Sections, step: Step, activation: str, more: Keys) -> int:
        s.after(s.at[step.only])
        values = step.values
        keys: Keys = {"groups": values["groups"]} if kind == "groupnorm" else {}
        keys["eps"] = short(values["eps"])
        scales = np.asarray(values["scale"]), np.asarray(values["offset"])
        return s.add(
            kind,
            keys,
            dict(zip(("scales", "biases"), scales, strict=True)),
            step.origins,
        )

    return write


def _maximum(s: Sections, step: Step, activation: str, more: Keys) -> int:
    raise Untranslatable("a maximum over the whole picture")


def _lines(s: Sections, step: Step, activation: str, more: Keys) -> int:
    raise Untranslatable("a mean over rows or columns alone")


def _max_channels(s: Sections, step: Step, activation: str, more: Keys) -> int:
    """max over C channels by halves: max(x, y) = x + relu(y - x)."""
    index, count = s.at[step.only], step.only.shape.channels
    while count > 1:
        half = count // 2
        first = s.add("route", {"layers": s.back(index), "first": 0, "count": half})
        second = s.add("route", {"layers": s.back(index), "first": half, "count": half})
        s.add("shortcut", {"from": s.back(first), "beta": -1, "activation": "relu"})
        s.add("shortcut", {"from": s.back(first), "activation": "linear"})
        del second
        if count % 2:
            odd = {"layers": s.back(index), "first": count - 1, "count": 1}
            largest = s.last
            s.add("route", odd)
            s.add("route", {"layers": [s.back(largest), s.back(s.last)]})
        index, count = s.last, half + count % 2
    return index


WRITERS: dict[str, Writer] = {
    "activation": _activation,
    "concat": _concat,
    "deviation": _deviation,
    "groupnorm": _norm("groupnorm"),
    "layernorm": _norm("layernorm"),
    "max_channels": _max_channels,
    "maximum": _maximum,
    "mean": _mean,
    "mean_columns": _lines,
    "mean_rows": _lines,
    "pad": _pad,
    "pool": _pool,
    "resize": _resize,
    "shuffle": _shuffle,
    "trim": _trim,
    "unshuffle": _unshuffle,
}
