"""The head of the first YOLO."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Window, one_input
from zoo.layers.class_tree import group_softmax
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.heads import Head, of_training
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Detection"]


class Detection(Head):
    """Classes of each cell, then objectness of each box, then the boxes, all in a row.

    The values of an image, channel by channel, are: for each of side x side cells the
    probabilities of the classes; for each cell the objectness of its ``num`` boxes; for
    each cell x, y, w, h of its boxes. With ``softmax=1`` the classes become a softmax;
    all else passes.

    (Redmon et al., "You only look once", 2015; ``forward_detection_layer`` of both
    Darknets.)
    """

    summary = "boxes of the first YOLO: a grid of cells"
    keys = (
        Key("classes", "int", 1, "kinds of objects", minimum=1),
        Key("num", "int", 1, "boxes of a cell", minimum=1),
        Key("side", "int", 7, "cells along height and width", minimum=1),
        Key("coords", "int", 1, "numbers of a box; 4 for zoo detect", minimum=1),
        Key("softmax", "bool", False, "1: the classes exclude one another"),
        Key("sqrt", "bool", False, "1: w and h are square roots"),
        *of_training(
            "rescore",
            "max",
            "coord_scale",
            "forced",
            "object_scale",
            "noobject_scale",
            "class_scale",
            "jitter",
            "resize",
            "random",
            "reorg",
        ),
        *COMMON_KEYS,
    )

    classes: int
    num: int
    side: int
    coords: int
    softmax: bool
    sqrt: bool

    def channels(self) -> int:
        return self.side**2 * ((1 + self.coords) * self.num + self.classes)

    def explain(self) -> str:
        return (
            f"side={self.side}, num={self.num}, coords={self.coords} and "
            f"classes={self.classes}"
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a detection head")
        if shape.size != self.channels():
            raise ShapeError(
                f"the {shape.size} values of {shape} arrive, and {self.explain()} need "
                f"{self.channels()}; give the layer before it output={self.channels()}"
            )
        return shape

    def window(self) -> tuple[Window, Window]:
        """Infinite: the cells are not where the values stand."""
        return Window(math.inf), Window(math.inf)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if not self.softmax:
            return x.copy()
        n, height, width, channels = x.shape
        planes = x.transpose(0, 3, 1, 2).reshape(n, -1).copy()
        count = self.side**2 * self.classes
        classes = planes[:, :count].reshape(n, -1, self.classes)
        planes[:, :count] = group_softmax(classes, ((0, self.classes),)).reshape(n, -1)
        images = planes.reshape(n, channels, height, width).transpose(0, 2, 3, 1)
        return np.ascontiguousarray(images)
