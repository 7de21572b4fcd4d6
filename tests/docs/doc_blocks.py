"""Blocks of code in the documents, and the marks beside them; not a test."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["PAGES", "ROOT", "Block", "blocks_of"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>not run: [^\n]+|slow) -->\n)?```(?P<language>sh|python)\n"
    r"(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """Commands or Python of a page.

    ``line`` is that of its first line. ``reason`` says why it is not run, after a
    comment ``<!-- not run: REASON -->`` above it; ``is_slow`` is ``<!-- slow -->``.
    """

    language: str
    code: str
    line: int
    reason: str
    is_slow: bool


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page that a reader would run, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        mark = match["mark"] or ""
        line = text.count("\n", 0, match.start("code")) + 1
        reason = mark.removeprefix("not run: ") if mark != "slow" else ""
        found.append(
            Block(match["language"], match["code"], line, reason, mark == "slow")
        )
    return found
