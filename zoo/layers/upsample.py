"""Upsampling by a fixed filter: nearest, bilinear or bicubic."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels, Taps
from zoo.program.operations import Operation, Repeat
from zoo.shapes import Shape

__all__ = ["EDGE", "Upsample"]

EDGE = 2  # pixels that a bicubic filter reaches beyond the edge


class Upsample(Layer):
    """H x W x C to sH x sW x C, times ``scale``.

    ``nearest`` repeats pixels. ``bilinear`` and ``bicubic`` put pixel centres at
    halves: output pixel o lies at u = (o + 1/2) / s - 1/2 of the input, and
    y[o] = sum_k w(u - k) x[k] along each axis, the edge pixel repeated outwards, with

    * bilinear: w(t) = 1 - |t| for |t| < 1;
    * bicubic (Keys, 1981): w(t) = (a + 2)|t|^3 - (a + 3)|t|^2 + 1 for |t| <= 1,
      a|t|^3 - 5a|t|^2 + 8a|t| - 4a for 1 < |t| < 2.

    The result is that of PyTorch's ``interpolate(align_corners=False)``, which has
    a = -0.75 as OpenCV; a = -0.5 is MATLAB's.

    A negative stride -s, in Darknet and here, does the opposite: every s x s cell
    is summed to one pixel, times ``scale``. That is the gradient of ``nearest``; the
    gradient of each mode is its transpose.
    """

    summary = "larger by a fixed filter: nearest, bilinear or bicubic"
    keys = (
        Key(
            "stride",
            "int",
            2,
            "factor of height and width; negative sums cells to pixels",
            minimum=-256,
            maximum=256,
        ),
        Key("scale", "float", 1.0, "factor of the values"),
        Key(
            "mode",
            "str",
            "nearest",
            "the filter",
            choices=("nearest", "bilinear", "bicubic"),
        ),
        Key("a", "float", -0.75, "of bicubic: -0.75 as PyTorch, -0.5 as MATLAB"),
        *COMMON_KEYS,
    )

    stride: int
    scale: float
    mode: str
    a: float

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.stride == 0:
            raise ValueError("has stride=0; give the factor of height and width")
        if self.stride < 0 and self.mode != "nearest":
            raise ValueError(
                f"has the negative stride {self.stride}, which sums cells, and "
                f"mode={self.mode}; only mode=nearest can shrink"
            )

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = shape = one_input(inputs, "an upsample")
        if self.stride > 0:
            return Shape(height * self.stride, width * self.stride, channels)
        cell = -self.stride
        if height % cell or width % cell:
            raise ShapeError(
                f"an upsample of stride {self.stride} cannot cut {shape} into "
                f"cells of {cell}x{cell}"
            )
        return Shape(height // cell, width // cell, channels)

    def window(self) -> tuple[Window, Window]:
        if self.stride < 0:
            window = Window(size=-self.stride, stride=-self.stride)
        else:
            size = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]
            size = 1 if self.stride == 1 else size
            window = Window(size=size, scale=self.stride)
        return window, window

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.stride < 0 or self.mode != "nearest":
            return None
        return Repeat(self.stride, self.scale)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if self.stride < 0:
            return self._along_both(x, _cells(-self.stride), _sum_cells, kernels)
        if self.mode == "nearest":
            return self._along_both(x, _repeats(self.stride), _repeat, kernels)
        return self._along_both(x, self._filter_taps, self._filtered, kernels)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        if self.stride < 0:
            return (self._along_both(delta, _repeats(-self.stride), _repeat, kernels),)
        if self.mode == "nearest":
            taps, own = _cells(self.stride), _sum_cells
            return (self._along_both(delta, taps, own, kernels),)
        return (
            self._along_both(
                delta, self._transposed_taps, self._filtered_transposed, kernels
            ),
        )

    def _along_both(
        self,
        x: Array,
        taps: Callable[[int], Taps],
        own: Callable[[Array, int], Array],
        kernels: Kernels,
    ) -> Array:
        """Rows, then columns, then ``scale``: by the back end, or else in own ways.

        ``taps`` makes the taps of an axis from its length, ``own`` takes |stride|.
        """
        rows = kernels.resample(x, 1, taps(x.shape[1]))
        if rows is None:
            return self._scaled(own(x, abs(self.stride)))
        both = kernels.resample(rows, 2, _times(taps(x.shape[2]), self.scale))
        assert both is not None, "it could do the rows"
        return both

    def _scaled(self, x: Array) -> Array:
        return x if self.scale == 1 else x * x.dtype.type(self.scale)

    def _weight(self, t: float) -> float:
        """The filter at distance t, in input pixels."""
        t = abs(t)
        if self.mode == "bilinear":
            return max(1 - t, 0.0)
        if t <= 1:
            return ((self.a + 2) * t - (self.a + 3)) * t * t + 1
        if t < 2:
            return ((self.a * t - 5 * self.a) * t + 8 * self.a) * t - 4 * self.a
        return 0.0

    def taps(self, phase: int) -> list[tuple[int, float]]:
        """What output pixel s i + phase takes: offsets from input pixel i, weights."""
        u = (phase + 0.5) / self.stride - 0.5
        first = math.floor(u) - 1
        taps = [(k, self._weight(u - k)) for k in range(first, first + 4)]
        return [(offset, weight) for offset, weight in taps if weight]

    def _filter_taps(self, length: int) -> Taps:
        """Taps of an axis made longer; those outside are the edge's."""
        phases = [self.taps(phase) for phase in range(self.stride)]
        return [
            [(min(max(place + k, 0), length - 1), weight) for k, weight in phase]
            for place in range(length)
            for phase in phases
        ]

    def _transposed_taps(self, length: int) -> Taps:
        """Taps of an axis made shorter again by the transpose."""
        taps: list[list[tuple[int, float]]] = [[] for _ in range(length // self.stride)]
        for place, some in enumerate(self._filter_taps(len(taps))):
            for source, weight in some:
                taps[source].append((place, weight))
        return taps

    def _filtered(self, x: Array, stride: int) -> Array:
        return self._filter(self._filter(x, 1), 2)

    def _filtered_transposed(self, delta: Array, stride: int) -> Array:
        return self._filter_transposed(self._filter_transposed(delta, 2), 1)

    def _filter(self, x: Array, axis: int) -> Array:
        """Make one axis s times as long."""
        rows = np.moveaxis(x, axis, 0)
        length = len(rows)
        padded = np.concatenate([rows[:1]] * EDGE + [rows] + [rows[-1:]] * EDGE)
        output = np.zeros((length, self.stride, *rows.shape[1:]), x.dtype)
        for phase in range(self.stride):
            for offset, weight in self.taps(phase):
                start = EDGE + offset
                output[:, phase] += x.dtype.type(weight) * padded[start:][:length]
        output = output.reshape(length * self.stride, *rows.shape[1:])
        return np.ascontiguousarray(np.moveaxis(output, 0, axis))

    def _filter_transposed(self, delta: Array, axis: int) -> Array:
        """The transpose of :meth:`_filter`."""
        rows = np.moveaxis(delta, axis, 0)
        length = len(rows) // self.stride
        rows = rows.reshape(length, self.stride, *rows.shape[1:])
        padded = np.zeros((length + 2 * EDGE, *rows.shape[2:]), delta.dtype)
        for phase in range(self.stride):
            for offset, weight in self.taps(phase):
                start = EDGE + offset
                padded[start : start + length] += (
                    delta.dtype.type(weight) * rows[:, phase]
                )
        inner = padded[EDGE : EDGE + length]
        inner[0] += padded[:EDGE].sum(axis=0)
        inner[-1] += padded[EDGE + length :].sum(axis=0)
        return np.ascontiguousarray(np.moveaxis(inner, 0, axis))


def _repeats(stride: int) -> Callable[[int], Taps]:
    """Taps of an axis whose pixels are repeated."""
    return lambda length: [[(i // stride, 1.0)] for i in range(length * stride)]


def _cells(stride: int) -> Callable[[int], Taps]:
    """Taps of an axis whose cells are summed."""
    return lambda length: [
        [(i * stride + j, 1.0) for j in range(stride)] for i in range(length // stride)
    ]


def _times(taps: Taps, factor: float) -> Taps:
    return [[(place, factor * weight) for place, weight in some] for some in taps]


def _repeat(x: Array, stride: int) -> Array:
    """Every pixel as an s x s cell."""
    return x.repeat(stride, axis=1).repeat(stride, axis=2)


def _sum_cells(x: Array, stride: int) -> Array:
    """Every s x s cell as one pixel, the sum."""
    n, height, width, channels = x.shape
    cells = x.reshape(n, height // stride, stride, width // stride, stride, channels)
    return np.asarray(cells.sum(axis=(2, 4)))
