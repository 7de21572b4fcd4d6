"""Measurements as tables, charts and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.charts import Line, Panel, draw
from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.tables import mebibytes, table

if TYPE_CHECKING:
    from zoo.bench.net import NetReport, Result
    from zoo.bench.timing import Stats

__all__ = [
    "duration",
    "machine_line",
    "net_panels",
    "net_text",
    "save_plot",
]


def duration(seconds: float) -> str:
    """Seconds with three digits that matter, in s, ms or us."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{_three(seconds * factor)} {unit}"
    return f"{_three(seconds * 1e6)} us"


def _three(value: float) -> str:
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def machine_line(machine: dict[str, Any]) -> str:
    """What it was measured on, in one line."""
    load = machine["load"]
    busy = f", load {load:.1f}" if load is not None else ""
    return (
        f"{machine['processor']}, {machine['processors']} processors{busy}; "
        f"Python {machine['python']}, NumPy {machine['numpy']}, zoo {machine['zoo']}"
    )


# -- networks --------------------------------------------------------------


def net_text(report: NetReport) -> str:
    """A table of the entrants, and what follows from it."""
    header = (
        *("engine", "version", "cold", "cold MiB", "warm", "min", "max", "spread"),
        *("GFLOP/s", "MiB", "after import", "error", "zoo is", "cold"),
    )
    ratios, cold_ratios = report.ratios(), report.cold_ratios()
    rows = [
        (
            result.name,
            result.version,
            _duration_of(result.cold),
            mebibytes(result.cold_peak) if result.cold_peak else "",
            *_warm_cells(report, result),
            _times(ratios.get(result.name)),
            _times(cold_ratios.get(result.name)),
        )
        for result in report.results
        if result.warm is not None or result.cold is not None
    ]
    lines = [table(header, rows, "ll" + "r" * (len(header) - 2))]
    lines += [
        f"{result.name}: {result.problem}"
        for result in report.results
        if result.problem
    ]
    lines += [
        f"{result.name}: {result.settings}"
        for result in report.results
        if result.settings
    ]
    lines += [
        f"{result.name}: its output is another one (error {result.error:.2g}); "
        f"its times do not count"
        for result in report.results
        if not result.agrees
    ]
    fastest = report.fastest_peer
    if fastest is not None:
        ratio = ratios[fastest.name]
        lines.append(f"zoo is {ratio:.2f} times as fast as the fastest peer, ")
        lines[-1] += f"{fastest.name} (medians of {_runs(report.ours)} runs in turn)"
    lines.append(
        f"{report.source}, {report.width}x{report.height}, {report.precision}, "
        f"threads: {report.threads}, {report.operations / 1e9:,.1f} GFLOP, "
        f"weights: {report.weights}"
    )
    return "\n".join(lines)


def _warm_cells(report: NetReport, result: Result) -> tuple[str, ...]:
    warm, peak = result.warm, result.peak
    if warm is None:
        return ("",) * 8
    net = peak - result.import_memory if peak and result.import_memory else None
    return (
        duration(warm.median),
        duration(warm.fastest),
        duration(warm.slowest),
        f"{100 * warm.spread:.0f} %",
        f"{report.operations / warm.median / 1e9:,.1f}",
        mebibytes(peak) if peak else "",
        mebibytes(net) if net is not None else "",
        f"{result.error:.1e}" if result.error is not None else "",
    )


def _duration_of(stats: Stats | None) -> str:
    return duration(stats.median) if stats is not None else ""


def _times(ratio: float | None) -> str:
    return f"{ratio:.2f}x" if ratio is not None else ""


def _runs(result: Result) -> int:
    return len(result.warm.samples) if result.warm is not None else 0


def net_panels(report: NetReport) -> list[Panel]:
    """Every run of every entrant: the medians and the noise at one sight."""
    title = f"{Path(report.source).name}, {report.width}x{report.height}"
    title += f", {report.precision}, threads: {report.threads}"
    return [
        Panel(
            title,
            "run",
            "seconds",
            [
                Line(
                    result.name,
                    [float(n + 1) for n in range(len(result.warm.samples))],
                    result.warm.samples,
                )
                for result in report.results
                if result.warm is not None
            ],
            log_y=True,
        )
    ]


# -- files -----------------------------------------------------------------


def save_plot(panels: Sequence[Panel], path: Path) -> None:
    """Draw charts into a picture file.

    Raises
    ------
    ImageError
        If the suffix is of no picture format that OpenCV writes.
    ZooError
        If the file cannot be written.
    """
    import cv2

    picture = draw(panels, width=1100)
    try:
        done, data = cv2.imencode(path.suffix or ".png", picture)
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"{str(path)!r}: charts are written as .png")
    with atomic_write(path) as file:
        file.write(data.tobytes())
