"""Numbers and tables as plain text for people."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["count", "mebibytes", "table"]


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str = "") -> str:
    """Lay out rows in columns of equal width, two blanks between them.

    Parameters
    ----------
    header : sequence of str
        One word per column.
    rows : sequence of sequence of str
        As many cells each as the header has.
    align : str, optional
        A letter per column: "l" or "r"; left by default.
    """
    lines = [list(header), *(list(row) for row in rows)]
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
