"""Constants beside pictures: one number, or one for each channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.arrange import arrange, numbers
from zoo.graphs.axes import Atom, join, length, spread
from zoo.graphs.draft import Draft
from zoo.graphs.errors import Untranslatable
from zoo.graphs.values import PictureView

__all__ = ["channel_vector", "with_shape", "with_solid_channels"]


def with_shape(view: PictureView, shape: tuple[int, ...]) -> PictureView:
    """The view with axes of length 1 repeated, as broadcasting to a shape does."""
    axes = ((),) * (len(shape) - view.rank) + view.axes
    return PictureView(
        view.step,
        tuple(
            spread(size) if not axis and size > 1 else axis
            for axis, size in zip(axes, shape, strict=True)
        ),
    )


def channel_vector(
    draft: Draft, view: PictureView, array: NDArray[Any]
) -> tuple[PictureView, NDArray[np.float64]]:
    """A constant that is broadcast to a view, as one number per channel.

    Returns
    -------
    PictureView
        The same, or with channels repeated where the constant makes more of them.
    ndarray
        As many values as its step has channels.

    Raises
    ------
    Untranslatable
        If the constant differs from pixel to pixel.
    """
    array = np.asarray(array, np.float64)
    if array.size == 1:
        if array.ndim > view.rank:
            view = with_shape(view, (1,) * (array.ndim - view.rank) + view.shape)
        value = float(array.reshape(()))
        return view, np.full(view.step.shape.channels, value)
    shape = np.broadcast_shapes(view.shape, array.shape)
    view = with_shape(view, shape)
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    for index, axis in enumerate(view.axes):
        if array.shape[index] == 1:
            continue
        if any(atom.axis in "hw" for atom in axis):
            first = array.take([0], index)
            if not np.array_equal(np.broadcast_to(first, array.shape), array):
                raise Untranslatable("a constant that differs from pixel to pixel")
            array = first
    varying = [axis for index, axis in enumerate(view.axes) if array.shape[index] > 1]
    if any(atom.axis == "-" for axis in varying for atom in axis):
        view = with_solid_channels(draft, view)
    vector = np.empty(view.step.shape.channels)
    parts = [[atom for atom in axis if atom.axis == "c"] for axis in view.axes]
    places = numbers([atom for part in parts for atom in part])
    sizes = [length(part) for part in parts]
    vector[places] = np.broadcast_to(array, sizes).reshape(-1)
    return view, vector


def with_solid_channels(draft: Draft, view: PictureView) -> PictureView:
    """The view of a picture in which repeated channels are there."""
    parts = [tuple(atom for atom in axis if atom.axis in "c-") for axis in view.axes]
    if any(
        atom.axis == "-" and any(other.axis in "hw" for other in axis)
        for axis in view.axes
        for atom in axis
    ):
        raise Untranslatable("repeated rows or columns beside a constant")
    rows, columns = (
        join([Atom(letter, size)])
        for letter, size in zip("hw", view.step.shape[:2], strict=True)
    )
    depth = tuple(atom for part in parts for atom in part)
    step = arrange(draft, view.step, depth, rows, columns)
    axes = []
    stride = step.shape.channels
    for axis, part in zip(view.axes, parts, strict=True):
        if part:
            size = length(part)
            stride //= size
            axes.append(join([Atom("c", size, stride)]))
        else:
            axes.append(axis)
    return PictureView(step, tuple(axes))
