"""Layers that repeat are shown once.

Layers i, ..., i + p - 1 are repeated n times where the next p layers, and so on, are of
the same kinds, keys and shapes and read what stands equally far before them. A layer
after the repetitions may read only the last one, or what is drawn would hide a link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.network import Network
from zoo.shapes import Shape

__all__ = ["Block", "blocks_of"]

_LONGEST = 48
"""Layers of the longest block that is looked for."""


@dataclass(frozen=True)
class Block:
    """Layers [start, start + size), ``times`` times in a row."""

    start: int
    size: int
    times: int = 1

    @property
    def stop(self) -> int:
        """The first layer after all repetitions."""
        return self.start + self.size * self.times


def blocks_of(network: Network, shapes: Sequence[Shape]) -> list[Block]:
    """All layers in order: single ones, and blocks that repeat."""
    marks = [_mark(network, shapes, index) for index in range(len(network))]
    readers: dict[int, list[int]] = {}
    for index, sources in enumerate(network.sources):
        for source in sources:
            readers.setdefault(source, []).append(index)
    found: list[Block] = []
    at = 0
    while at < len(network):
        best = Block(at, 1)
        for size in range(1, min(_LONGEST, (len(network) - at) // 2) + 1):
            times = _repetitions(marks, at, size)
            while times > 1 and not _is_closed(
                Block(at, size, times), network, readers
            ):
                times -= 1
            # What is saved, the smaller block first.
            if size * (times - 1) > best.size * (best.times - 1):
                best = Block(at, size, times)
        best = _turned(best, marks, network, readers)
        found += [Block(index, 1) for index in range(at, best.start)]
        found.append(best)
        at = best.stop
    return found


def _turned(
    block: Block,
    marks: Sequence[object],
    network: Network,
    readers: dict[int, list[int]],
) -> Block:
    """The same block begun a few layers later, if it ends with a sum then.

    People think of a residual block as what ends so.
    """
    for shift in range(block.size if block.times > 1 else 0):
        start = block.start + shift
        if network.canonical_kinds[start + block.size - 1] != "shortcut":
            continue
        turned = Block(start, block.size, _repetitions(marks, start, block.size))
        if turned.times >= block.times and _is_closed(turned, network, readers):
            return turned
    return block


def _mark(network: Network, shapes: Sequence[Shape], index: int) -> object:
    """What two layers have in common that may stand for each other."""
    entries = network.sections[index + 1].entries
    own = frozenset(
        (entry.key, "".join(entry.value.split()))
        for entry in entries
        if entry.key not in ("from", "layers", "index")
    )
    links = tuple(source - index for source in network.sources[index])
    return network.canonical_kinds[index], own, links, shapes[index]


def _repetitions(marks: Sequence[object], start: int, size: int) -> int:
    """How often the layers from ``start`` come in a row."""
    times = 1
    block = marks[start : start + size]
    while marks[start + times * size : start + (times + 1) * size] == block:
        times += 1
    return times


def _is_closed(block: Block, network: Network, readers: dict[int, list[int]]) -> bool:
    """Whether nothing but the last repetition is read from after the block.

    And nothing in it reads from further than the repetition before.
    """
    last = block.stop - block.size
    for index in range(block.start, last):
        if any(reader >= block.stop for reader in readers.get(index, ())):
            return False
        if index in network.outputs:
            return False
    return all(
        source >= index - (index - block.start) % block.size - block.size
        for index in range(block.start + block.size, block.stop)
        for source in network.sources[index]
    )
