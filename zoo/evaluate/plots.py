"""Scores as pictures: bars by network and set, and quality against time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.charts import Bars, Line, Panel, save
from zoo.evaluate.contest import Result

__all__ = ["panels_of", "save_plot"]


def save_plot(results: Sequence[Result], path: Path) -> None:
    """Draw results into a .png file.

    Raises
    ------
    ImageError
        If the suffix is of no picture format.
    ZooError
        If the file cannot be written.
    """
    save(panels_of(results), path)


def panels_of(results: Sequence[Result]) -> list[Panel | Bars]:
    """Bars by network and set, and quality against time."""
    metric = next(iter(results[0].scores.means))
    unit = "dB" if metric == "psnr" else metric
    sets = list(dict.fromkeys(result.set_name for result in results))
    names = list(dict.fromkeys(_label(result) for result in results))
    found = {(_label(r), r.set_name): r for r in results}
    protocol = results[0].scores.protocol
    bars = Bars(
        title=f"{metric}: {protocol}",
        groups=sets,
        names=names,
        values=[
            [
                found[name, of].scores.means[metric] if (name, of) in found else None
                for of in sets
            ]
            for name in names
        ],
        y_name=unit,
    )
    points = [
        Line(
            f"{_label(result)} {result.set_name}",
            [1000 * result.seconds],
            [result.scores.means[metric]],
        )
        for result in results
        if result.seconds > 0
    ]
    time = Panel(
        title=f"{metric} against time for a picture",
        x_name="ms",
        y_name=unit,
        lines=points,
        log_x=True,
    )
    return [bars, time]


def _label(result: Result) -> str:
    return f"{result.entrant} x{result.scores.scale}"
