"""Scores as one page: tables, bars, the worst crops and their differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.charts import Bars, Line, Panel
from zoo.evaluate.contest import Result
from zoo.evaluate.entrants import Entrant
from zoo.evaluate.pairs import Pair
from zoo.evaluate.planes import Gathered
from zoo.evaluate.plots import panels_of
from zoo.evaluate.score_tables import cells, protocol_lines
from zoo.page.document import Document

__all__ = ["Worst", "write_report"]

_SIDE = 96
_GAIN = 4


class Worst:
    """The crop of a set in which an entrant errs most, found while it is measured.

    Wraps an entrant: call it as one.

    Parameters
    ----------
    entrant : Entrant
    gathered : Gathered, optional
        Of its set, for a page that shows the slices of volumes.
    """

    def __init__(self, entrant: Entrant, gathered: Gathered | None = None) -> None:
        self.entrant = entrant
        self.gathered = Gathered() if gathered is None else gathered
        self.error = -1.0
        self.name = ""
        self.crops: tuple[NDArray[Any], NDArray[Any], NDArray[Any]] | None = None
        self.counts = np.zeros(81, np.int64)

    def __call__(self, pair: Pair) -> NDArray[Any]:
        """Enlarge, and look where it is worst."""
        made = self.entrant(pair)
        if made.shape[:2] != pair.high.shape[:2]:
            return made
        self.gathered.add(self.entrant.name, pair, made)
        factor = 255 / pair.white
        result = np.asarray(made, np.float32) * factor
        truth = np.asarray(pair.high, np.float32) * factor
        difference = (result - truth).mean(axis=2)
        self.counts += np.histogram(
            np.clip(np.rint(difference), -40, 40), np.arange(-40.5, 41.5)
        )[0]
        self._look(pair, result, truth, difference)
        return made

    def join(self, other: Worst) -> None:
        """Take in what was found on pictures that come after."""
        self.counts += other.counts
        self.gathered.join(other.gathered)
        if other.error > self.error:
            self.error, self.name, self.crops = other.error, other.name, other.crops

    def _look(
        self,
        pair: Pair,
        result: NDArray[np.float32],
        truth: NDArray[np.float32],
        difference: NDArray[np.float32],
    ) -> None:
        import cv2

        side = min(_SIDE, *difference.shape)
        means = cv2.boxFilter(np.square(difference), -1, (side, side))
        half = side // 2
        inner = means[
            half : means.shape[0] - half + 1, half : means.shape[1] - half + 1
        ]
        if not inner.size or float(inner.max()) <= self.error:
            return
        top, left = np.unravel_index(int(inner.argmax()), inner.shape)
        rows = slice(int(top), int(top) + side)
        columns = slice(int(left), int(left) + side)
        scale = difference.shape[0] // pair.low.shape[0]
        small = np.asarray(pair.low, np.float32) * (255 / pair.white)
        small = small.repeat(scale, axis=0).repeat(scale, axis=1)
        self.error, self.name = float(inner.max()), pair.name
        self.crops = small[rows, columns], result[rows, columns], truth[rows, columns]


def write_report(
    results: Sequence[Result],
    worst: Sequence[tuple[str, str, Worst]],
    path: Path,
    command: str,
) -> None:
    """Write a page of results.

    Parameters
    ----------
    results : sequence of Result
    worst : sequence of (str, str, Worst)
        Entrant and set of each, and what was seen.
    path : Path
    command : str
        That measures the same again.

    Raises
    ------
    ZooError
        If it cannot be written.
    """
    page = Document("Scores", "; ".join(dict.fromkeys(r.set_name for r in results)))
    page.heading("Scores")
    header, rows = cells(results)
    page.table(header, rows)
    for line in protocol_lines(results):
        page.text(line)
    page.chart(panels_of(results), "By network and set, and quality against time.")
    page.heading("Picture by picture")
    _by_picture(page, results)
    every = {id(seen.gathered): seen.gathered for _, _, seen in worst}
    volumes = [gathered for gathered in every.values() if gathered.part is not None]
    if volumes:
        page.heading("Slices")
    for gathered in volumes:
        gathered.show(page)
    page.heading("Where it is worst")
    for entrant, name, seen in worst:
        if seen.crops is None:
            continue
        small, made, truth = seen.crops
        page.picture(
            _row([small, made, truth, np.abs(made - truth) * _GAIN]),
            f"{entrant} on {name}, {seen.name}: small, result, original, absolute "
            f"difference times {_GAIN}; root of the mean squared difference there "
            f"{math.sqrt(seen.error):.1f} gray levels.",
            enlarged=2,
        )
    page.heading("Differences")
    lines = [
        Line(
            f"{entrant} {name}",
            list(range(-40, 41)),
            [float(count) if count else math.nan for count in seen.counts],
        )
        for entrant, name, seen in worst
    ]
    page.chart(
        [Panel("Result minus original", "gray levels", "pixels", lines, log_y=True)],
        "Mean over colours; the ends collect what lies beyond.",
    )
    page.heading("To measure it again")
    page.code(command)
    for result in results:
        facts = ", ".join(f"{k} {v}" for k, v in result.facts.items() if v is not None)
        page.text(f"{result.entrant}: {facts or 'nothing to say'}")
    page.write(path)


def _by_picture(page: Document, results: Sequence[Result]) -> None:
    metric = next(iter(results[0].scores.scores[0].values), None)
    if metric is None:  # of whole volumes alone
        return
    for name in dict.fromkeys(result.set_name for result in results):
        own = [result for result in results if result.set_name == name]
        names = list(
            dict.fromkeys(score.name for r in own for score in r.scores.scores)
        )
        if len(names) > 12:
            lines = [
                Line(
                    r.entrant,
                    list(range(len(r.scores.scores))),
                    [score.values.get(metric, math.nan) for score in r.scores.scores],
                )
                for r in own
            ]
            page.chart(
                [Panel(f"{name}: {metric}", "picture", metric, lines)],
                "In the order of the set.",
            )
            continue
        values = [
            [
                next(
                    (s.values.get(metric) for s in r.scores.scores if s.name == of),
                    None,
                )
                for of in names
            ]
            for r in own
        ]
        bars = Bars(
            f"{name}: {metric}", names, [r.entrant for r in own], values, metric
        )
        page.chart([bars], "Picture by picture.")


def _row(pictures: Sequence[NDArray[Any]]) -> NDArray[np.uint8]:
    parts: list[NDArray[np.uint8]] = []
    for picture in pictures:
        gap = np.full((picture.shape[0], 3, picture.shape[2]), 128, np.uint8)
        parts += [np.clip(np.rint(picture), 0, 255).astype(np.uint8), gap]
    joined = np.concatenate(parts[:-1], axis=1)
    return joined if joined.shape[2] == 3 else joined.repeat(3, axis=2)
