"""What maximum and average pooling share: Darknet's windows."""

from __future__ import annotations

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Layer, Window, one_input, window_output
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Padding, PoolGeometry
from zoo.shapes import Shape

__all__ = ["POOL_KEYS", "PoolLayer"]

POOL_KEYS: tuple[Key, ...] = (
    Key("stride", "int", 1, "input pixels per output pixel", minimum=1),
    Key("stride_x", "int", 0, "stride along the width; 0: stride", minimum=0),
    Key("stride_y", "int", 0, "stride along the height; 0: stride", minimum=0),
    Key("size", "int", 0, "height and width of the window; 0: stride", minimum=0),
    Key(
        "padding",
        "int",
        -1,
        "rows and columns added in all, the odd one at the bottom and right; "
        "-1: size - 1",
        minimum=-1,
    ),
    *COMMON_KEYS,
)


class PoolLayer(Layer):
    """Base of layers that reduce a window per channel.

    Darknet's rule: output = floor((L + padding - size) / stride) + 1 per axis, where
    padding counts both sides together and is size - 1 unless given; the first
    window starts floor(padding / 2) before the image. Only cells inside the image
    count. With size 2 and stride 1 an image keeps its size.
    """

    keys = POOL_KEYS

    stride: int
    stride_x: int
    stride_y: int
    size: int
    padding: int

    @property
    def strides(self) -> tuple[int, int]:
        """Stride along height and width."""
        return (
            self.stride_y if self.stride_y > 0 else self.stride,
            self.stride_x if self.stride_x > 0 else self.stride,
        )

    @property
    def window_size(self) -> int:
        """Height and width of the window."""
        return self.size if self.size > 0 else self.stride

    def geometry(self, shape: Shape) -> PoolGeometry:
        """How the window moves over an input of a shape."""
        size = self.window_size
        total = self.padding if self.padding >= 0 else size - 1
        before, after = total // 2, total - total // 2
        return PoolGeometry(
            (size, size), self.strides, Padding(before, after, before, after)
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a pooling layer")
        size, stride, pad = self.geometry(shape)
        counts = []
        for axis, length in enumerate(shape[:2]):
            before, after = pad[2 * axis], pad[2 * axis + 1]
            count = window_output(length, size[axis], stride[axis], before, after)
            if count < 1:
                raise ShapeError(
                    f"a window of {size[axis]} does not fit into {shape}; "
                    f"use a smaller size or more padding"
                )
            last = (count - 1) * stride[axis] - before
            if before >= size[axis] or last >= length:
                raise ShapeError(
                    f"padding={before + after} puts whole windows of {size[axis]} "
                    f"outside of {shape}; use a smaller padding"
                )
            counts.append(count)
        return Shape(counts[0], counts[1], shape.channels)

    def window(self) -> tuple[Window, Window]:
        size = self.window_size
        return Window(size, self.strides[0]), Window(size, self.strides[1])
