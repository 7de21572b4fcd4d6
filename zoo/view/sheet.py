"""Sheets: items that are looked at together, as the page's script wants them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.evaluate.presets import Protocol
from zoo.evaluate.protocol import METRICS
from zoo.run.names import told_apart
from zoo.run.slices import limits_of
from zoo.tables import printable
from zoo.view.groups import Group
from zoo.view.item import Item, read_item
from zoo.view.scores import scored

__all__ = ["Sheet", "item_facts", "sheet_facts", "sheet_of"]


@dataclass(frozen=True)
class Sheet:
    """Items of one kind, named apart, with scores.

    Attributes
    ----------
    name : str
    items : list of Item
    notes : list of str
        What is to be known of them, a line each.
    """

    name: str
    items: list[Item]
    notes: list[str]


def sheet_of(
    group: Group, *, scale: int | None = None, protocol: Protocol | None = None
) -> Sheet:
    """Read what a group names, and measure it.

    Raises
    ------
    ImageError
        If a file cannot be read.
    UsageError
        If pictures and volumes are mixed.
    """
    paths = [*group.paths, *([] if group.reference is None else [group.reference])]
    items = [read_item(path) for path in paths]
    if len({item.kind for item in items}) > 1:
        raise UsageError(f"{group.name}: pictures and volumes are not shown together")
    largest = max(item.size for item in items)
    named = [
        replace(
            item,
            name=name,
            role="reference"
            if path is group.reference
            else "before"
            if item.size < largest
            else "result",
        )
        for item, path, name in zip(items, paths, told_apart(paths), strict=True)
    ]
    named, notes = scored(named, scale, protocol)
    notes += [note for item in named for note in item.notes]
    return Sheet(group.name, named, notes)


def item_facts(item: Item, where: dict[str, Any]) -> dict[str, Any]:
    """What the script must know of an item; ``where`` its values are."""
    mark = "reference; " if item.role == "reference" else ""
    return {
        "name": printable(item.name),
        "about": printable(mark + item.about),
        "role": item.role,
        "shape": list(item.values.shape),
        "dtype": item.values.dtype.name,
        "spacing": list(item.spacing),
        "white": item.white,
        "unit": item.white,
        "slope": item.slope,
        "intercept": item.intercept,
        "scores": item.scores,
        **where,
    }


def sheet_facts(
    sheet: Sheet, place: Callable[[Item], dict[str, Any]]
) -> dict[str, Any]:
    """What the script must know of a sheet.

    Parameters
    ----------
    sheet : Sheet
    place : callable
        Where an item's values are: {"block": 3}, or {"url": ...}.
    """
    first = sheet.items[0]
    whites = {item.white for item in sheet.items}
    low, high = 0.0, 1.0
    if first.kind == "volume":
        values = first.meant()
        low, high = limits_of(iter(values), values.size)
    ends = [_ends(item) for item in sheet.items]
    has_scores = any(item.scores for item in sheet.items)
    return {
        "name": printable(sheet.name),
        "kind": first.kind,
        "items": [item_facts(item, place(item)) for item in sheet.items],
        "metrics": list(METRICS) if has_scores else [],
        "notes": [printable(note) for note in sheet.notes],
        "low": low,
        "high": high if high > low else low + 1,
        "least": min(low, *(end[0] for end in ends)),
        "most": max(high, *(end[1] for end in ends)),
        "unit": whites.pop() if len(whites) == 1 else 1.0,
    }


def _ends(item: Item) -> tuple[float, float]:
    """The least and the largest value in units of the page; of whole pixels 0 and 1."""
    if item.kind == "picture" and item.values.dtype.kind != "f":
        return 0.0, 1.0
    finite = item.values[np.isfinite(item.values)] if item.size else item.values
    if not finite.size:
        return 0.0, 1.0
    ends = [
        (float(value) * item.slope + item.intercept) / item.white
        for value in (finite.min(), finite.max())
    ]
    return min(ends), max(ends)
