"""The head of Gaussian YOLOv3: boxes that know how sure they are."""

from __future__ import annotations

from zoo.keys import Key
from zoo.layers.base import Array
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.heads import cells, of_training
from zoo.layers.yolo import YOLO_KEYS, MaskedHead
from zoo.plugins.base import Kernels

__all__ = ["GaussianYolo"]

_RAW = (4, 6)  # mean of width and of height


class GaussianYolo(MaskedHead):
    """Mean and variance of x, y, w, h, then objectness and classes, of each anchor.

    All of them are 1 / (1 + e^-t) of what arrives, but the means of w and h, which stay;
    x and y are then spread by ``scale_x_y`` as in [yolo].

    (Choi et al., "Gaussian YOLOv3", 2019; ``forward_gaussian_yolo_layer`` of AlexeyAB's
    Darknet.)
    """

    summary = "boxes of Gaussian YOLOv3, with their variances"
    keys = (
        *YOLO_KEYS,
        Key(
            "yolo_point",
            "str",
            "center",
            "what x and y are of the box",
            choices=("center", "left_top", "right_bottom"),
            fallback="center",
        ),
        Key(
            "nms_kind",
            "str",
            "default",
            "how zoo detect leaves boxes out",
            choices=("default", "greedynms", "diounms", "cornersnms"),
            fallback="default",
        ),
        *of_training("uc_normalizer"),
        *COMMON_KEYS,
    )

    yolo_point: str

    @property
    def entries(self) -> int:
        return 9 + self.classes

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        y = kernels.activate(x, "logistic")
        made, given = cells(y, len(self.boxes)), cells(x, len(self.boxes))
        for entry in _RAW:
            made[..., entry] = given[..., entry]
        centres = made[..., 0:4:2]
        centres[...] = self.shifted(centres)
        return y
