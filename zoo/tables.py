"""Numbers, names and tables as plain text for people."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["count", "mebibytes", "printable", "printable_lines", "table"]

# What moves the cursor, clears the screen, ends a line or turns the direction of
# writing (Trojan Source, CVE-2021-42574), and halves of characters, which no
# encoding takes.
_CONTROLS = (
    "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
)
_CONTROL = re.compile(f"[{_CONTROLS}]")


def printable(text: str) -> str:
    """A text from a file or a name, on one line: control characters are escaped.

    A backslash is left alone, so that Windows paths stay readable.
    """
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)


def printable_lines(text: str) -> str:
    """The same, but lines stay lines."""
    return "\n".join(map(printable, text.split("\n")))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Lay out rows in columns of equal width, two blanks between them.

    Parameters
    ----------
    header : sequence of str
        One word per column.
    rows : sequence of sequence of str
        As many cells each as the header has; control characters are escaped.
    align : str, optional
        A letter per column: "l" or "r"; left by default.
    """
    lines = [list(header), *([printable(cell) for cell in row] for row in rows)]
    sides = align.ljust(len(header), "l")
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(line, widths, sides, strict=True)
        ).rstrip()
        for line in lines
    )


def count(number: int) -> str:
    """A whole number with a comma every three digits."""
    return f"{number:,}"


def mebibytes(size: int) -> str:
    """Bytes as MiB, with three digits that matter."""
    value = size / 2**20
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
