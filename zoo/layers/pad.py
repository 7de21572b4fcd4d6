"""Rows and columns added around the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.keys import Key
from zoo.layers.base import Array, one_input
from zoo.layers.sides import Sided, side_keys
from zoo.plugins.base import Kernels, Padding, PadMode
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

    With ``multiple`` m, rows and columns are added at the bottom and right until height
    and width, the border included, are multiples of m; ``[trim] like=`` cuts off what
    came of them.
    """

    summary = "a border of zeros, of edge pixels or of the reflected image"
    keys = (
        *side_keys("added"),
        Key(
            "multiple",
            "int",
            1,
            "what height and width become a multiple of, at the bottom and right",
            minimum=1,
            maximum=4096,
        ),
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
    multiple: int

    def sides_of(self, height: int, width: int) -> Padding:
        """Pixels added at each side of a picture of this size."""
        top, bottom, left, right = self.sides
        more = (
            -(top + height + bottom) % self.multiple,
            -(left + width + right) % self.multiple,
        )
        return Padding(top, bottom + more[0], left, right + more[1])

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = one_input(inputs, "a pad")
        top, bottom, left, right = self.sides_of(height, width)
        return Shape(top + height + bottom, left + width + right, channels)

    def lower(self, *inputs: Shape) -> program.Operation | None:
        return program.Pad(self.sides_of(*inputs[0][:2]), self.mode)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if training:
            self._saved = x.shape
        top, bottom, left, right = self.sides_of(*x.shape[1:3])
        borders = ((0, 0), (top, bottom), (left, right), (0, 0))
        if self.mode == "zero":
            return np.pad(x, borders)
        return np.pad(x, borders, mode=self.mode)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        _, height, width, _ = self._recall()
        top, bottom, left, right = self.sides_of(height, width)
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
