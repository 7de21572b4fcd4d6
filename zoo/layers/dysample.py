"""Enlarge a layer by sampling it where another layer says."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.sam import FROM_KEY
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Dysample"]


class Dysample(Layer):
    """y = x, ``scale`` times as large, read between its pixels where ``offsets`` say.

    The layer before has 2 groups scale^2 channels, the offsets, which are times
    ``strength`` in pixels of x: first all to the right, then all down; of each the
    groups, and of each group the scale x scale pixels that are made of one, row by row. x is the layer of ``from``, whose
    channels go to the groups one after the other. An output pixel is read at its own
    place, (i + 1/2) / scale - 1/2 as in bilinear enlargement, plus its offset, by
    bilinear interpolation; beyond the edge the edge goes on.

    Backward: D goes to the four pixels with their weights; the gradient of an offset
    is D times the difference of the neighbours along its axis, 0 beyond the edge. (Liu
    et al., "Learning to upsample by learning to sample", 2023.)
    """

    summary = "an earlier layer, enlarged by sampling where the previous one says"
    keys = (
        FROM_KEY,
        Key("scale", "int", 2, "how many times larger", minimum=1, maximum=64),
        Key("groups", "int", 4, "parts of the channels with offsets apart", minimum=1),
        Key("strength", "float", 1.0, "pixels that an offset of 1 is"),
        *COMMON_KEYS,
    )

    origin: int
    strength: float
    scale: int
    groups: int

    def sources(self, index: int) -> tuple[int, ...]:
        return index - 1, self.origin if self.origin >= 0 else index + self.origin

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != 2:
            raise ShapeError(f"a dysample takes two inputs, not {len(inputs)}")
        offsets, x = inputs
        wanted = Shape(x.height, x.width, 2 * self.groups * self.scale**2)
        if offsets != wanted:
            raise ShapeError(
                f"a dysample of {x} needs offsets of {wanted}, not {offsets}"
            )
        if x.channels % self.groups:
            raise ShapeError(
                f"{x.channels} channels do not divide into groups={self.groups}"
            )
        return Shape(x.height * self.scale, x.width * self.scale, x.channels)

    def operations(self, *inputs: Shape) -> int:
        return 8 * self.output_shape(*inputs).size

    def window(self) -> tuple[Window, Window]:
        """Infinite, since nothing bounds an offset."""
        return Window(np.inf), Window(np.inf)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        offsets, x = inputs
        if training:
            self._saved = inputs
        offsets = offsets * offsets.dtype.type(self.strength)
        corners, weights = self._places(offsets)
        parts = x.reshape(*x.shape[:3], self.groups, -1)
        y = sum(
            parts[corner] * weight[..., None]
            for corner, weight in zip(corners, weights, strict=True)
        )
        return self._larger(np.asarray(y, x.dtype))

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        offsets, x = self._recall()
        strength = offsets.dtype.type(self.strength)
        offsets = offsets * strength
        parts = x.reshape(*x.shape[:3], self.groups, -1)
        corners, weights = self._places(offsets)
        d = self._smaller(delta)
        by_x = np.zeros(parts.shape, np.float64)
        for corner, weight in zip(corners, weights, strict=True):
            np.add.at(by_x, corner, d * weight[..., None])
        # How much each corner gives, and how its weight changes to the right and down.
        gains = [np.einsum("...c,...c", parts[corner], d) for corner in corners]
        inside, (down, right) = self._fractions(offsets)[1:]
        moved = (
            (gains[1] - gains[0]) * (1 - down) + (gains[3] - gains[2]) * down,
            (gains[2] - gains[0]) * (1 - right) + (gains[3] - gains[1]) * right,
        )
        by_offsets = strength * np.stack(
            [moved[0] * inside[1], moved[1] * inside[0]], axis=3
        )
        return (
            np.ascontiguousarray(
                by_offsets.transpose(0, 1, 2, 3, 6, 4, 5), offsets.dtype
            ).reshape(offsets.shape),
            by_x.astype(x.dtype).reshape(x.shape),
        )

    # All below: N x H x W x rows of a cell x columns x groups, and x channels of one.

    def _larger(self, y: Array) -> Array:
        count, height, width, scale = y.shape[:4]
        ordered = y.transpose(0, 1, 3, 2, 4, 5, 6)
        return ordered.reshape(count, height * scale, width * scale, -1)

    def _smaller(self, y: Array) -> Array:
        count, height, width, _ = y.shape
        scale = self.scale
        cells = y.reshape(
            *(count, height // scale, scale, width // scale, scale), self.groups, -1
        )
        return cells.transpose(0, 1, 3, 2, 4, 5, 6)

    def _fractions(
        self, offsets: Array
    ) -> tuple[list[Array], list[Array], list[Array]]:
        """Along rows and columns: the pixel before, whether inside, and how far on."""
        count, height, width, _ = offsets.shape
        scale = self.scale
        apart = offsets.reshape(count, height, width, 2, self.groups, scale, scale)
        right, down = apart.transpose(3, 0, 1, 2, 5, 6, 4)
        within = ((np.arange(scale) + 0.5) / scale - 0.5).astype(offsets.dtype)
        before, inside, after = [], [], []
        for axis, (moved, length) in enumerate(((down, height), (right, width))):
            shape = [1] * 6
            shape[1 + axis] = length
            place = moved + np.arange(length).reshape(shape)
            shape = [1] * 6
            shape[3 + axis] = scale
            place = place + within.reshape(shape)
            inside.append((place > 0) & (place < length - 1))
            place = np.clip(place, 0, length - 1)
            whole = np.clip(np.floor(place), 0, max(length - 2, 0))
            before.append(whole.astype(np.intp))
            after.append((place - whole).astype(offsets.dtype))
        return before, inside, after

    def _places(self, offsets: Array) -> tuple[list[Any], list[Any]]:
        """Of the four pixels around: where they are in x, and their weights."""
        (top, left), _, (down, right) = self._fractions(offsets)
        count, height, width, _ = offsets.shape
        image = np.arange(count).reshape(count, 1, 1, 1, 1, 1)
        group = np.arange(self.groups)
        bottom = np.minimum(top + 1, height - 1)
        beside = np.minimum(left + 1, width - 1)
        corners = [
            (image, row, column, group)
            for row in (top, bottom)
            for column in (left, beside)
        ]
        weights = [
            (1 - down) * (1 - right),
            (1 - down) * right,
            down * (1 - right),
            down * right,
        ]
        return corners, weights
