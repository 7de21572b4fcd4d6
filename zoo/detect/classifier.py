"""From a picture to the classes that it may belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.api import Model
from zoo.detect.names import name_of
from zoo.detect.resizing import Resize, fitted, resize_of
from zoo.errors import UsageError, ZooError
from zoo.images.image import Image
from zoo.layers.softmax import Softmax

__all__ = ["Classifier", "Guess"]


@dataclass(frozen=True)
class Guess:
    """A class and its probability."""

    index: int
    name: str
    score: float

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"class": self.index, "name": self.name, "score": round(self.score, 6)}


class Classifier:
    """A network whose output is one value for each class.

    Parameters
    ----------
    model : Model
        With weights; [net] says the size of its input.
    names : tuple of str, optional
        Of the classes.
    resize : Resize, optional
        How a picture is brought to that size; by default what [net] says.
    middle : bool
        Whether only the middle is seen, as large as the proportions of the input allow,
        as AlexeyAB's Darknet does; else all of the picture.

    Raises
    ------
    UsageError
        If the network's output is a picture, or it does not say its size.
    """

    def __init__(
        self,
        model: Model,
        names: tuple[str, ...] | None = None,
        *,
        resize: Resize | None = None,
        middle: bool = False,
    ) -> None:
        network = model.network
        if not (network.settings["height"] and network.settings["width"]):
            raise UsageError(
                f"{network.source} does not say its size; give height and width in [net]"
            )
        shape = network.shapes(*network.nominal_size)[-1]
        if len(network.outputs) > 1 or shape[:2] != (1, 1):
            raise UsageError(
                f"{network.source} gives {shape}, which are no classes of a picture; "
                f"`zoo run` makes pictures, `zoo detect` finds objects"
            )
        self.model, self.names = model, names
        self.resize: Resize = resize or resize_of(network.settings)
        self.middle = middle

    @property
    def _tree(self) -> Any:
        for layer in reversed(self.model.network.layers):
            if isinstance(layer, Softmax) and layer.tree:
                return layer.class_tree
        return None

    def __call__(self, image: Image, count: int = 5) -> list[Guess]:
        """The likeliest classes of a picture.

        Raises
        ------
        ShapeError
            If the network cannot take the picture.
        ZooError
            If the network gives NaN or infinity.
        """
        network = self.model.network
        size = network.nominal_size
        part = _middle(image, size) if self.middle else image
        x, _ = fitted(part, network.pixels, size, self.resize)
        values = np.asarray(self.model.plan(*size)(x)).reshape(-1)
        if not np.isfinite(values).all():
            raise ZooError(
                f"{network.source} gives NaN or infinity for this picture; the weights "
                f"are of no use, or not those of this cfg"
            )
        if self._tree is not None:
            values = self._tree.absolute(values)
        order = np.argsort(-values, kind="stable")[:count]
        return [
            Guess(int(i), name_of(self.names, int(i)), float(values[i])) for i in order
        ]


def _middle(image: Image, size: tuple[int, int]) -> Image:
    """The largest part in the middle with the proportions of the network's input."""
    height, width = size
    rows = min(image.height, image.width * height // width) or 1
    columns = min(image.width, image.height * width // height) or 1
    top, left = (image.height - rows) // 2, (image.width - columns) // 2
    return image.with_pixels(
        np.ascontiguousarray(image.pixels[top : top + rows, left : left + columns]),
        None,
    )
