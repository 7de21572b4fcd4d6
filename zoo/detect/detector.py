"""From a picture to the objects in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from zoo.api import Model
from zoo.detect.decoding import Rows, decode, heads_of
from zoo.detect.names import name_of
from zoo.detect.nms import keep
from zoo.detect.resizing import RESIZES, Resize, fitted, resize_of
from zoo.errors import UsageError, ZooError
from zoo.images.image import Image
from zoo.layers.base import Array
from zoo.layers.yolo import MaskedHead

__all__ = ["DetectedObject", "Detector", "Suppression"]

Suppression = Literal["class", "agnostic", "diou"]
"""Whose boxes are held against each other: those of one class (as Darknet does), all,
or those of one class with the distance of the centres taken into account."""


@dataclass(frozen=True)
class DetectedObject:
    """One object.

    Attributes
    ----------
    index : int
        Of the class.
    name : str
    score : float
        Objectness times the probability of the class.
    objectness : float
    left, top, width, height : float
        In pixels of the picture, whose upper left corner is 0, 0; a box may reach
        beyond the picture.
    """

    index: int
    name: str
    score: float
    objectness: float
    left: float
    top: float
    width: float
    height: float

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "class": self.index,
            "name": self.name,
            "score": round(self.score, 6),
            "objectness": round(self.objectness, 6),
            "box": [
                round(value, 3)
                for value in (self.left, self.top, self.width, self.height)
            ],
        }


class Detector:
    """A detector with all that is decided about its use.

    Parameters
    ----------
    model : Model
        A network with heads, and with weights.
    names : tuple of str, optional
        Of the classes.
    threshold : float
        The least score.
    overlap : float
        Boxes that overlap more are one object.
    suppression : Suppression, optional
        By default what the heads' nms_kind says.
    resize : Resize, optional
        By default what [net] says; see :func:`zoo.detect.resizing.resize_of`.

    Raises
    ------
    UsageError
        If the network has no heads or does not say its size, or a value makes no sense.
    """

    def __init__(
        self,
        model: Model,
        names: tuple[str, ...] | None = None,
        *,
        threshold: float = 0.25,
        overlap: float = 0.45,
        suppression: Suppression | None = None,
        resize: Resize | None = None,
    ) -> None:
        network = model.network
        self.heads = heads_of(network)
        if not (network.settings["height"] and network.settings["width"]):
            raise UsageError(
                f"{network.source} does not say its size; give height and width in [net]"
            )
        if resize is not None and resize not in RESIZES:
            raise UsageError(f"resize is one of {', '.join(RESIZES)}, not {resize!r}")
        self.model = model
        self.names = names
        self.threshold, self.overlap = threshold, overlap
        self.resize: Resize = resize or resize_of(network.settings)
        first = network[self.heads[0]]
        kind = first.nms_kind if isinstance(first, MaskedHead) else "default"
        self.distance = first.beta_nms if isinstance(first, MaskedHead) else 0.6
        self.suppression: Suppression = suppression or (
            "diou" if kind == "diounms" else "class"
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        return self.model.network.nominal_size

    def rows(self, x: Array) -> list[Rows]:
        """What each head says of one network input.

        Parameters
        ----------
        x : ndarray, float32, 1 x H x W x C

        Raises
        ------
        ZooError
            If the network gives NaN or infinity.
        """
        network = self.model.network
        outputs = self.model.plan(x.shape[1], x.shape[2])(x)
        if len(network.outputs) == 1:
            outputs = (outputs,)
        made = dict(zip(network.outputs, outputs, strict=True))
        for index, output in made.items():
            if not np.isfinite(output).all():
                raise ZooError(
                    f"{network.where(index)} gives NaN or infinity for this picture; "
                    f"the weights are of no use, or not those of this cfg"
                )
        return [decode(network[i], made[i][0], x.shape[1:3]) for i in self.heads]

    def __call__(self, image: Image) -> list[DetectedObject]:
        """The objects in a picture, the surest first.

        Raises
        ------
        ShapeError
            If the network cannot take the picture.
        ZooError
            If the network gives NaN or infinity.
        """
        pixels = self.model.network.pixels
        x, fit = fitted(image, pixels, self.size, self.resize)
        rows = self.rows(x)
        boxes = fit.back(np.concatenate([part.boxes for part in rows]))
        objectness = np.concatenate([part.objectness for part in rows])
        found = []
        for index, row, score in self._kept(rows, boxes):
            x0, y0, w, h = boxes[row] * np.array(
                [image.width, image.height, image.width, image.height]
            )
            found.append(
                DetectedObject(
                    index,
                    name_of(self.names, index),
                    score,
                    float(objectness[row]),
                    float(x0 - w / 2),
                    float(y0 - h / 2),
                    float(w),
                    float(h),
                )
            )
        return sorted(found, key=lambda one: -one.score)

    def _kept(self, rows: list[Rows], boxes: Any) -> Iterator[tuple[int, int, float]]:
        """Class, row and score of what suppression leaves."""
        width = max(part.scores.shape[1] for part in rows)
        scores = np.concatenate(
            [
                np.pad(part.scores, ((0, 0), (0, width - part.scores.shape[1])))
                for part in rows
            ]
        )
        # Darknet asks for the objectness too, which is never below the scores.
        able = np.argwhere(scores > self.threshold)
        values = scores[tuple(able.T)].astype(np.float64)
        distance = self.distance if self.suppression == "diou" else None
        groups = [np.arange(len(able))]
        if self.suppression != "agnostic":
            groups = [np.flatnonzero(able[:, 1] == c) for c in np.unique(able[:, 1])]
        for group in groups:
            of_group = boxes[able[group, 0]]
            for place in keep(of_group, values[group], self.overlap, distance):
                row, index = able[group[place]]
                yield int(index), int(row), float(values[group[place]])
