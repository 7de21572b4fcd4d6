"""What the text of a cfg is taken apart into: sections and their entries."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from zoo.errors import CfgError

__all__ = ["Entry", "Section", "fingerprint", "short", "warn"]


@dataclass(frozen=True)
class Entry:
    """One "key=value" line.

    Attributes
    ----------
    key, value : str
        Without surrounding blanks; ``$name`` in the value is already replaced.
    line : int
        Line number, from 1; 0 if it came from no text.
    text : str, optional
        The value as written, where that differs.
    """

    key: str
    value: str
    line: int = 0
    text: str | None = None


@dataclass(frozen=True)
class Section:
    """One "[kind]" with its entries.

    Attributes
    ----------
    kind : str
        The name between the brackets.
    line : int
        Line number of the brackets, from 1.
    entries : tuple of Entry
        In the order of the text, repeated keys included.
    source : str
        File name, or another name of the text.
    variables : frozenset of str
        Keys that other sections refer to as ``$name``; only [net] has some.
        Such a key needs no declaration.
    """

    kind: str
    line: int = 0
    entries: tuple[Entry, ...] = ()
    source: str = "<text>"
    variables: frozenset[str] = frozenset()

    def error(self, message: str, key: str | None = None) -> CfgError:
        """Make a CfgError that names the section, and the line of a key if given."""
        line = self.line
        for entry in self.entries:
            if entry.key == key:
                line = entry.line
                break
        return CfgError(f"[{self.kind}] {message}", self.source, line)


def fingerprint(sections: Iterable[Section]) -> str:
    """Hash what sections say, whatever their comments, spacing and order of keys.

    Returns
    -------
    str
        SHA-256 in hexadecimal: kinds in order, the entries of each sorted by key,
        values without blanks, the first of repeated keys only.
    """
    content = []
    for section in sections:
        entries: dict[str, str] = {}
        for entry in section.entries:
            entries.setdefault(entry.key, "".join(entry.value.split()))
        content.append([section.kind, sorted(entries.items())])
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def short(text: str) -> str:
    """Enough of a text to recognise it in a message."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def warn(message: str) -> None:
    """Say what lenient reading passes over; file:line is in the message."""
    warnings.warn(message, UserWarning, stacklevel=3)
