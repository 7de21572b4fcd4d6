"""Keras's input, enlargement, padding, pooling and reshaping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from zoo.parsers._keras.layer import Layer, Writers

__all__ = ["SHAPES"]


def _input(layer: Layer) -> bool:
    shape = layer.config.get("batch_input_shape") or layer.config.get("batch_shape")
    attrs: dict[str, Any] = {}
    if isinstance(shape, list):
        attrs["shape"] = tuple(side if type(side) is int else -1 for side in shape)
    return layer.give("Placeholder", [], **attrs)


def _pixel_shuffle(layer: Layer) -> bool:
    """Custom classes called PixelShuffle, PixelShuffle2x, ...; depth to space."""
    digits = "".join(filter(str.isdigit, layer.layer.kind))
    scale = layer.config.get("scale") or layer.config.get("block_size")
    if scale is None and digits:
        scale = int(digits[:3])
    if type(scale) is not int:
        return False
    return layer.give("DepthToSpace", [layer.input], block_size=scale)


def _upsampling(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    how = layer.config.get("interpolation") or "nearest"
    return layer.give(
        "UpSampling2D", [layer.input], size=layer.pair("size", 2), interpolation=how
    )


def _zero_padding(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    widths = np.array([(0, 0), *layer.sides("padding"), (0, 0)], np.int32)
    return layer.give("Pad", [layer.input, layer.constant(widths)])


def _cropping(layer: Layer) -> bool:
    if not layer.is_last:
        return False
    rows, columns = layer.sides("cropping")
    begin = np.array([0, rows[0], columns[0], 0], np.int32)
    end = np.array([0, -rows[1], -columns[1], 0], np.int32)
    parts = [layer.constant(begin), layer.constant(end)]
    mask = 0b1001 | (0 if rows[1] else 0b10) | (0 if columns[1] else 0b100)
    ones = layer.constant(np.ones(4, np.int32))
    return layer.give(
        "StridedSlice", [layer.input, *parts, ones], begin_mask=0, end_mask=mask
    )


def _pooling(op: str) -> Callable[[Layer], bool]:
    def write(layer: Layer) -> bool:
        if not layer.is_last:
            return False
        size = layer.pair("pool_size", 2)
        strides = size if layer.config.get("strides") is None else layer.pair("strides")
        padding = layer.config.get("padding", "valid")
        return layer.give(
            op,
            [layer.input],
            ksize=(1, *size, 1),
            strides=(1, *strides, 1),
            padding=str(padding).upper(),
        )

    return write


def _global(op: str) -> Callable[[Layer], bool]:
    def write(layer: Layer) -> bool:
        if not layer.is_last:
            return False
        axes = layer.constant(np.array([1, 2], np.int32))
        keep = bool(layer.config.get("keepdims", False))
        return layer.give(op, [layer.input, axes], keep_dims=keep)

    return write


def _reshape(layer: Layer) -> bool:
    shape = layer.config.get("target_shape")
    if not isinstance(shape, list) or any(type(side) is not int for side in shape):
        return False
    # The batch has one picture.
    return layer.give(
        "Reshape", [layer.input, layer.constant(np.array([1, *shape], np.int32))]
    )


def _flatten(layer: Layer) -> bool:
    target = layer.constant(np.array([1, -1], np.int32))
    return layer.give("Reshape", [layer.input, target])


def _permute(layer: Layer) -> bool:
    dims = layer.config.get("dims")
    if not isinstance(dims, list) or any(type(axis) is not int for axis in dims):
        return False
    perm = layer.constant(np.array([0, *dims], np.int32))
    return layer.give("Transpose", [layer.input, perm])


SHAPES: Final[Writers] = {
    "AveragePooling2D": _pooling("AvgPool"),
    "Cropping2D": _cropping,
    "DepthToSpace": _pixel_shuffle,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _global("Mean"),
    "GlobalMaxPooling2D": _global("Max"),
    "InputLayer": _input,
    "MaxPooling2D": _pooling("MaxPool"),
    "Permute": _permute,
    "PixelShuffle": _pixel_shuffle,
    "Reshape": _reshape,
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _zero_padding,
    **{f"PixelShuffle{scale}x": _pixel_shuffle for scale in range(1, 17)},
}
"""Layers by the name of their class."""
