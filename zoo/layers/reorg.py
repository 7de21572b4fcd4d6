"""Darknet's reorganization of pixels into channels, with its order."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.program.operations import Operation, Shuffle
from zoo.shapes import Shape

__all__ = ["Reorg"]


class Reorg(Layer):
    """H x W x C to H/s x W/s x (C s^2), in the order of YOLOv2.

    With ``reverse=1`` it is the pixel shuffle in TensorFlow's order,

        y[s h + i, s w + j, c] = x[h, w, (i s + j) C/s^2 + c].

    Without, Darknet applies the inverse of that to an image of the wrong shape: the
    values of x, channel by channel, are taken for C/s^2 channels of sH x sW pixels,
    these for C channels of H x W, and the result for C s^2 channels of H/s x W/s. What
    YOLOv2's weights expect is exactly this.

    pjreddie's Darknet has two variants: ``flatten`` brings the values from the order
    channel, row, column to row, column, channel (with ``reverse`` back) and takes them
    for the new shape; ``extra`` appends so many zeros to all values in a row, and does
    nothing else. The gradient is the inverse of each.
    """

    summary = "pixels into channels, in the order of YOLOv2; reverse=1: pixel shuffle"
    keys = (
        Key("stride", "int", 1, "side of the cell that becomes one pixel", minimum=1),
        Key("reverse", "bool", False, "1: channels into pixels"),
        Key("flatten", "bool", False, "pjreddie's: channels last, then first"),
        Key("extra", "int", 0, "pjreddie's: zeros appended to the values", minimum=0),
        *COMMON_KEYS,
    )

    stride: int
    reverse: bool
    flatten: bool
    extra: int

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a reorg")
        if self.extra:
            return Shape(1, 1, shape.size + self.extra)
        s = self.stride
        if shape.channels % (s * s) and (self.reverse or not self.flatten):
            raise ShapeError(
                f"the {shape.channels} channels of {shape} do not divide by "
                f"stride^2 = {s * s}"
            )
        if self.reverse:
            return Shape(shape.height * s, shape.width * s, shape.channels // (s * s))
        if shape.height % s or shape.width % s:
            raise ShapeError(f"height and width of {shape} do not divide by stride={s}")
        return Shape(shape.height // s, shape.width // s, shape.channels * s * s)

    def window(self) -> tuple[Window, Window]:
        """Infinite but for ``reverse``: the values go far astray."""
        if self.reverse and not (self.flatten or self.extra):
            return Window(scale=self.stride), Window(scale=self.stride)
        return Window(math.inf), Window(math.inf)

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.reverse and not (self.flatten or self.extra):
            return Shuffle(self.stride, "dcr")
        return None

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if training:
            self._saved = x.shape
        if self.extra:
            values = _planes(x).reshape(len(x), -1)
            y = np.pad(values, ((0, 0), (0, self.extra)))
            return y.reshape(len(x), 1, 1, -1)
        shape = self.output_shape(Shape(*x.shape[1:]))
        if self.flatten:
            values = _images(x.reshape(len(x), *x.shape[1:])) if self.reverse else x
            return _from_planes(values.reshape(len(x), -1), shape)
        if self.reverse:
            return kernels.depth_to_space(x, self.stride, "dcr")
        return _from_planes(self._spread(_planes(x)), shape)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        n, height, width, channels = self._recall()
        shape = Shape(height, width, channels)
        if self.extra:
            values = delta.reshape(n, -1)[:, : shape.size]
            return (_from_planes(values, shape),)
        if self.flatten:
            values = _planes(delta).reshape(n, height, width, channels)
            return (_unimages(values) if self.reverse else values.copy(),)
        if self.reverse:
            return (kernels.space_to_depth(delta, self.stride, "dcr"),)
        return (_from_planes(self._gather(_planes(delta), shape), shape),)

    def _spread(self, planes: Array) -> Array:
        """x, N x C x H x W, in the order of the result."""
        n, channels, height, width = planes.shape
        s = self.stride
        cells = planes.reshape(n, channels // (s * s), height, s, width, s)
        return np.ascontiguousarray(cells.transpose(0, 3, 5, 1, 2, 4))

    def _gather(self, planes: Array, shape: Shape) -> Array:
        """The inverse of :meth:`_spread`; the image had ``shape``."""
        s = self.stride
        height, width, channels = shape
        cells = planes.reshape(-1, s, s, channels // (s * s), height, width)
        return np.ascontiguousarray(cells.transpose(0, 3, 4, 1, 5, 2))


def _planes(x: Array) -> Array:
    """N x H x W x C to N x C x H x W."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


def _from_planes(values: Array, shape: Shape) -> Array:
    """Values in the order channel, row, column as N x H x W x C of a shape."""
    planes = values.reshape(-1, shape.channels, shape.height, shape.width)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))


def _images(x: Array) -> Array:
    """Values, channel by channel, taken for rows of channels, in planes again.

    Darknet's ``flatten`` backwards: value c of place i comes from i C + c.
    """
    n, height, width, channels = x.shape
    values = _planes(x).reshape(n, height * width, channels)
    return np.ascontiguousarray(values.transpose(0, 2, 1))


def _unimages(x: Array) -> Array:
    """The inverse of :func:`_images` for a gradient N x H x W x C in its order."""
    n, height, width, channels = x.shape
    values = x.reshape(n, channels, height * width).transpose(0, 2, 1)
    return _from_planes(
        np.ascontiguousarray(values).reshape(n, -1), Shape(height, width, channels)
    )
