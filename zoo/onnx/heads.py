"""Heads of detectors as nodes of an ONNX graph, and the boxes and scores they mean.

The formulas are those of :mod:`zoo.layers.yolo` and its neighbours, and of
:mod:`zoo.detect.decoding`, whose rows are meant: by row, column and anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import UsageError
from zoo.layers.base import Layer
from zoo.layers.detection import Detection
from zoo.layers.gaussian_yolo import GaussianYolo
from zoo.layers.heads import Head
from zoo.layers.region import Region
from zoo.layers.yolo import Yolo
from zoo.onnx.layers import GraphWriter, LayerWriter
from zoo.plugins.base import Array
from zoo.shapes import Shape

__all__ = ["BOXES", "HEADS", "SCORES", "boxes_and_scores"]

BOXES, SCORES = "boxes", "scores"
"""Names of the outputs that hold all heads' boxes (x, y, w, h in parts of the input, x
and y of the centre) and the scores of their classes."""

# How each entry of a box goes in: as it is, through the logistic function, or that and
# spread around the middle of the cell.
_RAW, _LOGISTIC, _CENTRE = range(3)


def _mixed(
    w: GraphWriter, x: str, kinds: Sequence[int], boxes: int, scale: float, plain: bool
) -> str:
    """Every entry in its own way; ``plain`` where the logistic was applied before."""
    each = np.tile(np.array(kinds), boxes)
    factor = np.where(each == _CENTRE, scale, 1.0)
    offset = np.where(each == _CENTRE, -0.5 * (scale - 1), 0.0)
    if plain:
        y = w.node("Mul", x, _channels(w, factor))
        return w.node("Add", y, _channels(w, offset))
    is_raw = each == _RAW
    squashed = w.node("Mul", w.node("Sigmoid", x), _channels(w, factor * ~is_raw))
    y = w.node("Add", squashed, w.node("Mul", x, _channels(w, is_raw * 1.0)))
    return w.node("Add", y, _channels(w, offset)) if offset.any() else y


def _channels(w: GraphWriter, values: Array) -> str:
    return w.tensor(np.asarray(values).reshape(-1, 1, 1))


def _yolo(
    w: GraphWriter, layer: Yolo, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    kinds = [_CENTRE, _CENTRE, _RAW, _RAW, _LOGISTIC, *[_LOGISTIC] * layer.classes]
    boxes = len(layer.boxes)
    return _mixed(w, inputs[0], kinds, boxes, layer.scale_x_y, layer.new_coords)


def _gaussian(
    w: GraphWriter, layer: GaussianYolo, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    kinds = [_CENTRE, _LOGISTIC, _CENTRE, _LOGISTIC, _RAW, _LOGISTIC, _RAW, _LOGISTIC]
    kinds += [_LOGISTIC] * (1 + layer.classes)
    return _mixed(w, inputs[0], kinds, len(layer.boxes), layer.scale_x_y, False)


def _region(
    w: GraphWriter, layer: Region, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    if layer.tree:
        raise UsageError(
            "a region with a class tree cannot be written as ONNX; leave tree out, or "
            "export the layers before it"
        )
    raw_classes = layer.softmax or layer.dialect == "alexeyab"
    kinds = [_LOGISTIC] * 2 + [_RAW] * (layer.coords - 2)
    kinds += [_RAW if layer.background else _LOGISTIC]
    kinds += [_RAW if raw_classes else _LOGISTIC] * layer.classes
    y = _mixed(w, inputs[0], kinds, layer.num, 1.0, False)
    if not layer.softmax:
        return y
    height, width, channels = shapes[0]
    entries = channels // layer.num
    split = w.tensor([0, layer.num, entries, height, width], np.int64)
    y = w.node("Reshape", y, split)
    first = layer.coords + 1 - layer.background
    classes = w.node("Softmax", w.slice(y, 2, first, entries), axis=2)
    y = w.node("Concat", w.slice(y, 2, 0, first), classes, axis=2)
    return w.node("Reshape", y, w.tensor([0, channels, height, width], np.int64))


def _detection(
    w: GraphWriter, layer: Detection, inputs: Sequence[str], shapes: Sequence[Shape]
) -> str:
    x = inputs[0]
    if not layer.softmax:
        return x
    height, width, channels = shapes[0]
    count = layer.side**2 * layer.classes
    flat = w.node("Reshape", x, w.tensor([0, channels * height * width], np.int64))
    classes = w.slice(flat, 1, 0, count)
    split = w.tensor([0, layer.side**2, layer.classes], np.int64)
    classes = w.node("Softmax", w.node("Reshape", classes, split), axis=2)
    classes = w.node("Reshape", classes, w.tensor([0, count], np.int64))
    rest = w.slice(flat, 1, count, channels * height * width)
    y = w.node("Concat", classes, rest, axis=1)
    return w.node("Reshape", y, w.tensor([0, channels, height, width], np.int64))


HEADS: dict[type[Layer], LayerWriter] = {
    Detection: _detection,
    GaussianYolo: _gaussian,
    Region: _region,
    Yolo: _yolo,
}


# -- boxes -----------------------------------------------------------------


def boxes_and_scores(
    w: GraphWriter, layer: Head, output: str, shape: Shape, size: tuple[int, int]
) -> tuple[str, str, int]:
    """Nodes from a head's output to boxes N x rows x 4 and scores N x rows x classes.

    ``size`` is the height and width of the network's input. The third is the number of
    rows.
    """
    if isinstance(layer, Detection):
        return _first_yolo(w, layer, output, shape)
    assert isinstance(layer, (Yolo, GaussianYolo, Region))
    height, width, channels = shape
    count = len(layer.boxes)
    entries = channels // count
    y = w.node(
        "Reshape", output, w.tensor([0, count, entries, height, width], np.int64)
    )
    y = w.node("Transpose", y, perm=[0, 3, 4, 1, 2])
    rows = height * width * count
    y = w.node("Reshape", y, w.tensor([0, rows, entries], np.int64))
    gaussian = isinstance(layer, GaussianYolo)
    places = ([0, 2], [4, 6]) if gaussian else ([0, 1], [2, 3])
    xy, wh = (w.node("Gather", y, w.tensor(part, np.int64), axis=2) for part in places)
    grid = np.empty((height, width, count, 2), np.float32)
    grid[..., 0] = np.arange(width)[None, :, None]
    grid[..., 1] = np.arange(height)[:, None, None]
    cells = np.array([width, height], np.float32)
    xy = w.node("Add", xy, w.tensor(grid.reshape(1, rows, 2)))
    xy = w.node("Div", xy, w.tensor(cells.reshape(1, 1, 2)))
    whole = cells if isinstance(layer, Region) else np.array(size[::-1], np.float32)
    anchors = np.array(layer.boxes, np.float32) / whole
    anchors = np.tile(anchors, (height * width, 1)).reshape(1, rows, 2)
    if isinstance(layer, Yolo) and layer.new_coords:
        wh, anchors = w.node("Mul", wh, wh), 4 * anchors
    else:
        wh = w.node("Exp", wh)
    wh = w.node("Mul", wh, w.tensor(anchors))
    first = 8 if gaussian else layer.coords if isinstance(layer, Region) else 4
    objectness = w.slice(y, 2, first, first + 1)
    classes = w.slice(y, 2, first + 1, entries)
    if isinstance(layer, GaussianYolo):
        shift = {"center": 0.0, "left_top": 0.5, "right_bottom": -0.5}[layer.yolo_point]
        if shift:
            xy = w.node("Add", xy, w.scaled(wh, shift))
        variances = w.node("Gather", y, w.tensor([1, 3, 5, 7], np.int64), axis=2)
        mean = w.node("ReduceMean", variances, w.tensor([2], np.int64), keepdims=1)
        sure = w.node("Sub", w.tensor([1.0]), mean)
        classes = w.node("Mul", classes, sure)
    if isinstance(layer, Region) and layer.background:
        one = w.tensor([1.0])
        objectness = w.node("Sub", one, objectness) if layer.softmax else one
    scores = w.node("Mul", classes, objectness)
    return w.node("Concat", xy, wh, axis=2), scores, rows


def _first_yolo(
    w: GraphWriter, layer: Detection, output: str, shape: Shape
) -> tuple[str, str, int]:
    if layer.coords != 4:
        raise UsageError(f"a box has 4 numbers, not coords={layer.coords}")
    side, num, classes = layer.side, layer.num, layer.classes
    flat = w.node("Reshape", output, w.tensor([0, shape.size], np.int64))
    first, second = side**2 * classes, side**2 * (classes + num)
    cells, rows = side**2, side**2 * num

    def part(start: int, stop: int, *split: int) -> str:
        numbers: Any = w.tensor([0, *split], np.int64)
        return w.node("Reshape", w.slice(flat, 1, start, stop), numbers)

    chances = part(0, first, cells, 1, classes)
    objectness = part(first, second, cells, num, 1)
    scores = w.node("Mul", objectness, chances)
    scores = w.node("Reshape", scores, w.tensor([0, rows, classes], np.int64))
    values = part(second, shape.size, rows, 4)
    grid = np.empty((side, side, num, 2), np.float32)
    grid[..., 0] = np.arange(side)[None, :, None]
    grid[..., 1] = np.arange(side)[:, None, None]
    xy = w.node("Add", w.slice(values, 2, 0, 2), w.tensor(grid.reshape(1, rows, 2)))
    xy = w.scaled(xy, 1 / side)
    wh = w.slice(values, 2, 2, 4)
    wh = w.node("Mul", wh, wh) if layer.sqrt else wh
    return w.node("Concat", xy, wh, axis=2), scores, rows
