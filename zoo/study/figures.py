"""Figures of the study's page: slices side by side, differences, histograms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.charts import Line, Panel
from zoo.page.document import Document

__all__ = ["compare"]

Picture = NDArray[np.floating]
_GAIN = 4
_FAR = 40


def compare(
    page: Document,
    caption: str,
    results: Mapping[str, Picture],
    truth: Picture,
    small: Picture | None = None,
) -> None:
    """Write results beside the original, what they differ by, and how often.

    Parameters
    ----------
    page : Document
    caption : str
        What is shown.
    results : mapping of str to ndarray, H x W
        By the name of the method, 0 to 255.
    truth : ndarray, H x W
    small : ndarray, optional
        The small slice, which is shown with large pixels.
    """
    shown = {**results, "original": truth}
    if small is not None:
        times = truth.shape[0] // small.shape[0]
        shown = {"small": small.repeat(times, 0).repeat(times, 1), **shown}
    page.picture(_row(list(shown.values())), f"{caption}: {', '.join(shown)}.")
    maps = [np.abs(result - truth) * _GAIN for result in results.values()]
    page.picture(
        _row(maps), f"Absolute differences, {_GAIN} times: {', '.join(results)}."
    )
    page.chart(
        [_histogram(results, truth)],
        f"Signed differences, result minus original; the count is logarithmic. "
        f"{_bias(results, truth)}",
    )


def _row(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    gap = np.full((pictures[0].shape[0], 4), 128, np.uint8)
    parts: list[NDArray[np.uint8]] = []
    for picture in pictures:
        parts += [np.clip(np.rint(picture), 0, 255).astype(np.uint8), gap]
    return np.concatenate(parts[:-1], axis=1)


def _histogram(results: Mapping[str, Picture], truth: Picture) -> Panel:
    lines = []
    for name, result in results.items():
        inside = np.clip(np.rint(result) - truth, -_FAR, _FAR)
        counts, _ = np.histogram(inside, np.arange(-_FAR - 0.5, _FAR + 1))
        values = [float(count) if count else math.nan for count in counts]
        lines.append(Line(name, list(range(-_FAR, _FAR + 1)), values))
    return Panel("Differences", "gray levels", "pixels", lines, log_y=True)


def _bias(results: Mapping[str, Picture], truth: Picture) -> str:
    words = []
    for name, result in results.items():
        apart = result - truth
        below = 100 * float((apart < -0.5).mean())
        words.append(f"{name}: mean {apart.mean():+.2f}, negative {below:.0f} %")
    return f"{'; '.join(words)}."
