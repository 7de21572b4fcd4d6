"""From a view of a picture to a picture: channels, rows and columns in their places.

What a view may have mixed is one of four things, or several after each other:
channels in another order or repeated; pixels of an r x r cell among the channels
(pixel unshuffle); channels among the rows and columns (pixel shuffle); pixels repeated
r times (nearest enlargement).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.axes import Atom, Atoms, join, length
from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable
from zoo.shapes import Shape

__all__ = [
    "arrange",
    "channels",
    "enlarge",
    "numbers",
    "same_size",
    "shuffle",
    "unshuffle",
]

MIXED = "a Transpose or Reshape that mixes rows, columns and channels"


def numbers(atoms: Sequence[Atom]) -> NDArray[np.int64]:
    """Places along the picture's axis that atoms go through, in their order."""
    places = np.zeros(1, np.int64)
    for atom in atoms:
        steps = np.arange(atom.size, dtype=np.int64) * atom.stride
        places = (places[:, None] + steps).reshape(-1)
    return places


def channels(draft: Draft, x: Step, indices: NDArray[Any]) -> Step:
    """Pick channels; the step itself if they are all there, in order."""
    size = x.shape.channels
    if len(indices) == size and np.array_equal(indices, np.arange(size)):
        return x
    shape = Shape(x.shape.height, x.shape.width, len(indices))
    return draft.add("channels", [x], shape, indices=np.asarray(indices, np.int64))


def shuffle(draft: Draft, x: Step, scale: int, order: str) -> Step:
    """Pixel shuffle."""
    height, width, depth = x.shape
    shape = Shape(height * scale, width * scale, depth // scale**2)
    return draft.add("shuffle", [x], shape, scale=scale, order=order)


def unshuffle(draft: Draft, x: Step, scale: int, order: str) -> Step:
    """Pixel unshuffle."""
    height, width, depth = x.shape
    shape = Shape(height // scale, width // scale, depth * scale**2)
    return draft.add("unshuffle", [x], shape, scale=scale, order=order)


def arrange(draft: Draft, x: Step, depth: Atoms, rows: Atoms, columns: Atoms) -> Step:
    """Make the picture whose channels, rows and columns are these parts of x.

    Parameters
    ----------
    draft : Draft
    x : Step
        The picture that is viewed.
    depth, rows, columns : tuple of Atom
        The channels, rows and columns that are wanted. Together they must be all
        rows and columns of x.

    Raises
    ------
    Untranslatable
        If that is none of the four things above.
    """
    cell = _cell(x, depth, rows, columns)
    if cell > 1:
        depth, rows, columns = (
            join(_after_unshuffle(atom, cell) for atom in part)
            for part in (depth, rows, columns)
        )
        in_dcr = _dcr_indices(x.shape.channels, cell)
        picked = numbers(depth)
        crd_only = rows[1:] or columns[1:] or any(a.axis == "-" for a in depth)
        dcr = not crd_only and np.array_equal(picked, in_dcr)
        x = unshuffle(draft, x, cell, "dcr" if dcr else "crd")
        if dcr:
            return x
    row_parts = _without(rows, "h", x.shape.height)
    column_parts = _without(columns, "w", x.shape.width)
    if any(atom.axis in "hw" for atom in depth):
        raise Untranslatable(MIXED)
    if x.shape[:2] == (1, 1) and _repeats_only(row_parts + column_parts):
        x = channels(draft, x, numbers(depth))
        return enlarge(draft, x, length(row_parts), length(column_parts))
    scale = length(row_parts)
    if scale != length(column_parts):
        raise Untranslatable(MIXED)
    if scale == 1 or _repeats_only(row_parts + column_parts):
        x = channels(draft, x, numbers(depth))
        return x if scale == 1 else _repeat(draft, x, scale)
    order = (*depth, *row_parts, *column_parts)
    if np.array_equal(
        numbers((*row_parts, *column_parts, *depth)), np.arange(x.shape.channels)
    ):
        return shuffle(draft, x, scale, "dcr")
    return shuffle(draft, channels(draft, x, numbers(order)), scale, "crd")


def _cell(x: Step, depth: Atoms, rows: Atoms, columns: Atoms) -> int:
    """Rows and columns of the cells whose pixels are among the channels."""
    cells = []
    for axis, size in (("h", x.shape.height), ("w", x.shape.width)):
        inner = length(atom for atom in depth if atom.axis == axis)
        if inner > 1 and size % inner:
            raise Untranslatable(MIXED)
        cells.append(inner)
    if cells[0] != cells[1]:
        raise Untranslatable(MIXED)
    return cells[0]


def _after_unshuffle(atom: Atom, cell: int) -> Atom:
    """The same atom after an unshuffle, order crd: channel c r^2 + i r + j."""
    match atom.axis:
        case "c":
            return Atom("c", atom.size, atom.stride * cell * cell)
        case "h" | "w" if atom.stride >= cell:
            return Atom(atom.axis, atom.size, atom.stride // cell)
        case "h":
            return Atom("c", atom.size, atom.stride * cell)
        case "w":
            return Atom("c", atom.size, atom.stride)
    return atom


def _dcr_indices(depth: int, cell: int) -> NDArray[np.int64]:
    """Channels in the order dcr, as they are numbered in the order crd."""
    crd = np.arange(depth * cell * cell).reshape(depth, cell * cell)
    return crd.T.reshape(-1)


def _without(atoms: Atoms, axis: str, size: int) -> Atoms:
    """What an axis has beyond all the rows (or columns), which must come first."""
    if size == 1:
        rest = atoms
    elif atoms and atoms[0] == Atom(axis, size, 1):
        rest = atoms[1:]
    else:
        raise Untranslatable(MIXED)
    if any(atom.axis in "hw" for atom in rest):
        raise Untranslatable(MIXED)
    return rest


def _repeats_only(atoms: Atoms) -> bool:
    return all(atom.axis == "-" for atom in atoms)


def _repeat(draft: Draft, x: Step, scale: int) -> Step:
    height, width, depth = x.shape
    shape = Shape(height * scale, width * scale, depth)
    return draft.add("resize", [x], shape, mode="nearest", scale=scale)


def enlarge(draft: Draft, x: Step, height: int, width: int) -> Step:
    """Repeat a picture of 1 x 1 pixels to the size of an earlier one."""
    if (height, width) == (1, 1):
        return x
    shape = Shape(height, width, x.shape.channels)
    like = same_size(draft, shape)
    return draft.add("resize", [x, like], shape, mode="nearest", align_corners=False)


def same_size(draft: Draft, shape: Shape) -> Step:
    """The first step that has the rows and columns of a shape.

    Raises
    ------
    Untranslatable
        If there is none.
    """
    for step in draft.steps:
        if step.shape[:2] == shape[:2]:
            return step
    raise Untranslatable("an enlargement to a size that nothing else has")
