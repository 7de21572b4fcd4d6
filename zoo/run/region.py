"""A part of a result from the part of a picture that it is made of, to the bit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.engine import Progress
from zoo.images.image import Image
from zoo.program.geometry import Window
from zoo.run.alpha import REACH
from zoo.run.pipeline import turned
from zoo.run.resampled import bicubic_reads

if TYPE_CHECKING:
    from zoo.api import Model

__all__ = ["Region", "cover"]

Size = tuple[int, int]


class Region:
    """A network for one part of a result; see :class:`zoo.run.pipeline.Runner`.

    Parameters
    ----------
    model : Model
    size : tuple of int
        Of the whole picture.
    want : Window
        The part of the whole result.
    """

    def __init__(self, model: Model, size: Size, want: Window) -> None:
        self.model = model
        self.size = size
        self.want = want
        shape = model.network.shapes(*size)[-1]
        self.result: Size = shape.height, shape.width

    def reads(self, image: Image, *, use_ensemble: bool = False) -> Window:
        """The part of the picture that is needed.

        Parameters
        ----------
        image : Image
            Any part of the picture: its channels count.
        use_ensemble : bool
        """
        found = []
        for turn in range(8 if use_ensemble else 1):
            need = self.model.reads(*_turned_size(self.size, turn), self._turned(turn))
            found.append(_window_back(need, self.size, turn))
        is_luma = self.model.network.pixels.color == "y" and not image.is_gray
        if is_luma or image.alpha is not None:
            found.append(bicubic_reads(self.size, self.want, self.result))
        need = cover(found)
        if image.alpha is None:
            return need
        rows, columns = (
            (max(0, first - REACH), min(side, last + REACH))
            for (first, last), side in zip(need, self.size, strict=True)
        )
        return Window(rows, columns)

    def _turned(self, turn: int) -> Window:
        return _turned_window(self.want, self.result, turn)

    def __call__(
        self,
        part: NDArray[Any],
        have: Window,
        turn: int,
        white: float,
        as_float: bool,
        progress: Progress | None,
    ) -> NDArray[Any]:
        """Run it; ``have`` is the part of the picture that is given."""
        size, want = _turned_size(self.size, turn), self._turned(turn)
        need = self.model.reads(*size, want)
        given = turned(part, turn)[need.within(_turned_window(have, self.size, turn))]
        return self.model.part(
            np.ascontiguousarray(given),
            *size,
            want,
            white=white,
            as_float=as_float,
            progress=progress,
        )


def cover(windows: Iterable[Window]) -> Window:
    """The smallest window that holds all of them."""
    every = list(windows)
    rows, columns = (
        (min(part[axis][0] for part in every), max(part[axis][1] for part in every))
        for axis in (0, 1)
    )
    return Window(rows, columns)


def _turned_size(size: Size, turn: int) -> Size:
    return (size[1], size[0]) if turn % 2 else size


def _turned_window(window: Window, size: Size, turn: int) -> Window:
    """Where a part of a picture is after :func:`zoo.run.pipeline.turned`."""
    rows, columns = window
    for _ in range(turn % 4):  # a quarter: what was right is up
        width = size[1]
        rows, columns = (width - columns[1], width - columns[0]), rows
        size = width, size[0]
    if turn >= 4:
        columns = size[1] - columns[1], size[1] - columns[0]
    return Window(rows, columns)


def _window_back(window: Window, size: Size, turn: int) -> Window:
    """Where a part of a turned picture was in the one of ``size``."""
    rows, columns = window
    size = _turned_size(size, turn)
    if turn >= 4:
        columns = size[1] - columns[1], size[1] - columns[0]
    for _ in range(turn % 4):
        height = size[0]
        rows, columns = columns, (height - rows[1], height - rows[0])
        size = size[1], height
    return Window(rows, columns)
