"""Attention of the pixels of one layer to those of another, in windows or to all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Window
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.sam import FROM_KEY
from zoo.layers.window_attention import (
    APART,
    HEADS,
    POSITIONS,
    SHIFT,
    WindowAttention,
    cut,
    sides,
    softmax_backward,
    softmax_in_place,
)
from zoo.plugins.base import Kernels
from zoo.program.operations import Operation
from zoo.shapes import Shape

__all__ = ["CrossAttention"]


class _Strip(NamedTuple):
    """A row of windows: where it is, and what is in it, windows x heads x pixels x d."""

    image: int
    row: int
    rows: slice
    q: Array
    k: Array
    v: Array
    bias: Array


class CrossAttention(WindowAttention):
    """y = softmax(q k^T / sqrt(d) + B) v, where k and v are of another layer.

    q is the layer before, of ``heads`` parts of d channels; the layer of ``from`` has
    k, as many channels, and behind them v, of any number, which the output has too.
    That layer is as large as q or smaller by a whole number s. Both are cut into
    windows, of ``window`` pixels of q and an s-th of them of k; ``overlap`` lets a
    pixel see so many pixels of k and v more on each side of its window (zeros outside
    of the picture). ``shift`` rolls both as in [window_attention], and ``masked=0``
    lets pixels attend to each other that only the rolling brought together. With
    ``window=0`` every pixel attends to all of k, however large it is, without biases.

    B is learned for each difference of places, (2 rows / s + 2 overlap - 1) x (2
    columns / s + 2 overlap - 1) of them, from q at the end and k at the beginning
    backwards: ``position_biases``. Backward is as [window_attention] says; pixels of k
    and v that several windows see get the sum. (Chen et al., "Activating more pixels",
    2023; Zhou et al., "SRFormer", 2023; Chen et al., "Recursive generalization
    transformer", 2024.)
    """

    summary = "attention to the pixels of another layer, k and v beside each other"
    keys = (
        FROM_KEY,
        HEADS,
        Key(
            "window",
            "ints",
            (8,),
            "rows and columns of a window of q, or one number; 0: the whole picture",
            minimum=0,
            maximum=512,
            attribute="size",
        ),
        SHIFT,
        Key(
            "overlap",
            "int",
            0,
            "pixels of k and v that are seen around a window",
            minimum=0,
            maximum=512,
        ),
        Key("masked", "bool", True, "0: also who only the shift brought together"),
        POSITIONS,
        *COMMON_KEYS,
    )

    origin: int
    overlap: int
    masked: bool
    grid = False

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.whole and (self.positions or self.overlap or any(self.steps)):
            raise ValueError(
                "has window=0, which goes with positions=0 and no overlap or shift"
            )
        if self.overlap and any(self.steps):
            raise ValueError("has overlap beside shift; give one of them")

    @property
    def whole(self) -> bool:
        """Whether every pixel attends to all of k."""
        return 0 in self.extent

    def sources(self, index: int) -> tuple[int, ...]:
        return index - 1, self.origin if self.origin >= 0 else index + self.origin

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"a cross_attention takes two inputs, not {len(inputs)}")
        q, other = inputs
        made = other.channels - q.channels
        if q.channels % self.heads or made < 1 or made % self.heads:
            raise ShapeError(
                f"{q} and {other} are not q, and k and v, of {self.heads} heads each"
            )
        if not self.whole:
            self._check_windows(q, other)
        return Shape(q.height, q.width, made)

    def _check_windows(self, q: Shape, other: Shape) -> None:
        ratio = q.height // max(other.height, 1)
        if ratio < 1 or (q.height, q.width) != (
            ratio * other.height,
            ratio * other.width,
        ):
            raise ShapeError(f"{q} is no whole number of times as large as {other}")
        if any(length % ratio for length in (*self.extent, *self.steps)):
            raise ShapeError(
                f"windows of {self.extent} moved by {self.steps} do not divide by "
                f"{ratio}, by which {q} is larger than {other}"
            )
        rows, columns = self.extent
        if q.height % rows or q.width % columns:
            raise ShapeError(
                f"{q} cannot be cut into windows of {rows}x{columns}; a [pad] with "
                f"multiple={math.lcm(rows, columns)} makes it fit"
            )

    def _differences(self, ratio: int) -> tuple[int, int]:
        """Rows and columns of the table of biases."""
        rows, columns = self.extent
        more = 2 * self.overlap - 1
        return 2 * (rows // ratio) + more, 2 * (columns // ratio) + more

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if not self.positions:
            return {}
        ratio = inputs[0].height // inputs[1].height
        return {"position_biases": (math.prod(self._differences(ratio)), self.heads)}

    def operations(self, *inputs: Shape) -> int:
        q, other = inputs
        if self.whole:
            seen = other.height * other.width
        else:
            ratio = q.height // other.height
            seen = math.prod(n // ratio + 2 * self.overlap for n in self.extent)
        return 2 * q.height * q.width * seen * other.channels

    def window(self) -> tuple[Window, Window]:
        if self.whole:
            return Window(math.inf), Window(math.inf)
        rows, columns = super().window()
        more = 2 * self.overlap
        return Window(rows.size + more), Window(columns.size + more)

    def lower(self, *inputs: Shape) -> Operation | None:
        return None

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        q, other = inputs
        if training:
            self._saved = inputs
        count, height, width, depth = q.shape
        y = np.empty((count, height, width, other.shape[3] - depth), q.dtype)
        for strip in self._pairs(q, other):
            p = softmax_in_place(strip.q @ strip.k.swapaxes(-1, -2) + strip.bias)
            y[strip.image, strip.rows] = self._row_of(p @ strip.v)
        return self._roll(y, 1)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        q, other = self._recall()
        delta = self._roll(delta, -1)
        scale = self._factor(q)
        by_q = np.empty_like(q)
        around = [(0, 0), *[(self.overlap,) * 2] * 2, (0, 0)]
        by_other = np.pad(np.zeros_like(other), around)
        by_bias: Array | None = None
        for strip in self._pairs(q, other):
            p = softmax_in_place(strip.q @ strip.k.swapaxes(-1, -2) + strip.bias)
            d = self._queries(delta[strip.image, strip.rows])
            by_logits = softmax_backward(p, d @ strip.v.swapaxes(-1, -2))
            by_q[strip.image, strip.rows] = self._row_of(by_logits @ strip.k * scale)
            if self.positions:
                total = by_logits.sum(axis=0, dtype=np.float64)
                by_bias = total if by_bias is None else by_bias + total
            transposed = by_logits.swapaxes(-1, -2) @ strip.q, p.swapaxes(-1, -2) @ d
            self._spread_over(by_other[strip.image], strip.row, transposed, q, other)
        if self.positions and by_bias is not None:
            ratio = q.shape[1] // other.shape[1]
            table = np.zeros((math.prod(self._differences(ratio)), self.heads))
            np.add.at(table, self.places(ratio), by_bias.transpose(1, 2, 0))
            self.gradients = {"position_biases": table.astype(q.dtype)}
        if self.overlap:
            inner = slice(self.overlap, -self.overlap)
            by_other = by_other[:, inner, inner]
        return self._roll(by_q, 1), self._rolled(by_other, q, 1)

    def _factor(self, q: Array) -> np.floating:
        return q.dtype.type(1 / math.sqrt(q.shape[3] // self.heads))

    def _rolled(self, other: Array, q: Array, sign: int) -> Array:
        """k and v, moved as much as q is."""
        if not any(self.steps):
            return other
        ratio = q.shape[1] // other.shape[1]
        return np.roll(other, tuple(sign * by // ratio for by in self.steps), (1, 2))

    def _pairs(self, q: Array, other: Array) -> Iterator[_Strip]:
        """Of each row of windows what attends, times 1 / sqrt(d), and to what."""
        count, height, width, depth = q.shape
        ratio = 1 if self.whole else height // other.shape[1]
        biases = np.zeros(1, q.dtype)
        if self.positions:
            table = self._parameter("position_biases")
            biases = table[self.places(ratio)].transpose(2, 0, 1)
        apart = self.apart(height, width, ratio) if self.masked else None
        around = [(0, 0), *[(self.overlap,) * 2] * 2, (0, 0)]
        seen = np.pad(self._rolled(other, q, -1), around)
        moved = self._roll(q, -1) * self._factor(q)
        rows = 1 if self.whole else self.extent[0]
        for image, row in itertools.product(range(count), range(height // rows)):
            place = slice(row * rows, (row + 1) * rows)
            k, v = self._keys(seen[image], row, depth, ratio)
            bias = biases if apart is None else biases + apart[row][:, None]
            yield _Strip(
                *(image, row, place, self._queries(moved[image, place]), k, v),
                bias.astype(q.dtype, copy=False),
            )

    def _queries(self, strip: Array) -> Array:
        """rows x W x C to windows x heads x pixels x d."""
        if self.whole:
            return strip.reshape(
                1, -1, self.heads, strip.shape[2] // self.heads
            ).swapaxes(1, 2)
        return self._parted(strip, 1)[0]

    def _row_of(self, x: Array) -> Array:
        """windows x heads x pixels x d to rows x W x C."""
        if self.whole:
            return x.swapaxes(1, 2).reshape(1, x.shape[2], -1)
        return self._joined(x)

    def _reach(self, ratio: int) -> tuple[int, int, int, int]:
        """Rows and columns of k from window to window, and that a window sees."""
        rows, columns = (length // ratio for length in self.extent)
        return rows, columns, rows + 2 * self.overlap, columns + 2 * self.overlap

    def _keys(
        self, cells: Array, row: int, depth: int, ratio: int
    ) -> tuple[Array, Array]:
        """k and v that a row of windows sees, windows x heads x pixels x d."""
        if self.whole:
            seen = cells.reshape(1, -1, cells.shape[2])
        else:
            rows, columns, down, right = self._reach(ratio)
            strip = cells[row * rows : row * rows + down]
            views = np.lib.stride_tricks.sliding_window_view(strip, right, 1)
            views = views[:, ::columns].transpose(1, 0, 3, 2)
            seen = views.reshape(len(views), down * right, -1)
        parts = seen[..., :depth], seen[..., depth:]
        k, v = (
            part.reshape(*part.shape[:2], self.heads, -1).swapaxes(1, 2)
            for part in parts
        )
        return k, v

    def _spread_over(
        self,
        gradient: Array,
        row: int,
        parts: tuple[Array, Array],
        q: Array,
        other: Array,
    ) -> None:
        """Add what a row of windows gives back to the k and v that it saw."""
        flat = [p.swapaxes(1, 2).reshape(len(p), p.shape[2], -1) for p in parts]
        windows = np.concatenate(flat, axis=2)
        if self.whole:
            gradient += windows.reshape(gradient.shape)
            return
        rows, columns, down, right = self._reach(q.shape[1] // other.shape[1])
        strip = gradient[row * rows : row * rows + down]
        for number, window in enumerate(windows):
            start = number * columns
            strip[:, start : start + right] += window.reshape(down, right, -1)

    def places(self, ratio: int = 1) -> NDArray[np.intp]:
        """For each pixel of q and of k the row of ``position_biases``."""
        offsets = []
        for length, table in zip(self.extent, self._differences(ratio), strict=True):
            ours = np.arange(length) // ratio
            theirs = np.arange(-self.overlap, length // ratio + self.overlap)
            offsets.append(ours[:, None] - theirs + (table - 1) // 2)
        down, right = offsets
        width = self._differences(ratio)[1]
        both = down[:, None, :, None] * width + right[None, :, None, :]
        return np.asarray(both.reshape(math.prod(self.extent), -1))

    def apart(self, height: int, width: int, ratio: int = 1) -> Array | None:
        if not any(self.steps):
            return None
        numbers = sides(height, width, self.extent, self.steps)
        rows, columns = self.extent
        ours = cut(numbers, self.extent)[..., None]
        theirs = cut(numbers[::ratio, ::ratio], (rows // ratio, columns // ratio))
        return np.where(ours == theirs[..., None, :], 0, APART)
