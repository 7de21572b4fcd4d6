"""Rows and columns cut off around the image."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, one_input
from zoo.layers.darknet_keys import STOP_KEY
from zoo.layers.sides import Sided, side_keys
from zoo.plugins.base import Kernels, Padding
from zoo.program.operations import Operation, Pad
from zoo.shapes import Shape

__all__ = ["Trim"]


class Trim(Sided):
    """The image without its border: what [pad] adds, this cuts off.

    The gradient of a pixel that was cut off is zero. With ``like``, what is cut off at the
    bottom and right leaves ``scale`` times the size of another layer: what became of
    the rows and columns that ``[pad] multiple=`` added.
    """

    summary = "cuts a border off"
    keys = (
        *side_keys("cut off"),
        Key(
            "like",
            "int",
            None,
            "a layer; rows and columns beyond scale times its size are cut off",
        ),
        Key(
            "scale",
            "int",
            1,
            "how many times as large as that layer the result is",
            minimum=1,
            maximum=4096,
        ),
        STOP_KEY,
    )

    like: int | None
    scale: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.like is not None and any(self.sides):
            raise ValueError("has like beside pixels to cut off; use one of them")

    def sources(self, index: int) -> tuple[int, ...]:
        if self.like is None:
            return (index - 1,)
        return index - 1, self.like if self.like >= 0 else index + self.like

    def reads(self, index: int) -> tuple[int, ...]:
        return (index - 1,)

    def sides_of(self, shape: Shape, *like: Shape) -> Padding:
        """Pixels cut off at each side.

        Raises
        ------
        ShapeError
            If the picture is smaller than it shall become.
        """
        if not like:
            return self.sides
        bottom = shape.height - self.scale * like[0].height
        right = shape.width - self.scale * like[0].width
        if bottom < 0 or right < 0:
            raise ShapeError(
                f"a trim cannot make {self.scale} times the size of {like[0]} of {shape}"
            )
        return Padding(0, bottom, 0, right)

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs[:1], "a trim")
        top, bottom, left, right = self.sides_of(*inputs)
        height, width = shape.height - top - bottom, shape.width - left - right
        if height < 1 or width < 1:
            raise ShapeError(
                f"a trim of {top}, {bottom}, {left} and {right} pixels at the top, "
                f"bottom, left and right leaves nothing of {shape}"
            )
        return Shape(height, width, shape.channels)

    def lower(self, *inputs: Shape) -> Operation | None:
        return Pad(Padding(*(-side for side in self.sides_of(*inputs))), "zero")

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        sides = self.sides_of(*(Shape(*each.shape[1:]) for each in inputs))
        if training:
            self._saved = tuple(each.shape for each in inputs), sides
        return np.ascontiguousarray(x[_inner(x.shape, sides)])

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shapes: tuple[tuple[int, ...], ...]
        shapes, sides = self._recall()
        gradients = tuple(np.zeros(shape, delta.dtype) for shape in shapes)
        gradients[0][_inner(shapes[0], sides)] = delta
        return gradients


def _inner(shape: tuple[int, ...], sides: Padding) -> tuple[slice, ...]:
    """What is left of an image."""
    top, bottom, left, right = sides
    return slice(None), slice(top, shape[1] - bottom), slice(left, shape[2] - right)
