"""One HTML file with everything in it, to be opened from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo._version import __version__
from zoo.files import atomic_write
from zoo.page import parts
from zoo.page.blocks import Blocks
from zoo.view.sheet import Sheet, sheet_facts

__all__ = ["Album"]


class Album:
    """Sheets that become one page.

    Parameters
    ----------
    title : str
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self._blocks = Blocks()
        self._sheets: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._sheets)

    def add(self, sheet: Sheet) -> None:
        """Add a sheet.

        Raises
        ------
        PageFull
            If the page would hold more than :data:`zoo.page.blocks.MOST_BYTES`.
        """
        self._blocks.require_room(sum(item.values.nbytes for item in sheet.items))
        facts = sheet_facts(
            sheet, lambda item: self._blocks.add(item.values, item.values.shape[3])
        )
        self._sheets.append(facts)

    def write(self, path: str | Path) -> None:
        """Write the file.

        Raises
        ------
        ZooError
            If it cannot be written.
        """
        facts = parts.as_json({"sheets": self._sheets})
        body = [
            f"<main><header><h1>{parts.safe(self.title)}</h1></header></main>",
            '<noscript><p class="bad">This page needs JavaScript, its own.</p></noscript>',
            f'<script type="application/json" id="facts">{facts}</script>',
            self._blocks.html(),
        ]
        text = parts.page(
            f"{self.title} - zoo {__version__}",
            body,
            styles=parts.style("base", "viewer"),
            scripts=parts.script("view"),
        )
        with atomic_write(path) as file:
            file.write(text.encode("utf-8"))
