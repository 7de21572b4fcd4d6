"""Self-attention inside windows, shifted or not, as Swin transformers have it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Attend, Operation
from zoo.shapes import Shape

__all__ = [
    "APART",
    "HEADS",
    "POSITIONS",
    "SHIFT",
    "WindowAttention",
    "cut",
    "held_apart",
    "sides",
    "softmax_backward",
    "softmax_in_place",
]

# Added to a logit of two pixels that only the shift brought together. Finite, as in
# the published programs: a pixel is never left without a neighbour.
APART = -100.0
_MOST_POSITIONS = 2**20
_MOST_PLACES = 1024  # of a window that a plan computes by itself

HEADS = Key("heads", "int", 1, "parts of the channels that attend apart", minimum=1)
SHIFT = Key(
    "shift",
    "ints",
    (0,),
    "rows and columns that the windows are moved by, or one number",
    minimum=0,
    maximum=511,
)
POSITIONS = Key("positions", "bool", True, "0: no biases of positions are learned")


class WindowAttention(Layer):
    """y = softmax(q k^T / sqrt(d) + B) v, over the pixels of each window.

    The input has 3 C channels, q, k and v one after the other, each in ``heads``
    parts of d = C / heads channels that do not mix; the output has C. A pixel attends
    to those of its own window of ``window`` rows and columns. ``shift`` moves the
    windows down and to the right by rolling the picture, and pixels that were not
    neighbours before are held apart (logits less 100). B is learned, per head, for
    each difference of places in a window: ``position_biases``, of (2 rows - 1)
    (2 columns - 1) x heads; ``positions=0`` leaves it out. With ``grid=1`` the pixels
    of a window are not neighbours but as far apart as there are windows. Height and
    width must be multiples of the window's; ``[pad] multiple=`` makes them so.

    Backward, with P the softmax and D = delta: dv = P^T D, dP = D v^T,
    dL = P (dP - sum_j dP P), dq = dL k / sqrt(d), dk = dL^T q / sqrt(d), and each
    bias the sum of dL wherever it was added. P is computed again. (Liu et al., "Swin
    transformer", 2021.)
    """

    summary = "self-attention inside windows, of q, k and v beside each other"
    keys = (
        HEADS,
        Key(
            "window",
            "ints",
            (8,),
            "rows and columns of a window, or one number for both",
            minimum=1,
            maximum=512,
            attribute="size",
        ),
        SHIFT,
        Key("grid", "bool", False, "1: pixels of a window are spread over the picture"),
        POSITIONS,
        *COMMON_KEYS,
    )

    heads: int
    size: tuple[int, ...]
    extent: tuple[int, int]
    """Rows and columns of a window."""
    steps: tuple[int, int]
    """Rows and columns that windows are moved by."""
    grid: bool
    positions: bool
    shift: tuple[int, ...]

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        for name, given in (("window", self.size), ("shift", self.shift)):
            if len(given) not in (1, 2):
                raise ValueError(f"has {name} of {len(given)} numbers; give one or two")
        self.extent = _pair(self.size)
        self.steps = _pair(self.shift)
        if any(s >= w for s, w in zip(self.steps, self.extent, strict=True) if s):
            raise ValueError(
                f"has shift={self.steps}, which must be less than window={self.extent}"
            )
        if self.grid and any(self.steps):
            raise ValueError("has grid=1 beside shift, which moves windows")
        if self._positions * self.heads > _MOST_POSITIONS:
            raise ValueError(
                f"has window={self.extent} and heads={self.heads}, which are too many"
            )

    @property
    def _positions(self) -> int:
        return math.prod(2 * length - 1 for length in self.extent)

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = shape = one_input(inputs, "a window_attention")
        if channels % (3 * self.heads):
            raise ShapeError(
                f"the {channels} channels of {shape} are not q, k and v of "
                f"{self.heads} heads each"
            )
        rows, columns = self.extent
        if height % rows or width % columns:
            raise ShapeError(
                f"{shape} cannot be cut into windows of {rows}x{columns}; a [pad] "
                f"with multiple={math.lcm(rows, columns)} makes it fit"
            )
        return Shape(height, width, channels // 3)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if not self.positions:
            return {}
        return {"position_biases": (self._positions, self.heads)}

    def operations(self, *inputs: Shape) -> int:
        return 4 * self.output_shape(*inputs).size * math.prod(self.extent)

    def window(self) -> tuple[Window, Window]:
        """Infinite where windows are spread, or shifted: the last hold both ends."""
        lengths = (
            math.inf if by or self.grid else size
            for size, by in zip(self.extent, self.steps, strict=True)
        )
        return Window(next(lengths)), Window(next(lengths))

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.grid or math.prod(self.extent) > _MOST_PLACES:
            return None
        biases = None
        if self.positions:
            table = self._parameter("position_biases")
            biases = table[self.places()].transpose(2, 1, 0)
        rows, columns = (
            by and length - by
            for by, length in zip(self.steps, self.extent, strict=True)
        )
        return Attend(self.heads, self.extent, (rows, columns), biases, self.forward)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        count, height, width, channels = x.shape
        if training:
            self._saved = x
        moved = self._roll(x, -1)
        y = np.empty((count, height, width, channels // 3), x.dtype)
        for place, q, k, v, bias in self._strips(moved):
            p = softmax_in_place(q @ k.swapaxes(-1, -2) + bias)
            y[place] = self._joined(p @ v)
        return self._roll(y, 1)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        moved = self._roll(self._recall(), -1)
        delta = self._roll(delta, -1)
        gradient = np.empty_like(moved)
        by_bias = np.zeros((self.heads, *[math.prod(self.extent)] * 2), np.float64)
        scale = self._scale(moved)
        for place, q, k, v, bias in self._strips(moved):
            p = softmax_in_place(q @ k.swapaxes(-1, -2) + bias)
            d = self._parted(delta[place], 1)[0]
            by_logits = softmax_backward(p, d @ v.swapaxes(-1, -2))
            by_bias += by_logits.sum(axis=0)
            parts = (
                by_logits @ k * scale,
                by_logits.swapaxes(-1, -2) @ q,
                p.swapaxes(-1, -2) @ d,
            )
            gradient[place] = np.concatenate([self._joined(x) for x in parts], axis=-1)
        if self.positions:
            table = np.zeros((self._positions, self.heads), np.float64)
            np.add.at(table, self.places(), by_bias.transpose(1, 2, 0))
            self.gradients = {"position_biases": table.astype(moved.dtype)}
        return (self._roll(gradient, 1),)

    def _strips(
        self, moved: Array
    ) -> Iterator[tuple[tuple[int, slice], Array, Array, Array, Array]]:
        """Of each row of windows: where it is, q / sqrt(d), k, v, what logits get.

        q, k and v are windows x heads x pixels x d.
        """
        count, height, width, _ = moved.shape
        rows = self.extent[0]
        biases = np.zeros(1, moved.dtype)
        if self.positions:
            table = self._parameter("position_biases")
            biases = table[self.places()].transpose(2, 0, 1)
        apart = self.apart(height, width)
        scale = self._scale(moved)
        for image, row in itertools.product(range(count), range(height // rows)):
            place = image, slice(row * rows, (row + 1) * rows)
            q, k, v = self._parted(moved[place], 3)
            bias = biases if apart is None else biases + apart[row][:, None]
            yield place, q * scale, k, v, bias.astype(moved.dtype, copy=False)

    def _scale(self, moved: Array) -> np.floating:
        return moved.dtype.type(1 / math.sqrt(moved.shape[3] // (3 * self.heads)))

    def _parted(self, strip: Array, parts: int) -> Array:
        """rows x W x (parts C) to parts x windows x heads x pixels x d."""
        rows, columns = self.extent
        windows = strip.shape[1] // columns
        apart = strip.reshape(rows, windows, columns, parts, self.heads, -1)
        ordered = apart.transpose(3, 1, 4, 0, 2, 5)
        return ordered.reshape(parts, windows, self.heads, rows * columns, -1)

    def _joined(self, x: Array) -> Array:
        """windows x heads x pixels x d to rows x W x C."""
        rows, columns = self.extent
        windows, heads, _, depth = x.shape
        apart = x.reshape(windows, heads, rows, columns, depth)
        ordered = apart.transpose(2, 0, 3, 1, 4)
        return ordered.reshape(rows, windows * columns, heads * depth)

    def _roll(self, x: Array, sign: int) -> Array:
        """The picture as windows find it, and back (sign 1)."""
        if self.grid:
            return self._spread(x, sign)
        if not any(self.steps):
            return x
        return np.roll(x, tuple(sign * by for by in self.steps), (1, 2))

    def _spread(self, x: Array, sign: int) -> Array:
        """Pixels of a window brought beside each other, or back where they were."""
        count, height, width, channels = x.shape
        rows, columns = self.extent
        lengths = (rows, height // rows), (columns, width // columns)
        if sign > 0:
            lengths = lengths[0][::-1], lengths[1][::-1]
        apart = x.reshape(count, *lengths[0], *lengths[1], channels)
        return apart.transpose(0, 2, 1, 4, 3, 5).reshape(x.shape)

    def places(self) -> NDArray[np.intp]:
        """For each pair of pixels of a window the row of ``position_biases``."""
        rows, columns = self.extent
        y, x = (grid.ravel() for grid in np.mgrid[:rows, :columns])
        down = y[:, None] - y[None] + rows - 1
        return np.asarray(down * (2 * columns - 1) + x[:, None] - x[None] + columns - 1)

    def apart(self, height: int, width: int) -> Array | None:
        """See :func:`held_apart`; None without a shift."""
        if not any(self.steps):
            return None
        return held_apart(height, width, self.extent, self.steps)


def held_apart(
    height: int, width: int, extent: tuple[int, int], steps: tuple[int, int]
) -> Array:
    """-100 for pairs of pixels that only the shift of windows brought together.

    rows of windows x windows x pixels x pixels.
    """
    ids = cut(sides(height, width, extent, steps), extent)
    return np.where(ids[..., None] == ids[..., None, :], 0, APART)


def sides(
    height: int, width: int, extent: tuple[int, int], steps: tuple[int, int]
) -> NDArray[np.intp]:
    """For each pixel of a rolled picture a number of the side it came from."""
    regions = [
        np.digitize(np.arange(length), [length - size, length - by])
        if by
        else np.zeros(length, int)
        for length, size, by in zip((height, width), extent, steps, strict=True)
    ]
    return np.asarray(3 * regions[0][:, None] + regions[1][None])


def cut(numbers: NDArray[Any], extent: tuple[int, int]) -> NDArray[Any]:
    """H x W to rows of windows x windows x pixels of each."""
    (height, width), (rows, columns) = numbers.shape, extent
    parts = numbers.reshape(height // rows, rows, width // columns, columns)
    return parts.transpose(0, 2, 1, 3).reshape(height // rows, width // columns, -1)


def softmax_in_place(logits: Array) -> Array:
    """exp(x_j) / sum_i exp(x_i) along the last axis."""
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits


def softmax_backward(p: Array, delta: Array) -> Array:
    """Gradient by the logits of a softmax p, of that by p."""
    delta -= (delta * p).sum(axis=-1, keepdims=True)
    delta *= p
    return delta


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return values[0], values[-1]
