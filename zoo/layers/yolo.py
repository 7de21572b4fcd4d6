"""The head of YOLOv3, v4 and v7."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.base import Array
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.heads import ANCHOR_KEYS, Head, cells, of_training
from zoo.plugins.base import Kernels

__all__ = ["YOLO_KEYS", "MaskedHead", "Yolo"]

YOLO_KEYS: tuple[Key, ...] = (
    *ANCHOR_KEYS,
    Key("mask", "ints", (), "which anchors this head has; all if absent"),
    Key("scale_x_y", "float", 1.0, "how far a centre may leave its cell", minimum=0),
    Key(
        "beta_nms",
        "float",
        0.6,
        "exponent of the centres' distance for nms_kind=diounms",
        minimum=0,
    ),
    *of_training(
        "max",
        "jitter",
        "ignore_thresh",
        "truth_thresh",
        "random",
        "map",
        "show_details",
        "max_delta",
        "counters_per_class",
        "label_smooth_eps",
        "objectness_smooth",
        "iou_normalizer",
        "obj_normalizer",
        "cls_normalizer",
        "delta_normalizer",
        "iou_loss",
        "iou_thresh_kind",
        "resize",
        "focal_loss",
        "iou_thresh",
        "track_history_size",
        "sim_thresh",
        "dets_for_track",
        "dets_for_show",
        "track_ciou_norm",
        "embedding_layer",
        "beta1",
    ),
)
"""Keys of [yolo] and [Gaussian_yolo]."""


class MaskedHead(Head):
    """A head with some of the anchors of a list that several share."""

    classes: int
    num: int
    anchors: tuple[float, ...]
    mask: tuple[int, ...]
    scale_x_y: float
    beta_nms: float
    nms_kind: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        # Some cfg of Darknet name more anchors than num says, and use them.
        every = self._anchors(self.anchors, max(self.num, len(self.anchors) // 2))
        mask = self.mask or tuple(range(self.num))
        for number in mask:
            if not 0 <= number < len(every):
                raise ValueError(
                    f"has {number} in mask, and {len(every)} anchors count from 0"
                )
        self.boxes = [every[number] for number in mask]
        """Width and height of each anchor, in pixels of the network's input."""

    @property
    def entries(self) -> int:
        """Numbers for one box."""
        raise NotImplementedError

    def channels(self) -> int:
        return len(self.boxes) * self.entries

    def explain(self) -> str:
        return f"classes={self.classes} and a mask of {len(self.boxes)} anchors"

    def shifted(self, part: Array) -> Array:
        """Centres spread around the middle of the cell: s v - (s - 1) / 2."""
        if self.scale_x_y == 1:
            return part
        kind = part.dtype.type
        return part * kind(self.scale_x_y) - kind(0.5 * (self.scale_x_y - 1))


class Yolo(MaskedHead):
    """x, y, w, h, objectness and classes of each anchor in each cell.

    With t what arrives, l = 1 / (1 + e^-t) and s = ``scale_x_y``: x, y = s l - (s-1)/2,
    w, h = t, objectness and classes = l. With ``new_coords=1`` the layer before has the
    logistic function already: x, y = s t - (s-1)/2 and all else = t.

    (Redmon and Farhadi, "YOLOv3", 2018; ``forward_yolo_layer`` of both Darknets.)
    """

    summary = "boxes of YOLOv3, v4, v7: a grid of cells with anchors"
    keys = (
        *YOLO_KEYS,
        Key("new_coords", "bool", False, "1: Scaled-YOLOv4's form of the numbers"),
        Key(
            "nms_kind",
            "str",
            "default",
            "how zoo detect leaves boxes out",
            choices=("default", "greedynms", "diounms"),
            fallback="default",
        ),
        *COMMON_KEYS,
    )

    new_coords: bool

    @property
    def entries(self) -> int:
        return 5 + self.classes

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if self.new_coords:
            y = x.copy()
        else:
            y = kernels.activate(x, "logistic")
            cells(y, len(self.boxes))[..., 2:4] = cells(x, len(self.boxes))[..., 2:4]
        centres = cells(y, len(self.boxes))[..., :2]
        centres[...] = self.shifted(centres)
        return y
