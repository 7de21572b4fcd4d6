"""Concatenation of earlier layers along their channels."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import REQUIRED, Key
from zoo.layers.base import Array, Layer
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Concat, Identity, Operation
from zoo.shapes import Shape

__all__ = ["Route"]


class Route(Layer):
    """Channels of several layers, one after the other.

    With ``groups`` g and ``group_id`` i, each layer gives only the i-th of g equal
    parts of its channels; with ``first`` and ``count``, channels first to first +
    count - 1 of it. The gradient of each layer is its part of delta, zero for
    channels that were left out.
    """

    summary = "the channels of earlier layers, one after the other"
    keys = (
        Key(
            "layers",
            "ints",
            REQUIRED,
            "layers to join; negative counts back from this layer",
        ),
        Key("groups", "int", 1, "equal parts that channels are cut into", minimum=1),
        Key("group_id", "int", 0, "which part to take, from 0", minimum=0),
        Key("first", "int", 0, "the first channel to take of each layer", minimum=0),
        Key("count", "int", 0, "how many channels to take; 0: the rest", minimum=0),
        Key("stream", "int", -1, "Darknet's", unused=True),
        Key("wait_stream", "int", -1, "Darknet's", unused=True),
        *COMMON_KEYS,
    )

    layers: tuple[int, ...]
    groups: int
    group_id: int
    first: int
    count: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.group_id >= self.groups:
            raise ValueError(
                f"group_id={self.group_id} does not exist among {self.groups} groups; "
                f"it counts from 0"
            )
        if self.groups > 1 and (self.first or self.count):
            raise ValueError("has groups beside first or count; use one or the other")

    def sources(self, index: int) -> tuple[int, ...]:
        # Relative references may reach -1, the network's input.
        return tuple(layer if layer >= 0 else index + layer for layer in self.layers)

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != len(self.layers):
            raise ShapeError(
                f"a route of {len(self.layers)} layers takes as many inputs, "
                f"not {len(inputs)}"
            )
        first = inputs[0]
        for shape in inputs:
            if shape[:2] != first[:2]:
                raise ShapeError(
                    f"a route cannot join {first} and {shape}: height and width "
                    f"must be equal"
                )
            if shape.channels % self.groups:
                raise ShapeError(
                    f"the {shape.channels} channels of {shape} cannot be cut into "
                    f"{self.groups} groups"
                )
            part = self._part(shape.channels)
            if part.start >= part.stop or part.stop > shape.channels:
                raise ShapeError(
                    f"{shape} has no channels from {self.first} to {part.stop - 1}; "
                    f"check first and count"
                )
        channels = 0
        for part in (self._part(shape.channels) for shape in inputs):
            channels += part.stop - part.start
        return Shape(first.height, first.width, channels)

    def lower(self, *inputs: Shape) -> Operation | None:
        parts = [self._part(shape.channels) for shape in inputs]
        if len(parts) == 1 and parts[0] == slice(0, inputs[0].channels):
            return Identity()
        return Concat(tuple((part.start, part.stop) for part in parts))

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        if training:
            self._saved = tuple(x.shape for x in inputs)
        parts = [self._part(x.shape[3]) for x in inputs]
        widths = [part.stop - part.start for part in parts]
        if len(inputs) == 1 and widths[0] == inputs[0].shape[3]:
            return np.ascontiguousarray(inputs[0])
        output = np.empty((*inputs[0].shape[:3], sum(widths)), inputs[0].dtype)
        start = 0
        for x, part, width in zip(inputs, parts, widths, strict=True):
            kernels.copy_channels(x, part.start, output, start, width)
            start += width
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shapes: tuple[tuple[int, ...], ...] = self._recall()
        gradients = []
        start = 0
        for shape in shapes:
            part = self._part(shape[3])
            width = part.stop - part.start
            make = np.empty if width == shape[3] else np.zeros
            gradient = make(shape, delta.dtype)
            kernels.copy_channels(delta, start, gradient, part.start, width)
            gradients.append(gradient)
            start += width
        return tuple(gradients)

    def _part(self, channels: int) -> slice:
        """The channels of an input that are taken."""
        if self.groups == 1:
            count = self.count or channels - self.first
            return slice(self.first, self.first + count)
        width = channels // self.groups
        return slice(self.group_id * width, (self.group_id + 1) * width)
