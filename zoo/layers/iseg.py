"""The head of pjreddie's instance segmentation."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["InstanceSegmentation"]


class InstanceSegmentation(Layer):
    """Probabilities of classes, and a vector that tells objects apart, for each pixel.

    The first ``classes`` channels become 1 / (1 + e^-x), the ``ids`` others stay. The
    gradient follows.
    """

    summary = "classes as probabilities, embeddings as they are"
    keys = (
        Key("classes", "int", 20, "channels that become probabilities", minimum=1),
        Key("ids", "int", 32, "channels that stay", minimum=0),
        Key("max", "int", 90, "Darknet's, in training", unused=True),
        *COMMON_KEYS,
    )

    classes: int
    ids: int

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "an iseg")
        wanted = self.classes + self.ids
        if shape.channels != wanted:
            raise ShapeError(
                f"{shape} arrives, and classes={self.classes} and ids={self.ids} need "
                f"{wanted} channels; give the layer before it filters={wanted}"
            )
        return shape

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        y = inputs[0].copy()
        y[..., : self.classes] = kernels.activate(
            y[..., : self.classes].copy(), "logistic"
        )
        if training:
            self._saved = y
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        y: Array = self._recall()
        gradient = delta.copy()
        part = y[..., : self.classes]
        gradient[..., : self.classes] *= part * (1 - part)
        return (gradient,)
