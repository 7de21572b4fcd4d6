"""The learning curve of a run, from its log."""

from __future__ import annotations

import warnings
from typing import Any

from zoo import charts
from zoo.charts import Line, Panel
from zoo.errors import ZooError
from zoo.train.run_folder import RunFolder

__all__ = ["draw_curve", "panels_of"]


def draw_curve(folder: RunFolder, cost: str, protocol: str = "") -> None:
    """Draw ``curve.png``; a picture that cannot be written costs only a warning.

    Parameters
    ----------
    folder : RunFolder
    cost : str
        What the loss is.
    protocol : str
        How the PSNR was measured, for the title.
    """
    panels = panels_of(folder.entries(), cost, protocol)
    if not panels:
        return
    try:
        charts.save(panels, folder.curve)
    except (ZooError, OSError) as error:
        warnings.warn(f"the learning curve is not drawn: {error}", stacklevel=2)


def panels_of(
    entries: list[dict[str, Any]], cost: str, protocol: str = ""
) -> list[Panel]:
    """Loss, and PSNR; a line for each set of pictures that was validated on."""
    losses: dict[str, list[tuple[float, float]]] = {cost: []}
    scores: dict[str, list[tuple[float, float]]] = {}
    name = "validation"
    for entry in entries:
        if "validation" in entry:
            name = f"validation from update {entry['update']}"
        if entry.get("loss") is not None:
            losses[cost].append((entry["update"], entry["loss"]))
        if entry.get("psnr") is not None:
            scores.setdefault(name, []).append((entry["update"], entry["psnr"]))
    panels = []
    for title, lines in (("loss", losses), ("PSNR dB", scores)):
        drawn = [
            Line(name, *zip(*points, strict=True))
            for name, points in lines.items()
            if points
        ]
        if drawn:
            head = protocol if title.startswith("PSNR") and protocol else "training"
            panels.append(Panel(head, "update", title, drawn))
    return panels
