"""Upsampling by a fixed filter: nearest, bilinear or bicubic."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels, Taps
from zoo.program.operations import Operation, Repeat, Resize
from zoo.program.resampling import Resampling, ResamplingMode, times, transposed
from zoo.shapes import Shape

__all__ = ["Upsample"]


class Upsample(Layer):
    """H x W x C to sH x sW x C, or to the size of another layer, times ``scale``.

    ``nearest`` repeats pixels; ``bilinear`` and ``bicubic`` weight neighbors, with the
    pixels' centres or, with ``align_corners=1``, the outermost pixels of input and
    output in the same places: see :class:`zoo.program.resampling.Resampling`. The
    result is that of PyTorch's ``interpolate``, which has a = -0.75 as OpenCV;
    a = -0.5 is MATLAB's.

    With ``like`` the output has height and width of that layer, which may also be
    smaller; the filter is not widened then.

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
        Key(
            "align_corners",
            "bool",
            False,
            "1: outermost pixels, not centres, in the same places",
        ),
        Key(
            "like",
            "int",
            None,
            "the layer whose size to take, not stride times one's own; negative counts "
            "back from this layer",
        ),
        *COMMON_KEYS,
    )

    stride: int
    scale: float
    mode: ResamplingMode
    a: float
    align_corners: bool
    like: int | None

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.stride == 0:
            raise ValueError("has stride=0; give the factor of height and width")
        if self.stride < 0 and (self.mode != "nearest" or self.like is not None):
            raise ValueError(
                f"has the negative stride {self.stride}, which sums cells, and "
                f"mode={self.mode} or like; only mode=nearest can shrink so"
            )
        if self.align_corners and self.mode == "nearest":
            raise ValueError("has align_corners=1, which mode=nearest does not know")
        if self.like is not None and self.stride != 2:
            raise ValueError(
                f"has stride={self.stride} beside like; use one or the other"
            )

    # -- structure ---------------------------------------------------------

    def sources(self, index: int) -> tuple[int, ...]:
        if self.like is None:
            return (index - 1,)
        # Relative references may reach -1, the network's input.
        return index - 1, self.like if self.like >= 0 else index + self.like

    def output_shape(self, *inputs: Shape) -> Shape:
        wanted = 1 if self.like is None else 2
        if len(inputs) != wanted:
            raise ShapeError(f"an upsample takes {wanted} inputs, not {len(inputs)}")
        height, width, channels = shape = inputs[0]
        if self.like is not None:
            return inputs[1]._replace(channels=channels)
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
        """Without ``like``; with it, what is seen depends on the sizes: infinite."""
        if self.like is not None:
            return Window(math.inf), Window(math.inf)
        if self.stride < 0:
            window = Window(size=-self.stride, stride=-self.stride)
        else:
            size = {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]
            size = 1 if self.stride == 1 else size
            window = Window(size=size, scale=self.stride)
        return window, window

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.stride < 0:
            return None
        if self.mode == "nearest" and self.like is None:
            return Repeat(self.stride, self.scale)
        size = self.output_shape(*inputs)[:2]
        factor = size[0] // inputs[0].height
        if self.mode == "nearest" and size == (
            inputs[0].height * factor,
            inputs[0].width * factor,
        ):
            return Repeat(factor, self.scale)
        return Resize(self.method, inputs[0][:2], size, self.scale)

    @property
    def method(self) -> Resampling:
        """The filter, and where pixels lie."""
        return Resampling(self.mode, self.a, self.align_corners)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        shapes = [Shape(*x.shape[1:]) for x in inputs]
        size = self.output_shape(*shapes)[:2]
        if training:
            self._saved = tuple(x.shape for x in inputs)
        rows, columns = self._taps(shapes[0][:2], size)
        return kernels.resample(kernels.resample(inputs[0], 1, rows), 2, columns)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape, *others = self._recall()
        taps = self._taps(shape[1:3], delta.shape[1:3])
        rows, columns = (
            transposed(some, length)
            for some, length in zip(taps, shape[1:3], strict=True)
        )
        by_x = kernels.resample(kernels.resample(delta, 2, columns), 1, rows)
        return by_x, *(np.zeros(other, delta.dtype) for other in others)

    def _taps(
        self, length: tuple[int, ...], size: tuple[int, ...]
    ) -> tuple[Taps, Taps]:
        """Those of rows, and of columns with ``scale``."""
        if self.stride < 0:
            cell = range(-self.stride)
            both = [
                [[(o * len(cell) + i, 1.0) for i in cell] for o in range(count)]
                for count in size
            ]
            return both[0], times(both[1], self.scale)
        rows, columns = (
            self.method.taps(*pair) for pair in zip(length, size, strict=True)
        )
        return rows, times(columns, self.scale)
