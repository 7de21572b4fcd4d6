"""Rows and columns added around the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.keys import Key
from zoo.layers.base import Array, one_input
from zoo.layers.sides import Sided, side_keys
from zoo.plugins.base import Kernels, PadMode
from zoo.program import operations as program
from zoo.program.geometry import PAD_MODES
from zoo.shapes import Shape

__all__ = ["Pad"]


class Pad(Sided):
    """The image with a border.

    The border is made of zeros (``zero``), the nearest edge pixels (``edge``:
    a a | a b c | c c), or the image reflected at its edge, the edge pixel included
    (``symmetric``: b a | a b c | c b) or not (``reflect``: c b | a b c | b a). The
    gradient of an image pixel is the sum of delta over all pixels copied from it.
    """

    summary = "a border of zeros, of edge pixels or of the reflected image"
    keys = (
        *side_keys("added"),
        Key(
            "mode",
            "str",
            "zero",
            "what the border holds",
            choices=PAD_MODES,
            aliases=("pad_mode",),
        ),
    )

    mode: PadMode

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = one_input(inputs, "a pad")
        top, bottom, left, right = self.sides
        return Shape(top + height + bottom, left + width + right, channels)

    def lower(self, *inputs: Shape) -> program.Operation | None:
        return program.Pad(self.sides, self.mode)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if training:
            self._saved = x.shape
        top, bottom, left, right = self.sides
        borders = ((0, 0), (top, bottom), (left, right), (0, 0))
        if self.mode == "zero":
            return np.pad(x, borders)
        return np.pad(x, borders, mode=self.mode)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        _, height, width, _ = self._recall()
        top, bottom, left, right = self.sides
        folded = self._fold(delta, 1, height, top, bottom)
        return (self._fold(folded, 2, width, left, right),)

    def _fold(
        self, delta: Array, axis: int, length: int, before: int, after: int
    ) -> Array:
        """Add the border's gradient, along one axis, to where its pixels came from."""
        outer = np.moveaxis(delta, axis, 0)
        inner = outer[before : before + length].copy()
        if self.mode != "zero":
            border = [*range(before), *range(before + length, len(outer))]
            origins: NDArray[np.intp] = np.pad(
                np.arange(length), (before, after), mode=self.mode
            )
            for place in border:
                inner[origins[place]] += outer[place]
        return np.ascontiguousarray(np.moveaxis(inner, 0, axis))
