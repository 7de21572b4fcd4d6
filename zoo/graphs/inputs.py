"""What a graph is fed with: the picture, in which order of axes, and what else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, did_you_mean
from zoo.graphs.errors import Refused
from zoo.graphs.graph import Graph, GraphInput

__all__ = [
    "OPTIONS",
    "channels_of",
    "check_settings",
    "fixed_sizes",
    "layouts_of",
    "others_of",
    "picture_of",
]

OPTIONS = ("range", "result", "color", "output", "pad", "residual")
"""What a user may set beside the values of further inputs."""

_COMMON_CHANNELS = (3, 1, 4, 12, 48, 2, 6)


def check_settings(graph: Graph, settings: Mapping[str, str]) -> None:
    names = [*OPTIONS, *(item.name for item in graph.inputs)]
    for name in settings:
        if name not in names:
            hint = did_you_mean(name, names) or f"; there are {', '.join(names)}"
            raise UsageError(f"the graph has no setting {name!r}{hint}")
    output = settings.get("output")
    if output is not None and output not in graph.outputs:
        raise UsageError(
            f"there is no output {output!r}; there are {', '.join(graph.outputs)}"
        )


def picture_of(graph: Graph) -> GraphInput:
    """The input that takes the picture."""
    likely = [item for item in graph.inputs if _rank(item) in (3, 4)]
    likely = [item for item in likely if not _is_small(item)] or likely
    likely.sort(key=lambda item: 3 not in (item.shape or ()))
    if not likely:
        likely = [item for item in graph.inputs if item.shape is None]
    for item in graph.inputs:
        if _rank(item) == 5:
            raise Refused(f"its input {item.name!r} takes video (five axes)")
    if not likely:
        shapes = ", ".join(f"{i.name} {i.shape}" for i in graph.inputs)
        raise Refused(f"none of its inputs takes a picture ({shapes})")
    return likely[0]


def _rank(item: GraphInput) -> int:
    return -1 if item.shape is None else len(item.shape)


def _is_small(item: GraphInput) -> bool:
    return item.shape is not None and all(size == 1 for size in item.shape)


def others_of(
    graph: Graph, picture: GraphInput, settings: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    values: dict[str, NDArray[Any]] = {}
    for item in graph.inputs:
        if item is picture:
            continue
        if item.name not in settings:
            raise UsageError(
                f"{graph.source}: beside the picture {picture.name!r} it also wants "
                f"{item.name!r}; --set {item.name}=0.1 makes it a constant"
            )
        try:
            number = float(settings[item.name])
        except ValueError:
            raise UsageError(
                f"{item.name}={settings[item.name]} is no number"
            ) from None
        shape = [size or 1 for size in item.shape or ()]
        dtype = "float32" if "float" in item.dtype else item.dtype
        if math.prod(shape) > 1 << 20:
            raise Refused(f"its input {item.name!r} takes a second picture")
        values[item.name] = np.full(shape, number, dtype)
    return values


def layouts_of(item: GraphInput) -> list[str]:
    """Orders of the axes that the input may have, the likeliest first."""
    if item.layout:
        return [item.layout]
    if item.shape is None:
        return ["NCHW", "NHWC"]
    rank = len(item.shape)
    first, last = item.shape[rank - 3], item.shape[rank - 1]
    orders = ["CHW", "HWC"] if rank == 3 else ["NCHW", "NHWC"]
    few = (1, 3, 4)
    if last in few and first not in few:
        return orders[1:] if first is not None else orders[::-1]
    if first in few and last not in few:
        return orders[:1]
    return orders


def channels_of(graph: Graph, item: GraphInput, layout: str) -> list[int]:
    """Numbers of channels that the input may have, the likeliest first."""
    if item.shape is not None:
        declared = item.shape[layout.index("C")]
        if declared is not None:
            return [declared]
    return list(_COMMON_CHANNELS)


def fixed_sizes(
    graph: Graph, item: GraphInput, layout: str
) -> Iterator[tuple[int, int]]:
    """Sizes that the graph may be made for: declared, or frozen in a Reshape."""
    if item.shape is not None:
        height, width = (item.shape[layout.index(axis)] for axis in "HW")
        if height and width:
            yield height, width
            return
    seen: set[tuple[int, int]] = set()
    for array in graph.constants.values():
        size = array.shape[-2:]
        if array.ndim in (3, 4) and min(size) > 11 and size not in seen:
            seen.add((size[0], size[1]))
            yield size[0], size[1]
    for node in graph.nodes:
        if node.op != "Reshape" or len(node.inputs) < 2:
            continue
        shape = graph.constants.get(node.inputs[1])
        if shape is None or shape.size < 3 or shape.dtype.kind not in "iu":
            continue
        values = [int(value) for value in shape.reshape(-1)[:8]]
        pairs = [(values[-2], values[-1]), (values[-3], values[-2])]
        if len(values) == 6:
            pairs += [(values[2], values[4]), (values[1], values[3])]
        for height, width in pairs:
            for scale in (1, 2, 3, 4, 8):
                size = (height // scale, width // scale)
                exact = height % scale == width % scale == 0
                if exact and min(size) > 3 and size not in seen and len(seen) < 64:
                    seen.add(size)
                    yield size
