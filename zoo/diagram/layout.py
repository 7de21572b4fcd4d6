"""Where everything stands: rows of layers in columns, and the links beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from zoo.diagram.folding import Block, blocks_of
from zoo.layers.base import INPUT
from zoo.network import Network
from zoo.shapes import Shape

__all__ = ["Frame", "Layout", "Link", "Row", "lay_out"]

_TALLEST = 46
"""Rows of a column, about."""
_WIDEST_ARC = 24
"""Rows that an arc spans at most; longer links are words."""


@dataclass
class Row:
    """One layer (or the input, index -1) in the drawing.

    Attributes
    ----------
    index : int
    kind : str
    text : str
        What the layer is, in a few words.
    shape : Shape
    column, place : int
        Where it stands.
    tags : list of str
        Links that are too long for a line: "+ 12".
    is_output : bool
    """

    index: int
    kind: str
    text: str
    shape: Shape
    column: int = 0
    place: float = 0
    tags: list[str] = field(default_factory=list)
    is_output: bool = False


@dataclass(frozen=True)
class Link:
    """A line from one row to another of the same column, beside the boxes."""

    source: int
    target: int
    lane: int


@dataclass(frozen=True)
class Frame:
    """Around rows [first, last] that are repeated."""

    first: int
    last: int
    times: int
    stop: int


@dataclass
class Layout:
    """Rows in order, links and frames by positions in ``rows``.

    ``breaks`` are the rows that do not follow from the one above them.
    """

    rows: list[Row]
    links: list[Link]
    frames: list[Frame]
    breaks: set[int]
    columns: int
    tallest: float


def lay_out(network: Network, height: int, width: int) -> Layout:
    """Place the layers of a network, for pictures of one size."""
    shapes = network.shapes(height, width)
    blocks = blocks_of(network, shapes)
    entry = Shape(height, width, network.pixels.channels)
    rows = [Row(INPUT, "input", "input", entry)]
    row_of = {INPUT: 0}
    frames = []
    for block in blocks:
        first = len(rows)
        for index in range(block.start, block.start + block.size):
            # All repetitions stand for one another.
            for again in range(block.times):
                row_of[index + again * block.size] = len(rows)
            kind = network.canonical_kinds[index]
            text = describe(network, index)
            rows.append(Row(index, kind, text, shapes[index]))
        if block.times > 1:
            frames.append(Frame(first, len(rows) - 1, block.times, block.stop))
    for index in network.outputs:
        rows[row_of[index]].is_output = True
    columns, tallest = _place(rows, frames)
    links, breaks = _link(network, rows, row_of, blocks)
    return Layout(rows, links, frames, breaks, columns, tallest)


def _place(rows: list[Row], frames: list[Frame]) -> tuple[int, float]:
    """Give every row its column and place, in columns of about one height."""
    least = max(1, math.ceil(len(rows) / _TALLEST))
    room = len(rows) / least
    while True:
        columns, tallest = _fill(rows, frames, room)
        if columns <= least:
            return columns, tallest
        room += 0.5


def _fill(rows: list[Row], frames: list[Frame], room: float) -> tuple[int, float]:
    """Fill columns of so many rows one after the other; frames stay whole."""
    starts = {frame.first: frame for frame in frames}
    ends = {frame.last for frame in frames}
    column, place, tallest = 0, 0.0, 0.0
    for number, row in enumerate(rows):
        gap = 0.6 if number in starts else 0.0
        needed = 1.0
        if number in starts:
            needed = min(starts[number].last - number + 1, room)
        if place and place + gap + needed > room:
            column, place = column + 1, 0.0
        place += gap
        row.column, row.place = column, place
        place += 1
        if number in ends:
            place += 0.5
        tallest = max(tallest, place)
    return column + 1, tallest


def _link(
    network: Network, rows: list[Row], row_of: dict[int, int], blocks: list[Block]
) -> tuple[list[Link], set[int]]:
    """Lines and words for what does not come from the row above."""
    start_of = {
        index: block for block in blocks for index in range(block.start, block.stop)
    }
    wanted: list[tuple[int, int]] = []
    breaks: set[int] = set()
    for at, row in enumerate(rows):
        if row.index == INPUT:
            continue
        sources = network.sources[row.index]
        if row.index - 1 not in sources:
            breaks.add(at)
        for source in sources:
            if source == row.index - 1:
                continue
            block = start_of[row.index]
            from_row = row_of[source]
            if from_row >= at:  # of the repetition before: where the block begins
                from_row = row_of[block.start] - 1
            if rows[from_row].column == row.column and at - from_row <= _WIDEST_ARC:
                wanted.append((from_row, at))
            else:
                name = "input" if source == INPUT else str(source)
                row.tags.append(name)
    return _lanes(wanted), breaks


def _lanes(wanted: list[tuple[int, int]]) -> list[Link]:
    """Put lines side by side where they would cover one another; short ones inside."""
    links: list[Link] = []
    for source, target in sorted(wanted, key=lambda pair: pair[1] - pair[0]):
        lane = 0
        while any(
            link.lane == lane and link.source < target and source < link.target
            for link in links
        ):
            lane += 1
        links.append(Link(source, target, lane))
    return links


def describe(network: Network, index: int) -> str:
    """A layer in a few words: "conv 3x3 64 /2 mish"."""
    kind = network.canonical_kinds[index]
    layer = network[index]

    def get(name: str, default: object = None) -> object:
        return getattr(layer, name, default)

    words = [{"convolutional": "conv", "deconvolutional": "deconv"}.get(kind, kind)]
    if get("size"):
        words.append(f"{get('size')}x{get('size')}")
    if kind in ("convolutional", "deconvolutional", "local"):
        words.append(str(get("filters")))
    if get("output") and kind not in ("convolutional",):
        words.append(str(get("output")))
    strides = get("strides")
    step = max(strides) if isinstance(strides, tuple) else get("stride", 1)
    if isinstance(step, int) and step != 1:
        words.append(
            f"/{step}" if kind not in ("upsample", "deconvolutional") else f"x{step}"
        )
    if isinstance(get("groups"), int) and get("groups") != 1:
        words.append(f"{get('groups')} groups")
    if isinstance(get("dilation"), int) and get("dilation") != 1:
        words.append(f"dilation {get('dilation')}")
    scale = get("scale")
    if kind == "shuffler" and scale:
        words.append(f"x{scale}")
    if get("batch_normalize"):
        words.append("bn")
    function = get("activation", "linear")
    if function != "linear":
        words.append(str(function))
    return " ".join(words)
