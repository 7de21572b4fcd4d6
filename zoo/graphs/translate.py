"""From a graph to the text of a cfg and its weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError, WeightsError, did_you_mean
from zoo.graphs.account import account
from zoo.graphs.check import check
from zoo.graphs.draft import Draft
from zoo.graphs.errors import Damaged, Refused, Untranslatable, WrongSize
from zoo.graphs.graph import Graph, GraphInput
from zoo.graphs.passes import simplify
from zoo.graphs.sections import write
from zoo.graphs.sizes import Survey, survey
from zoo.graphs.trace import trace
from zoo.shapes import Shape

__all__ = ["OPTIONS", "Assumed", "Translation", "translate"]

OPTIONS = ("range", "color", "output", "pad", "residual")
"""What a user may set beside the values of further inputs."""

_COMMON_CHANNELS = (3, 1, 4, 12, 48, 2, 6)


@dataclass(frozen=True)
class Assumed:
    """What the graph does not say.

    Attributes
    ----------
    option : str
    value : object
    reason : str
    """

    option: str
    value: Any
    reason: str


@dataclass
class Translation:
    """A network that was a graph.

    Attributes
    ----------
    sections : list of (kind, keys)
        [net] first.
    tensors : dict of str to ndarray, float32
        By the network's names.
    ledger : list of (name, shape, fate, where)
        For every constant of the graph.
    assumed : list of Assumed
    stated : dict of str to object
        What the graph, or the user, says: scale, output, range, color.
    notes : list of str
    fed : str
        The input that takes the picture.
    layout : str
        Its axes.
    output : str
        The output that was taken.
    others : dict of str to ndarray
        Values of all other inputs.
    margin : int
        Pixels that are added at each side before the network.
    """

    sections: list[tuple[str, dict[str, Any]]]
    tensors: dict[str, NDArray[np.float32]]
    ledger: list[tuple[str, tuple[int, ...], str, str]]
    assumed: list[Assumed]
    stated: dict[str, Any]
    notes: list[str]
    fed: str
    layout: str
    output: str
    others: dict[str, NDArray[Any]] = field(default_factory=dict)
    margin: int = 0
    multiple: int = 1
    fixed: tuple[int, int] | None = None


def translate(graph: Graph, settings: Mapping[str, str] | None = None) -> Translation:
    """Translate a graph into sections and weights.

    Parameters
    ----------
    graph : Graph
    settings : mapping of str to str, optional
        range, color, output, pad, residual, and values of inputs beside the picture.

    Raises
    ------
    WeightsError
        If it cannot be translated; says which operators stand in the way.
    UsageError
        If a setting is unknown or missing.
    """
    settings = dict(settings or {})
    try:
        check(graph)
        return _translate(graph, settings)
    except Untranslatable as error:
        raise WeightsError(f"{graph.source}: zoo has no layer for {error}") from None
    except Refused as error:
        raise WeightsError(f"{graph.source}: {error}") from None
    except WrongSize as error:
        raise WeightsError(
            f"{graph.source}: it works at no size tried: {error}"
        ) from None
    except Damaged as error:
        raise WeightsError(f"{graph.source}: the graph is damaged: {error}") from None


def _translate(graph: Graph, settings: dict[str, str]) -> Translation:
    _known(graph, settings)
    picture = _picture(graph)
    others = _others(graph, picture, settings)
    output = settings.get("output")
    notes = list(graph.notes)
    if output is None and len(graph.outputs) > 1:
        output = _largest(graph, picture, others)
        rest = [name for name in graph.outputs if name != output]
        notes.append(
            f"it has {len(graph.outputs)} outputs, of which {output!r} was taken, the "
            f"largest; the others are {', '.join(rest)} (--set output=NAME)"
        )
    output = output or graph.outputs[0]
    stated_constants: set[str] = set()
    found, layout = _survey(graph, picture, others, output, stated_constants)
    return _finish(
        graph, settings, picture, others, output, notes, found, layout, stated_constants
    )


# -- inputs and outputs ---------------------------------------------------------


def _known(graph: Graph, settings: Mapping[str, str]) -> None:
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


def _picture(graph: Graph) -> GraphInput:
    """The input that takes the picture."""
    likely = [item for item in graph.inputs if _rank(item) in (3, 4)]
    likely = [item for item in likely if not _is_small(item)] or likely
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


def _others(
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


def _layouts(item: GraphInput) -> list[str]:
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


def _channels(graph: Graph, item: GraphInput, layout: str) -> list[int]:
    """Numbers of channels that the input may have, the likeliest first."""
    if item.shape is not None:
        declared = item.shape[layout.index("C")]
        if declared is not None:
            return [declared]
    return list(_COMMON_CHANNELS)


def _fixed_sizes(
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


def _attempt(
    graph: Graph,
    item: GraphInput,
    others: Mapping[str, Any],
    output: str,
    layout: str,
    stated: set[str],
) -> Any:
    known: dict[str, Any] = {}

    def attempt(shape: Shape, writes: bool) -> tuple[Draft, Counter[str]]:
        tracer = trace(
            graph, shape, layout=layout, fed=item.name, others=others, output=output
        )
        stated.update(tracer.stated)
        for node, numbers in tracer.branches.items():
            if known.setdefault(node, numbers) != numbers:
                raise Refused(f"it branches on the picture's size (node {node})")
        if not tracer.problems:
            try:
                simplify(tracer.draft)
            except Untranslatable as error:
                tracer.problems[str(error)] += 1
            else:
                if writes:
                    tracer.problems.update(write(tracer.draft, {}, {}).problems)
        return tracer.draft, tracer.problems

    return attempt


def _survey(
    graph: Graph,
    item: GraphInput,
    others: Mapping[str, Any],
    output: str,
    stated: set[str],
) -> tuple[Survey, str]:
    wrong: Exception | None = None
    for layout in _layouts(item):
        attempt = _attempt(graph, item, others, output, layout, stated)
        for channels in _channels(graph, item, layout):
            try:
                fixed = _fixed_sizes(graph, item, layout)
                return survey(attempt, channels, fixed), layout
            except (WrongSize, Untranslatable) as error:
                wrong = wrong or error
    assert wrong is not None
    raise wrong


def _largest(graph: Graph, item: GraphInput, others: Mapping[str, Any]) -> str:
    """The output of most values; the first that is no worse."""
    sizes: dict[str, int] = {}
    for name in graph.outputs:
        try:
            found, _ = _survey(graph, item, others, name, set())
        except (WrongSize, Untranslatable):
            continue
        height, width, depth = found.shape
        made = found.draft.output.shape
        sizes[name] = (made.size << 16) // (height * width * depth)
    return max(sizes, key=lambda name: sizes[name]) if sizes else graph.outputs[0]


# -- the ends ---------------------------------------------------------------------


def _finish(
    graph: Graph,
    settings: Mapping[str, str],
    item: GraphInput,
    others: dict[str, NDArray[Any]],
    output: str,
    notes: list[str],
    found: Survey,
    layout: str,
    stated_constants: set[str],
) -> Translation:
    draft, shape = found.draft, found.shape
    net: dict[str, Any] = {"channels": shape.channels}
    assumed: list[Assumed] = []
    stated: dict[str, Any] = {}
    net["range"] = _range(settings, item, draft.net, assumed, stated)
    net["color"] = _color(settings, shape.channels, draft.net, assumed, stated)
    net |= draft.net
    entry: dict[str, Any] = {}
    if found.fixed:
        net = {"height": shape.height, "width": shape.width, **net}
        entry = {"height": shape.height, "width": shape.width}
        notes.append(f"it works only at {shape.height}x{shape.width}")
    elif found.multiple > 1:
        entry = {"multiple": found.multiple}
        notes.append(f"it works only at multiples of {found.multiple}")
    margin = _margin(graph, settings, found, notes)
    if margin:
        mode = settings.get("pad", "reflect")
        if "pad" in settings:
            stated["pad"] = mode
        else:
            assumed.append(
                Assumed("pad", mode, f"{margin} pixels at each side are missing after")
            )
        _with_margin(draft, margin, mode)
    if len(found.rows) > 1:
        (a, b), _, (c, d), *_ = found.rows
        stated["scale"] = round((d - b) / (c - a), 6)
    if "residual" in settings:
        stated["residual"] = settings["residual"]
        _with_residual(draft, settings["residual"], stated.get("scale", 0.5))
    sections = write(draft, net, entry)
    if sections.problems:
        raise Untranslatable("; ".join(sections.problems))
    origins = {
        **sections.origins,
        "[net] mean and std": draft.net_origins,
    }
    return Translation(
        sections.sections,
        sections.tensors,
        account(graph, sections.tensors, origins, stated_constants),
        assumed,
        stated,
        notes,
        item.name,
        layout,
        output,
        others,
        margin,
        found.multiple,
        shape[:2] if found.fixed else None,
    )


def _range(
    settings: Mapping[str, str],
    item: GraphInput,
    keys: Mapping[str, Any],
    assumed: list[Assumed],
    stated: dict[str, Any],
) -> float:
    if "range" in settings:
        try:
            stated["range"] = float(settings["range"])
        except ValueError:
            raise UsageError(f"range={settings['range']} is no number") from None
        return float(stated["range"])
    means, stds = keys.get("mean", (0.0,)), keys.get("std", (1.0,))
    if item.dtype == "uint8":
        stated["range"] = 255.0
        return 255.0
    if min(stds) > 40 or any(90 < mean < 130 for mean in means):
        assumed.append(
            Assumed("range", 255.0, "it divides by numbers, or takes means, of bytes")
        )
        return 255.0
    assumed.append(Assumed("range", 1.0, "as most are; no graph says it"))
    return 1.0


def _color(
    settings: Mapping[str, str],
    channels: int,
    keys: Mapping[str, Any],
    assumed: list[Assumed],
    stated: dict[str, Any],
) -> str:
    usual = {1: "y", 3: "rgb"}.get(channels, "any")
    if "color" in settings:
        if settings["color"] not in ("rgb", "bgr", "y", "any"):
            raise UsageError(
                f"color={settings['color']} is none of rgb, bgr, y and any"
            )
        stated["color"] = settings["color"]
        return settings["color"]
    means = keys.get("mean", ())
    if channels == 3 and len(means) == 3:
        red_first = means[0] > means[1] > means[2]
        blue_first = means[0] < means[1] < means[2]
        if red_first or blue_first:
            color = "rgb" if red_first else "bgr"
            assumed.append(Assumed("color", color, "by the order of the means"))
            return color
    if usual == "any":
        stated["color"] = "any"
    elif usual == "y":
        assumed.append(Assumed("color", "y", "one channel; it may be gray as well"))
    else:
        assumed.append(Assumed("color", "rgb", "as most are; no graph says it"))
    return usual


_LEAST_MARGIN = 7


def _margin(
    graph: Graph, settings: Mapping[str, str], found: Survey, notes: list[str]
) -> int:
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


def _with_margin(draft: Draft, margin: int, mode: str) -> None:
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


def _with_residual(draft: Draft, mode: str, scale: float) -> None:
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
