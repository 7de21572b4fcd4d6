"""Line charts as pictures, drawn with OpenCV: no plotting library is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ImageError
from zoo.files import atomic_write
from zoo.tables import printable

__all__ = ["Bars", "Line", "Panel", "draw", "save"]

_COLORS = [
    (180, 90, 20),
    (30, 110, 220),
    (60, 150, 60),
    (150, 60, 150),
    (90, 90, 90),
    (170, 170, 0),
    (60, 60, 200),
    (0, 170, 220),
]
_INK, _GRID = (60, 60, 60), (228, 228, 228)
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 24, 44, 52


@dataclass(frozen=True)
class Line:
    """Points joined in order. ``x`` and ``y`` are as many; NaN makes a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Panel:
    """One chart: a title, the name of each axis, and lines."""

    title: str
    x_name: str
    y_name: str
    lines: Sequence[Line]
    log_y: bool = False
    log_x: bool = False


@dataclass(frozen=True)
class Bars:
    """Groups of bars, one of each name in a group.

    ``values`` has a row for each name and a column for each group; None leaves a gap.
    """

    title: str
    groups: Sequence[str]
    names: Sequence[str]
    values: Sequence[Sequence[float | None]]
    y_name: str = ""


def draw(
    panels: Sequence[Panel | Bars], width: int = 900, height: int = 360
) -> NDArray[np.uint8]:
    """Draw panels below each other.

    Returns
    -------
    ndarray, uint8, (panels x height) x width x 3
        In OpenCV's order B, G, R, for ``cv2.imwrite``.
    """
    drawn = [
        _draw_bars(panel, width, height)
        if isinstance(panel, Bars)
        else _draw_panel(panel, width, height)
        for panel in panels
    ]
    return np.concatenate(drawn)


