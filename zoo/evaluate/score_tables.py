"""Results as tables: for people, for spreadsheets, for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from zoo.evaluate.contest import Result
from zoo.tables import printable, table

__all__ = [
    "as_csv",
    "as_latex",
    "as_markdown",
    "as_text",
    "cells",
    "pictures_as_text",
    "protocol_lines",
]

# Heading and format of the metrics that have a usual one.
_COLUMNS = {
    "psnr": ("PSNR dB", ".2f"),
    "psnr_3d": ("PSNR 3-D dB", ".2f"),
    "psnr_in_mask": ("PSNR in mask dB", ".2f"),
    "psnr_zeros_outside": ("with zeros outside dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "ssim_uniform": ("SSIM uniform", ".4f"),
    "ssim_3d": ("SSIM 3-D", ".4f"),
    "flip": ("FLIP", ".4f"),
}


def _column(metric: str) -> tuple[str, str]:
    return _COLUMNS.get(metric, (metric, ".6g"))


def pictures_as_text(result: Result) -> str:
    """One result, picture by picture, with the means in the last row."""
    scores, left = result.scores, len(result.left_out)
    columns = {name: _column(name) for name in scores.means}
    heads = ["picture", *(head for head, _ in columns.values())]
    count = len(scores.scores)
    mean = f"mean of {count} of {count + left}" if left else "mean"
    rows = [
        [
            picture,
            *(
                format(values[name], columns[name][1]) if name in values else ""
                for name in columns
            ),
        ]
        for picture, values in (
            *((s.name, s.values) for s in scores.all),
            (mean, scores.means),
        )
    ]
    return table(heads, rows, "l" + "r" * len(columns))


def cells(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """A row for each entrant and scale, a group of columns for each set."""
    sets = list(dict.fromkeys(result.set_name for result in results))
    metrics = list(results[0].scores.means)
    keys = list(dict.fromkeys((r.entrant, r.scores.scale) for r in results))
    found = {(r.entrant, r.scores.scale, r.set_name): r for r in results}
    heads = ["network", "scale"]
    heads += [f"{name} {_column(metric)[0]}" for name in sets for metric in metrics]
    heads.append("s/picture")
    rows = []
    for entrant, scale in keys:
        row = [entrant, f"x{scale}"]
        own = [found.get((entrant, scale, name)) for name in sets]
        for result in own:
            for metric in metrics:
                value = None if result is None else result.scores.means[metric]
                mark = "*" if result is not None and result.left_out else ""
                text = "" if value is None else format(value, _column(metric)[1])
                row.append(text + mark)
        times = [result.seconds for result in own if result is not None]
        row.append(f"{sum(times) / len(times):.3g}")
        rows.append(row)
    return heads, rows


def protocol_lines(results: Sequence[Result]) -> list[str]:
    """How it was measured, where and with what, a line for each difference."""
    lines = list(dict.fromkeys(result.scores.protocol for result in results))
    for result in results:
        facts = result.facts
        if "backend" in facts:
            lines.append(
                f"{result.entrant}: {facts['backend']} ({facts['instruction_set']}, "
                f"threads {facts['threads']}), weights "
                f"{str(facts.get('weights_sha256', 'unknown'))[:12]}"
            )
    if any(result.left_out for result in results):
        lines.append("* incomplete, pictures were left out")
    return list(dict.fromkeys(map(printable, lines)))


def as_text(results: Sequence[Result]) -> str:
    """For a terminal."""
    heads, rows = cells(results)
    lines = [table(heads, rows, "ll" + "r" * (len(heads) - 2))]
    return "\n".join([*lines, *protocol_lines(results)])


def as_markdown(results: Sequence[Result]) -> str:
    """A table of GitHub's Markdown, and how it was measured below it."""
    heads, rows = cells(results)

    def line(cells: Sequence[str]) -> str:
        escaped = (printable(cell).replace("|", "\\|") for cell in cells)
        return f"| {' | '.join(escaped)} |"

    rule = ["---", "---", *["---:"] * (len(heads) - 2)]
    body = [line(heads), f"|{'|'.join(rule)}|", *map(line, rows)]
    return "\n".join([*body, "", *(f"{text}  " for text in protocol_lines(results))])


def as_latex(results: Sequence[Result]) -> str:
    """A tabular for booktabs."""
    heads, rows = cells(results)

    def line(cells: Sequence[str]) -> str:
        return " & ".join(_latex(printable(cell)) for cell in cells) + r" \\"

    return "\n".join(
        [
            *(f"% {text}" for text in protocol_lines(results)),
            rf"\begin{{tabular}}{{ll{'r' * (len(heads) - 2)}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *map(line, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def _latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
    special |= {"^": r"\textasciicircum{}"} | {char: f"\\{char}" for char in "&%$#_{}"}
    return "".join(special.get(char, char) for char in text)


def as_csv(results: Sequence[Result]) -> str:
    """A line for every picture of every entrant on every set, and one for the mean."""
    file = io.StringIO()
    metrics = list(results[0].scores.means)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(
        [
            "network",
            "set",
            "scale",
            "picture",
            *metrics,
            "protocol",
            "backend",
            "sha256",
        ]
    )
    for result in results:
        tail = [
            result.scores.protocol,
            result.facts.get("backend", ""),
            result.facts.get("weights_sha256", ""),
        ]
        head = [result.entrant, result.set_name, result.scores.scale]
        rows = [(score.name, score.values) for score in result.scores.all]
        for name, values in [*rows, ("mean", result.scores.means)]:
            found = (values.get(metric, "") for metric in metrics)
            writer.writerow([*head, name, *found, *tail])
    return file.getvalue()
