"""From what heads give to boxes, objectness and scores of classes.

Rows stand in the order row, column, anchor. A box is x, y (of its centre), w, h, in
parts of the network's input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError, ShapeError, UsageError
from zoo.layers.base import Array, Layer
from zoo.layers.detection import Detection
from zoo.layers.gaussian_yolo import GaussianYolo
from zoo.layers.heads import Head, cells
from zoo.layers.region import Region
from zoo.layers.yolo import Yolo
from zoo.network import Network

__all__ = ["Rows", "decode", "heads_of"]

_TREE_THRESHOLD = 0.5


class Rows(NamedTuple):
    """What a head says: a row for each box.

    Attributes
    ----------
    boxes : ndarray, float32, N x 4
    objectness : ndarray, float32, N
    scores : ndarray, float32, N x classes
        Objectness included.
    """

    boxes: Array
    objectness: Array
    scores: Array


def heads_of(network: Network) -> list[int]:
    """Indices of the heads of a detector.

    Raises
    ------
    UsageError
        If the network has none.
    """
    found = [index for index, layer in enumerate(network) if isinstance(layer, Head)]
    if not found:
        raise UsageError(
            f"{network.source} is no detector: it has no [yolo], [Gaussian_yolo], "
            f"[region] or [detection]; `zoo run` makes pictures, `zoo classify` names "
            f"classes"
        )
    return found


def decode(layer: Layer, output: Array, size: tuple[int, int]) -> Rows:
    """Make rows of the output of a head.

    Parameters
    ----------
    layer : Layer
        A head.
    output : ndarray, float32, H x W x C
        What its forward gave for one picture.
    size : tuple of int
        Height and width of the network's input.

    Raises
    ------
    ShapeError
        If there is no rule for such a head.
    """
    for kind, rule in _RULES:
        if isinstance(layer, kind):
            return rule(layer, output, size)
    raise ShapeError(f"{type(layer).__name__} is no head that can be decoded")


def _grid(output: Array) -> tuple[Array, Array, int, int]:
    """Column and row of each cell, to be broadcast over anchors; width and height."""
    height, width = output.shape[:2]
    columns = np.arange(width, dtype=np.float32)[None, :, None]
    rows = np.arange(height, dtype=np.float32)[:, None, None]
    return columns, rows, width, height


def _boxes(x: Any, y: Any, w: Any, h: Any) -> Array:
    parts = np.broadcast_arrays(x, y, w, h)
    return np.stack(parts, axis=-1).astype(np.float32).reshape(-1, 4)


def _exp(x: Array) -> Array:
    """e^x without a warning where it overflows: such a box is as large as any."""
    with np.errstate(over="ignore"):
        return np.exp(x)


def _rows(boxes: Array, objectness: Array, classes: Array) -> Rows:
    scores = objectness[..., None] * classes
    return Rows(boxes, objectness.reshape(-1), scores.reshape(len(boxes), -1))


def _yolo(layer: Yolo, output: Array, size: tuple[int, int]) -> Rows:
    """``get_yolo_box``: w = e^t anchor / net, or (2 t)^2 anchor / net."""
    values = cells(output[None], len(layer.boxes))[0]
    columns, rows, width, height = _grid(output)
    anchors = np.array(layer.boxes, np.float32) / np.array(size[::-1], np.float32)
    form = (lambda t: 4 * t * t) if layer.new_coords else _exp
    boxes = _boxes(
        (values[..., 0] + columns) / width,
        (values[..., 1] + rows) / height,
        form(values[..., 2]) * anchors[:, 0],
        form(values[..., 3]) * anchors[:, 1],
    )
    return _rows(boxes, values[..., 4], values[..., 5:])


def _gaussian(layer: GaussianYolo, output: Array, size: tuple[int, int]) -> Rows:
    """``get_gaussian_yolo_box``; scores are less where the variances are large."""
    values = cells(output[None], len(layer.boxes))[0]
    columns, rows, width, height = _grid(output)
    anchors = np.array(layer.boxes, np.float32) / np.array(size[::-1], np.float32)
    w = _exp(values[..., 4]) * anchors[:, 0]
    h = _exp(values[..., 6]) * anchors[:, 1]
    x, y = (values[..., 0] + columns) / width, (values[..., 2] + rows) / height
    shift = {"center": 0.0, "left_top": 0.5, "right_bottom": -0.5}[layer.yolo_point]
    sure = 1 - values[..., 1:8:2].mean(axis=-1)
    boxes = _boxes(x + shift * w, y + shift * h, w, h)
    return _rows(boxes, values[..., 8], values[..., 9:] * sure[..., None])


def _region(layer: Region, output: Array, size: tuple[int, int]) -> Rows:
    """``get_region_box``: anchors are in cells."""
    values = cells(output[None], layer.num)[0]
    columns, rows, width, height = _grid(output)
    anchors = np.array(layer.boxes, np.float32)
    boxes = _boxes(
        (values[..., 0] + columns) / width,
        (values[..., 1] + rows) / height,
        _exp(values[..., 2]) * anchors[:, 0] / width,
        _exp(values[..., 3]) * anchors[:, 1] / height,
    )
    objectness, classes = values[..., layer.coords], values[..., layer.coords + 1 :]
    if layer.background:
        objectness = 1 - objectness if layer.softmax else np.ones_like(objectness)
    if layer.tree:
        return _of_tree(layer, boxes, objectness, classes)
    return _rows(boxes, objectness, classes)


def _of_tree(layer: Region, boxes: Array, objectness: Array, classes: Array) -> Rows:
    """The classes of a map, or the most special one that is likely enough."""
    tree = layer.class_tree
    absolute = tree.absolute(classes).reshape(len(boxes), -1)
    flat = objectness.reshape(-1)
    if layer.map:
        return Rows(boxes, flat, flat[:, None] * absolute[:, _map_of(layer)])
    scores = np.zeros_like(absolute)
    for row, values in enumerate(absolute):
        scores[row, _top(values, layer)] = flat[row]
    return Rows(boxes, flat, scores)


def _map_of(layer: Region) -> NDArray[np.int64]:
    try:
        with open(layer.map, encoding="ascii") as file:
            numbers = np.array(file.read(1 << 20).split(), np.int64)
    except (OSError, ValueError, OverflowError):
        raise ReaderError(
            f"the map {layer.map!r} cannot be read; it holds numbers of classes, and its "
            f"path is that of the cfg's key map, seen from the current folder"
        ) from None
    if not len(numbers) or numbers.min() < 0 or numbers.max() >= layer.classes:
        raise ReaderError(f"the map {layer.map!r} names classes that do not exist")
    return numbers


def _top(values: Array, layer: Region) -> int:
    """``hierarchy_top_prediction`` of both Darknets."""
    tree = layer.class_tree
    first_of = {
        int(tree.parents[first]): (first, last) for first, last in reversed(tree.groups)
    }
    chance, group, parent = 1.0, tree.groups[0], -1
    while True:
        best = group[0] + int(values[group[0] : group[1]].argmax())
        if chance * float(values[best]) <= _TREE_THRESHOLD:
            return best if parent < 0 else parent
        chance *= float(values[best])
        if best not in first_of:
            return best
        parent, group = best, first_of[best]


def _detection(layer: Detection, output: Array, size: tuple[int, int]) -> Rows:
    """``get_detection_detections``: w and h squared where the network gives roots."""
    if layer.coords != 4:
        raise ShapeError(f"a box has 4 numbers, not coords={layer.coords}")
    side, num, classes = layer.side, layer.num, layer.classes
    flat = np.ascontiguousarray(output.transpose(2, 0, 1)).reshape(-1)
    first, second = side**2 * classes, side**2 * (classes + num)
    chances = flat[:first].reshape(side, side, 1, classes)
    objectness = flat[first:second].reshape(side, side, num)
    values = flat[second:].reshape(side, side, num, 4)
    columns = np.arange(side, dtype=np.float32)[None, :, None]
    rows = np.arange(side, dtype=np.float32)[:, None, None]
    sides = values[..., 2:] ** 2 if layer.sqrt else values[..., 2:]
    boxes = _boxes(
        (values[..., 0] + columns) / side,
        (values[..., 1] + rows) / side,
        sides[..., 0],
        sides[..., 1],
    )
    return _rows(boxes, objectness, np.repeat(chances, num, axis=2))


_RULES: tuple[tuple[type, Callable[[Any, Array, tuple[int, int]], Rows]], ...] = (
    (Yolo, _yolo),
    (GaussianYolo, _gaussian),
    (Region, _region),
    (Detection, _detection),
)