def save(panels: Sequence[Panel | Bars], path: Path, width: int = 900) -> None:
    """Draw panels into a picture file.

    Raises
    ------
    ImageError
        If the suffix is of no picture format that OpenCV writes.
    ZooError
        If the file cannot be written.
    """
    import cv2

    picture = draw(panels, width)
    try:
        done, data = cv2.imencode(path.suffix or ".png", picture)
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"{str(path)!r}: charts are written as .png")
    with atomic_write(path) as file:
        file.write(data.tobytes())


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers between two limits, about ``count`` of them."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= raw)
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _draw_panel(panel: Panel, width: int, height: int) -> NDArray[np.uint8]:
    import cv2

    canvas = np.full((height, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX

    def write(
        text: str,
        x: float,
        y: float,
        size: float = 0.42,
        color: tuple[int, int, int] = _INK,
    ) -> None:
        place = (int(x), int(y))
        # A name that is no UTF-8 ends the process in cv2.
        shown = printable(text)
        cv2.putText(canvas, shown, place, font, size, color, 1, cv2.LINE_AA)

    x_axis = _Axis([x for line in panel.lines for x in line.x], panel.log_x)
    y_axis = _Axis([y for line in panel.lines for y in line.y], panel.log_y)
    right, bottom = width - _RIGHT, height - _BOTTOM

    def place(x: float, y: float) -> tuple[int, int]:
        across = _LEFT + x_axis.part(x) * (right - _LEFT)
        down = bottom - y_axis.part(y) * (bottom - _TOP)
        return round(across), round(down)

    for value in x_axis.ticks():
        column = place(value, y_axis.first)[0]
        cv2.line(canvas, (column, _TOP), (column, bottom), _GRID, 1)
        write(f"{value:g}", column - 12, bottom + 18)
    for value in y_axis.ticks():
        row = place(x_axis.first, value)[1]
        cv2.line(canvas, (_LEFT, row), (right, row), _GRID, 1)
        write(f"{value:g}".rjust(8), 12, row + 4)
    cv2.rectangle(canvas, (_LEFT, _TOP), (right, bottom), _INK, 1)
    write(panel.title, _LEFT, 18, 0.5)
    write(panel.x_name, (_LEFT + right) / 2 - 30, height - 12)
    write(panel.y_name, 12, _TOP - 10)
    legend = right - 8
    for number, line in reversed(list(enumerate(panel.lines))):
        color = _COLORS[number % len(_COLORS)]
        is_point = len(line.x) == 1 and math.isfinite(line.x[0] + line.y[0])
        if is_point:  # it carries its name; one of no place stands in the legend
            x, y = place(line.x[0], line.y[0])
            cv2.circle(canvas, (x, y), 4, color, -1, cv2.LINE_AA)
            end = x + 8 + 8 * len(line.name)
            write(line.name, x + 8 if end < right else x - 8 * len(line.name), y + 4)
            continue
        legend -= 9 * len(line.name) + 24
        write(line.name, legend + 20, 36, color=color)
        cv2.line(canvas, (legend, 32), (legend + 14, 32), color, 2)
        _draw_line(canvas, line, place, color)
    return canvas


def _draw_bars(bars: Bars, width: int, height: int) -> NDArray[np.uint8]:
    import cv2

    canvas = np.full((height, width, 3), 255, np.uint8)
    font = cv2.FONT_HERSHEY_SIMPLEX

    def write(text: str, x: float, y: float, size: float = 0.42) -> None:
        place = (int(x), int(y))
        shown = printable(text)
        cv2.putText(canvas, shown, place, font, size, _INK, 1, cv2.LINE_AA)

    known = [v for row in bars.values for v in row if v is not None]
    axis = _Axis([v for v in known if math.isfinite(v)], log=False)
    # Room below the lowest: bars of scores would be all alike from 0 up.
    span = axis.last - axis.first
    axis.first -= 0.15 * span
    right, bottom = width - _RIGHT, height - _BOTTOM
    for tick in axis.ticks():
        row = round(bottom - axis.part(tick) * (bottom - _TOP))
        cv2.line(canvas, (_LEFT, row), (right, row), _GRID, 1)
        write(f"{tick:g}".rjust(8), 12, row + 4)
    group = (right - _LEFT) / max(1, len(bars.groups))
    step = 0.8 * group / max(1, len(bars.names))
    for number, name in enumerate(bars.names):
        color = _COLORS[number % len(_COLORS)]
        for place, value in enumerate(bars.values[number]):
            if value is None or not math.isfinite(value):
                continue
            left = _LEFT + group * (place + 0.1) + step * number
            top = round(bottom - axis.part(value) * (bottom - _TOP))
            corners = (round(left), top), (round(left + 0.9 * step), bottom)
            cv2.rectangle(canvas, *corners, color, -1)
            if step > 36:
                write(f"{value:.4g}", left, top - 5, 0.38)
        across = _LEFT + 6 + number * (right - _LEFT) / len(bars.names)
        corners = (int(across), _TOP - 14), (int(across) + 10, _TOP - 4)
        cv2.rectangle(canvas, *corners, color, -1)
        write(name, across + 14, _TOP - 5)
    for place, name in enumerate(bars.groups):
        write(name, _LEFT + group * (place + 0.5) - 4 * len(name), bottom + 18)
    cv2.rectangle(canvas, (_LEFT, _TOP), (right, bottom), _INK, 1)
    write(bars.title, _LEFT, 18, 0.5)
    write(bars.y_name, 12, _TOP - 10)
    return canvas


def _draw_line(canvas: NDArray[np.uint8], line: Line, place: Any, color: Any) -> None:
    import cv2

    before: tuple[int, int] | None = None
    for x, y in zip(line.x, line.y, strict=True):
        if not (math.isfinite(x) and math.isfinite(y)):
            before = None
            continue
        point = place(x, y)
        if before is not None:
            cv2.line(canvas, before, point, color, 2, cv2.LINE_AA)
        cv2.circle(canvas, point, 2, color, -1, cv2.LINE_AA)
        before = point


class _Axis:
    """Limits of an axis, from what is shown on it."""

    def __init__(self, values: Sequence[float], log: bool) -> None:
        good = [v for v in values if math.isfinite(v) and (v > 0 or not log)]
        self.log = log
        low, high = (min(good), max(good)) if good else (0.0, 1.0)
        if log and not good:
            low = 0.1
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
        if not log:
            low, high = low - 0.03 * (high - low), high + 0.06 * (high - low)
        self.first, self.last = low, high

    def part(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.log:
            value = max(value, self.first)
            return math.log(value / self.first) / math.log(self.last / self.first)
        return (value - self.first) / (self.last - self.first)

    def ticks(self) -> list[float]:
        if not self.log:
            return [round(v, 12) for v in ticks(self.first, self.last)]
        powers = range(
            math.floor(math.log10(self.first)), math.ceil(math.log10(self.last)) + 1
        )
        marks = [unit * 10.0**power for power in powers for unit in (1, 2, 5)]
        shown = [mark for mark in marks if self.first <= mark <= self.last]
        # Within less than a decade there may be none: those of a plain axis, then.
        return shown if len(shown) > 1 else ticks(self.first, self.last, 4)
