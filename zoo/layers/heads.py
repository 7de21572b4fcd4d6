"""What the output layers of detectors share.

A head predicts boxes in the cells of a grid: ``anchors`` of them in each, and for each
some numbers of the box, whether there is an object, and what it may be. Their forward
gives what Darknet's layer gives; :mod:`zoo.detect` makes boxes of it.
"""

from __future__ import annotations

from typing import ClassVar

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.shapes import Shape

__all__ = ["ANCHOR_KEYS", "Head", "cells", "of_training"]


def of_training(*names: str) -> tuple[Key, ...]:
    """Keys that only the training of detectors reads."""
    return tuple(
        Key(name, "str", "", "Darknet's, in training", unused=True) for name in names
    )


ANCHOR_KEYS: tuple[Key, ...] = (
    Key("classes", "int", 20, "kinds of objects", minimum=1),
    Key("num", "int", 1, "anchors in the list", minimum=1),
    Key("anchors", "floats", (), "width and height of each, one after the other"),
)


class Head(Layer):
    """An output of a detector; training detectors is left to Darknet."""

    is_output: ClassVar[bool] = True

    def channels(self) -> int:
        """Channels that the layer before must have."""
        raise NotImplementedError

    def explain(self) -> str:
        """What :meth:`channels` is made of, for people."""
        raise NotImplementedError

    def output_shape(self, *inputs: Shape) -> Shape:
        name = type(self).__name__
        shape = one_input(inputs, f"a {name} head")
        wanted = self.channels()
        if shape.channels != wanted:
            raise ShapeError(
                f"{shape} arrives, and {self.explain()} need {wanted} channels; give "
                f"the layer before it filters={wanted}"
            )
        return shape

    def _anchors(
        self, values: tuple[float, ...], num: int
    ) -> list[tuple[float, float]]:
        """The anchors as pairs; 0.5 each where the cfg has none, as in Darknet.

        Raises
        ------
        ValueError
            If there are fewer than ``num``.
        """
        if not values:
            return [(0.5, 0.5)] * num
        if len(values) < 2 * num:
            raise ValueError(
                f"has {len(values)} numbers in anchors; num={num} needs {2 * num}, "
                f"width and height of each"
            )
        return list(zip(values[0 : 2 * num : 2], values[1 : 2 * num : 2], strict=True))


def cells(x: Array, anchors: int) -> Array:
    """N x H x W x (anchors entries) as N x H x W x anchors x entries."""
    return x.reshape(*x.shape[:3], anchors, -1)
