"""From a graph to the text of a cfg and its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import WeightsError
from zoo.graphs.account import account
from zoo.graphs.check import check
from zoo.graphs.completion import add_margin, add_residual, margin_of, rescale
from zoo.graphs.draft import Draft
from zoo.graphs.errors import Damaged, Refused, Untranslatable, WrongSize
from zoo.graphs.graph import Graph, GraphInput
from zoo.graphs.inputs import (
    channels_of,
    check_settings,
    fixed_sizes,
    layouts_of,
    others_of,
    picture_of,
)
from zoo.graphs.passes import simplify
from zoo.graphs.picture_keys import Assumed, color_of, range_of
from zoo.graphs.sections import write
from zoo.graphs.sizes import Survey, survey
from zoo.graphs.trace import trace
from zoo.shapes import Shape

__all__ = ["NORMALIZED", "Translation", "translate"]

NORMALIZED = "normalized"
"""As ``result``: it is like the picture after its mean is subtracted, and divided."""


@dataclass
class Translation:
    """A network that was a graph.

    Attributes
    ----------
    sections : list of (kind, keys)
        [net] first.
    tensors : dict of str to ndarray, float32
        By the network's names.
    uses : list of (name, shape, use, where)
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
    gain : float
        What the graph's result is multiplied with.
    """

    sections: list[tuple[str, dict[str, Any]]]
    tensors: dict[str, NDArray[np.float32]]
    uses: list[tuple[str, tuple[int, ...], str, str]]
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
    gain: float = 1.0


def translate(graph: Graph, settings: Mapping[str, str] | None = None) -> Translation:
    """Translate a graph into sections and weights.

    Parameters
    ----------
    graph : Graph
    settings : mapping of str to str, optional
        range, result, color, output, pad, residual, and values of inputs beside the
        picture.

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
    check_settings(graph, settings)
    picture = picture_of(graph)
    others = others_of(graph, picture, settings)
    output = settings.get("output")
    notes = list(graph.notes)
    if output is None and len(graph.outputs) > 1:
        output = _largest(graph, picture, others)
        rest = [name for name in graph.outputs if name != output]
        notes.append(
            f"it has {len(graph.outputs)} outputs, of which {output!r} was taken, the "
            f"largest; the others are {', '.join(rest)} (zoo convert --output NAME, "
            f"zoo run --set output=NAME)"
        )
    output = output or graph.outputs[0]
    stated_constants: set[str] = set()
    found, layout = _survey(graph, picture, others, output, stated_constants)
    return _finish(
        graph, settings, picture, others, output, notes, found, layout, stated_constants
    )


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
    for layout in layouts_of(item):
        attempt = _attempt(graph, item, others, output, layout, stated)
        for channels in channels_of(graph, item, layout):
            try:
                fixed = fixed_sizes(graph, item, layout)
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
    told = {**draft.hints, **draft.net}
    net["range"] = range_of(settings, item, told, assumed, stated)
    net["color"] = color_of(settings, shape.channels, told, assumed, stated)
    net |= draft.net
    entry: dict[str, Any] = {}
    if found.fixed:
        net = {"height": shape.height, "width": shape.width, **net}
        entry = {"height": shape.height, "width": shape.width}
        notes.append(f"it works only at {shape.height}x{shape.width}")
    elif found.multiple > 1:
        entry = {"multiple": found.multiple}
        notes.append(f"it works only at multiples of {found.multiple}")
    margin = margin_of(settings, found, notes)
    if margin:
        mode = settings.get("pad", "reflect")
        if "pad" in settings:
            stated["pad"] = mode
        else:
            assumed.append(
                Assumed("pad", mode, f"{margin} pixels at each side are missing after")
            )
        add_margin(draft, margin, mode)
    if len(found.rows) > 1:
        (a, b), _, (c, d), *_ = found.rows
        stated["scale"] = round((d - b) / (c - a), 6)
    if "residual" in settings:
        stated["residual"] = settings["residual"]
        add_residual(draft, settings["residual"], stated.get("scale", 0.5))
    gain = 1.0
    if settings.get("result") == NORMALIZED:
        net["denormalize"] = True
        stated["result"] = NORMALIZED
    elif "result" in settings:
        gain = rescale(draft, net["range"], settings["result"])
        stated["result"] = net["range"] / gain
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
        gain,
    )
