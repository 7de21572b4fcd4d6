"""MXNet's graph (``-symbol.json``): nodes with texts for attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from zoo.errors import ReaderError
from zoo.parsers._json import read_json
from zoo.parsers._pickle_values import quoted

__all__ = ["MxNode", "Symbol", "read_symbol"]

_MAX_BYTES: Final = 16 << 20
_MAX_ITEMS: Final = 64
_WHAT: Final = "an MXNet symbol"


@dataclass(frozen=True)
class MxNode:
    """One node.

    Attributes
    ----------
    op : str
        MXNet's name; "null" for a variable.
    name : str
        Unique in the graph.
    inputs : tuple of (int, int)
        Which node, and which of its outputs.
    attrs : mapping of str to str
        As in the file.
    """

    op: str
    name: str
    inputs: tuple[tuple[int, int], ...] = ()
    attrs: Mapping[str, str] = field(default_factory=dict)

    def error(self, reason: str) -> ReaderError:
        """Make an error that names the node."""
        return ReaderError(
            f"{reason} in {self.op} {quoted(self.name)}; the symbol is damaged"
        )

    def text(self, key: str, default: str = "") -> str:
        """An attribute as text."""
        return self.attrs.get(key, default)

    def flag(self, key: str, default: bool = False) -> bool:
        """An attribute that is True or False, 1 or 0."""
        text = self.attrs.get(key)
        if text is None or text == "None":
            return default
        if text.lower() in ("true", "1", "false", "0"):
            return text.lower() in ("true", "1")
        raise self.error(f"{key} is {quoted(text)}, neither True nor False")

    def number(self, key: str, default: float = 0.0) -> float:
        """An attribute that is a number."""
        text = self.attrs.get(key)
        if text is None or text == "None":
            return default
        try:
            return float(text[:60])
        except ValueError:
            raise self.error(f"{key} is {quoted(text)}, not a number") from None

    def integer(self, key: str, default: int = 0) -> int:
        """An attribute that is a whole number."""
        value = self.number(key, default)
        if not float(value).is_integer():
            raise self.error(f"{key} is {value}, not a whole number")
        return int(value)

    def integers(self, key: str) -> tuple[int | None, ...]:
        """An attribute that lists whole numbers, or None; () if it is not there."""
        text = self.attrs.get(key, "").strip()
        if text in ("", "None"):
            return ()
        items = text.strip("()[]").split(",")
        if len(items) > _MAX_ITEMS:
            raise self.error(f"{key} has {len(items)} items")
        values: list[int | None] = []
        for item in items:
            word = item.strip()
            if re.fullmatch(r"-?\d{1,18}L?", word):  # Python 2 wrote 1L
                values.append(int(word.rstrip("L")))
            elif word == "None":
                values.append(None)
            elif word:
                raise self.error(f"{key} is {quoted(text)}, not whole numbers")
        return tuple(values)

    def pair(self, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """An attribute that lists whole numbers, without None."""
        values = self.integers(key)
        found = tuple(value for value in values if value is not None)
        if len(found) != len(values):
            raise self.error(f"{key} has an item that is None")
        return found or default


@dataclass(frozen=True)
class Symbol:
    """A graph.

    Attributes
    ----------
    source : str
    nodes : sequence of MxNode
        Each reads only from those before it.
    heads : sequence of (int, int)
        The outputs: which node, and which of its outputs.
    """

    source: str
    nodes: Sequence[MxNode]
    heads: Sequence[tuple[int, int]]


def read_symbol(path: Path) -> Symbol:
    """Read a ``-symbol.json``.

    Raises
    ------
    ReaderError
        If it is none, is damaged, or a node reads one that comes later.
    """
    data = read_json(path, _MAX_BYTES, _WHAT)
    items, heads = data.get("nodes"), data.get("heads") or data.get("head")
    if not isinstance(items, list) or not isinstance(heads, list) or not items:
        raise ReaderError(
            f"{path}: this is no MXNet symbol: nodes or heads are missing"
        )
    nodes: list[MxNode] = []
    names: set[str] = set()
    for index, item in enumerate(items):
        node = _node(item, index, path)
        name = node.name
        if name in names or not name:
            name = f"{name}@{index}"
        if name in names:
            raise ReaderError(f"{path}: two nodes are called {quoted(name)}")
        names.add(name)
        nodes.append(MxNode(node.op, name, node.inputs, node.attrs))
    outputs = [_entry(item, len(nodes), f"{path}: heads") for item in heads]
    return Symbol(str(path), nodes, outputs)


def _node(item: Any, index: int, path: Path) -> MxNode:
    where = f"{path}: node {index}"
    if not isinstance(item, dict):
        raise ReaderError(f"{where} is no JSON object; the symbol is damaged")
    op, name = item.get("op"), item.get("name")
    if not isinstance(op, str) or not isinstance(name, str):
        raise ReaderError(f"{where} has no op or no name; the symbol is damaged")
    attrs: dict[str, str] = {}
    for key in ("attr", "param", "attrs"):  # the newest spelling last
        found = item.get(key) or {}
        if not isinstance(found, dict):
            raise ReaderError(f"{where}: its {key} is no JSON object")
        attrs.update((name, str(value)) for name, value in found.items())
    inputs = item.get("inputs") or []
    if not isinstance(inputs, list):
        raise ReaderError(f"{where}: its inputs are no list; the symbol is damaged")
    entries = tuple(_entry(entry, index, where) for entry in inputs)
    return MxNode(op, name, entries, attrs)


def _entry(item: Any, limit: int, where: str) -> tuple[int, int]:
    """Read [node, output, version] of an earlier node."""
    if (
        not isinstance(item, list)
        or len(item) < 2
        or not all(type(part) is int and part >= 0 for part in item[:2])
        or item[0] >= limit
        or item[1] >= 1 << 16
    ):
        shown = str(item)[:60]
        raise ReaderError(
            f"{where}: {shown} is no output of an earlier node; the symbol is damaged"
        )
    return item[0], item[1]
