"""Measurements as tables, charts and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import charts
from zoo.charts import Line, Panel
from zoo.tables import mebibytes, table

if TYPE_CHECKING:
    from zoo.bench.kernels import KernelRow
    from zoo.bench.layers import LayerRow
    from zoo.bench.results import NetReport, Result
    from zoo.bench.timing import Stats

__all__ = [
    "duration",
    "kernels_panels",
    "kernels_text",
    "layers_panels",
    "layers_text",
    "machine_line",
    "net_panels",
    "net_text",
    "save_plot",
    "times",
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
            times(ratios.get(result.name)),
            times(cold_ratios.get(result.name)),
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


def times(ratio: float | None) -> str:
    """How many times as fast; empty where that is not known."""
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
    charts.save(panels, path, width=1100)


# -- layers ----------------------------------------------------------------


def layers_text(rows: Sequence[LayerRow]) -> str:
    """A table of the cases, a column for each entrant."""
    places = {key: at for at, key in enumerate(dict.fromkeys(map(_layer_key, rows)))}
    rows = sorted(rows, key=lambda row: (places[_layer_key(row)], row.threads))
    names = list(dict.fromkeys(name for row in rows for name in row.seconds))
    header = ("case", "input", "direction", "threads", *names, "zoo is", "spread")
    cells = []
    for row in rows:
        if not row.seconds:
            continue
        ratio = row.ratio()
        spread = max(stats.spread for stats in row.seconds.values())
        cells.append(
            (
                row.case.name,
                "x".join(map(str, row.case.input)),
                row.direction + ("" if row.in_turn else " *"),
                str(row.threads),
                *(_duration_of(row.seconds.get(name)) for name in names),
                times(ratio),
                f"{100 * spread:.0f} %",
            )
        )
    lines = []
    if cells:
        lines = [table(header, cells, "lllr" + "r" * (len(names) + 2))]
        lines.append(
            "medians; zoo is so many times as fast as the fastest of the others; "
            "spread is the largest of the row"
        )
    if not all(row.in_turn for row in rows):
        lines.append("* one after the other, for memory does not hold all at once")
    versions = {name: v for row in rows for name, v in row.versions.items()}
    lines += [f"{name}: {version}" for name, version in versions.items()]
    problems: dict[str, str] = {}
    for row in rows:
        for name, problem in row.problems.items():
            problems.setdefault(
                f"{name}: {problem}", f"{row.case.name} {row.direction}"
            )
    lines += [f"{problem} (at {where})" for problem, where in problems.items()]
    lines += [
        f"{row.case.name} {row.direction}: {name} gives another result "
        f"(error {error:.2g})"
        for row in rows
        for name, error in row.errors.items()
        if not row.agrees and error == max(row.errors.values())
    ]
    return "\n".join(lines)


def _layer_key(row: LayerRow) -> tuple[str, str]:
    return row.case.name, row.direction


def layers_panels(rows: Sequence[LayerRow]) -> list[Panel]:
    """A chart for each case and direction: seconds over threads."""
    groups: dict[tuple[str, str], list[LayerRow]] = {}
    for row in rows:
        if row.seconds:
            groups.setdefault(_layer_key(row), []).append(row)
    panels = []
    for (case, direction), members in groups.items():
        names = dict.fromkeys(name for row in members for name in row.seconds)
        lines = [
            Line(
                name,
                [float(row.threads) for row in members if name in row.seconds],
                [r.seconds[name].median for r in members if name in r.seconds],
            )
            for name in names
        ]
        panels.append(Panel(f"{case}, {direction}", "threads", "seconds", lines, True))
    return panels


# -- kernels ---------------------------------------------------------------


def kernels_text(rows: Sequence[KernelRow]) -> str:
    """A table of the ways to do each operation."""
    header = (
        *("operation", "back end", "isa", "algorithm", "threads"),
        *("median", "spread", "rate", "error"),
    )
    cells = [
        (
            row.case.name,
            row.back_end,
            row.isa,
            row.algorithm + (" (own choice)" if row.algorithm and row.chosen else ""),
            str(row.threads),
            duration(row.seconds.median),
            f"{100 * row.seconds.spread:.0f} %",
            f"{row.rate:,.1f} {'GFLOP' if row.case.kind == 'conv' else 'GB'}/s",
            f"{row.error:.1e}",
        )
        for row in rows
    ]
    return table(header, cells, "llllrrrrr")


def kernels_panels(rows: Sequence[KernelRow]) -> list[Panel]:
    """A chart for each operation: rate over threads."""
    panels = []
    for name in dict.fromkeys(row.case.name for row in rows):
        lines: dict[str, list[KernelRow]] = {}
        for row in rows:
            if row.case.name == name:
                label = " ".join(filter(None, (row.isa or "numpy", row.algorithm)))
                lines.setdefault(label, []).append(row)
        is_conv = next(iter(lines.values()))[0].case.kind == "conv"
        panels.append(
            Panel(
                name,
                "threads",
                "GFLOP/s" if is_conv else "GB/s",
                [
                    Line(label, [float(r.threads) for r in ms], [r.rate for r in ms])
                    for label, ms in lines.items()
                ],
            )
        )
    return panels
