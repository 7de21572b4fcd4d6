"""The head of YOLOv2 and YOLO9000."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.base import Array
from zoo.layers.class_tree import TREE_KEY, TreeLayer, group_softmax
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.layers.heads import ANCHOR_KEYS, Head, cells, of_training
from zoo.plugins.base import Kernels

__all__ = ["Region"]


class Region(Head, TreeLayer):
    """x, y, w, h, objectness and classes of each anchor in each cell.

    With t what arrives, x, y and objectness are 1 / (1 + e^-t), w and h are t. The
    classes are a softmax of t with ``softmax=1``, one over each group of a class tree
    with ``tree``, else 1 / (1 + e^-t) (``dialect=alexeyab``: t itself). With
    ``background=1`` objectness is t and a class of the softmax. Where ``coords`` is
    more than 4, what follows w and h stays as it is.

    (Redmon and Farhadi, "YOLO9000", 2016; ``forward_region_layer`` of both Darknets.
    AlexeyAB's applies the function of x and y when it makes the boxes.)
    """

    summary = "boxes of YOLOv2: a grid of cells with anchors"
    keys = (
        *ANCHOR_KEYS,
        Key("coords", "int", 4, "numbers of a box", minimum=4),
        Key("softmax", "bool", False, "1: the classes exclude one another"),
        Key("background", "bool", False, "pjreddie's: objectness is a class"),
        TREE_KEY,
        Key("map", "str", "", "file of the classes of a tree to report"),
        DIALECT_KEY,
        *of_training(
            "max",
            "log",
            "sqrt",
            "focal_loss",
            "jitter",
            "resize",
            "rescore",
            "thresh",
            "classfix",
            "absolute",
            "random",
            "coord_scale",
            "object_scale",
            "noobject_scale",
            "mask_scale",
            "class_scale",
            "bias_match",
        ),
        *COMMON_KEYS,
    )

    classes: int
    num: int
    anchors: tuple[float, ...]
    coords: int
    softmax: bool
    background: bool
    map: str
    dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.boxes = self._anchors(self.anchors, self.num)
        """Width and height of each anchor, in cells."""

    def channels(self) -> int:
        return self.num * (self.coords + 1 + self.classes)

    def explain(self) -> str:
        return f"num={self.num}, coords={self.coords} and classes={self.classes}"

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        y = kernels.activate(x, "logistic")
        given, made = cells(x, self.num), cells(y, self.num)
        made[..., 2 : self.coords] = given[..., 2 : self.coords]
        first = self.coords + 1
        if self.tree:
            groups = self.groups_of(self.classes)
            made[..., first:] = group_softmax(given[..., first:], groups)
        elif self.softmax:
            first -= self.background
            groups = ((0, self.classes + self.background),)
            made[..., first:] = group_softmax(given[..., first:], groups)
        elif self.dialect == "alexeyab":
            made[..., first:] = given[..., first:]
        if self.background and not self.softmax:
            made[..., self.coords] = given[..., self.coords]
        return y
