"""How a graph sees a picture: which of its axes hold which rows, columns, channels.

A picture lies in memory as H x W x C. A graph looks at it through any axes: N, C, H,
W; N, H, W, C; N, C/4, 2, 2, H, W. Each axis of such a view is a list of *atoms*, the
outermost first. An atom is a part of one axis of the picture: ``Atom("c", 3, 4)`` are
the channels 0, 4, 8. Transposing permutes the lists, reshaping cuts and joins them,
and nothing moves until a layer wants the picture in its own order (:mod:`.arrange`).

The batch has length 1 here, and axes of length 1 hold no atoms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from zoo.graphs.errors import Untranslatable, WrongSize
from zoo.shapes import Shape

__all__ = ["Atom", "Atoms", "Axes", "axes_of", "join", "length", "reshape", "spread"]


class Atom(NamedTuple):
    """Part of one axis of a picture.

    Attributes
    ----------
    axis : {"h", "w", "c", "-"}
        Rows, columns, channels; "-" repeats what there is.
    size : int
    stride : int
        From one of its places to the next, along the picture's axis; 0 for "-".
    """

    axis: str
    size: int
    stride: int = 1


Atoms = tuple[Atom, ...]
Axes = tuple[Atoms, ...]


def axes_of(shape: Shape, order: str) -> Axes:
    """The axes of a whole picture, in an order such as "NCHW"."""
    sizes = {"H": shape.height, "W": shape.width, "C": shape.channels, "N": 1}
    return tuple(join([Atom(letter.lower(), sizes[letter])]) for letter in order)


def join(atoms: Iterable[Atom]) -> Atoms:
    """Join neighbours that are one part of one axis; drop those of length 1."""
    result: list[Atom] = []
    for atom in atoms:
        if atom.size == 1:
            continue
        if result:
            outer = result[-1]
            together = outer.size * atom.size
            if outer.axis == atom.axis and outer.stride == atom.size * atom.stride:
                result[-1] = Atom(atom.axis, together, atom.stride)
                continue
        result.append(atom)
    return tuple(result)


def length(atoms: Iterable[Atom]) -> int:
    """Length of an axis."""
    return math.prod(atom.size for atom in atoms)


def spread(size: int) -> Atoms:
    """An axis along which the same is repeated."""
    return join([Atom("-", size, 0)])


def reshape(axes: Axes, shape: Sequence[int]) -> Axes:
    """Cut and join axes to other lengths, row by row as arrays are reshaped.

    Raises
    ------
    WrongSize
        If the number of values differs.
    Untranslatable
        If an axis would have to be cut where no atom can be.
    """
    left = [atom for axis in axes for atom in axis]
    if math.prod(shape) != length(left):
        raise WrongSize(
            f"a Reshape of {'x'.join(str(length(axis)) for axis in axes)} values to "
            f"{'x'.join(map(str, shape))}"
        )
    left.reverse()
    result = []
    for wanted in shape:
        axis: list[Atom] = []
        while wanted > 1:
            atom = left.pop()
            if wanted % atom.size == 0:
                axis.append(atom)
                wanted //= atom.size
            elif atom.size % wanted == 0:
                inner = atom.size // wanted
                axis.append(Atom(atom.axis, wanted, atom.stride * inner))
                left.append(Atom(atom.axis, inner, atom.stride))
                wanted = 1
            else:
                raise Untranslatable("a Reshape that mixes rows, columns and channels")
        result.append(join(axis))
    return tuple(result)
