"""Which axis of a view has the rows, which the columns; the others have channels."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.graphs.arrange import MIXED, arrange
from zoo.graphs.axes import Atom, Atoms, Axes, join, length, spread
from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable
from zoo.graphs.values import PictureView
from zoo.shapes import Shape

__all__ = ["as_picture", "picture_axes", "regular", "role"]


def role(atoms: Atoms) -> str:
    """What an axis holds: "h", "w", "hw", "chw" (in this order), or "" for channels."""
    for index, atom in enumerate(atoms):
        if atom.axis in "hw":
            is_flat = atom.axis == "h" and any(x.axis == "w" for x in atoms)
            if index and not is_flat:
                return ""
            return "c" * bool(index) + ("hw" if is_flat else atom.axis)
    return ""


def _parts(atoms: Atoms) -> tuple[Atoms, Atoms, Atoms]:
    """Channels, rows and columns of an axis that holds all of them."""
    axes = [atom.axis for atom in atoms]
    first = axes.index("h")
    second = axes.index("w")
    return atoms[:first], atoms[first:second], atoms[second:]


def as_picture(
    draft: Draft, step: Step, own: Axes, beside: Axes, places: Sequence[str]
) -> Step:
    """The picture that a view shows, channels in the order of the view's axes.

    Parameters
    ----------
    draft : Draft
    step : Step
        The picture that is viewed.
    own : tuple of tuple of Atom
        The view's axes.
    beside : tuple of tuple of Atom
        Those that it is broadcast against: channels are repeated to theirs, unless it
        has a single one.
    places : sequence of str
        The role of each axis.
    """
    for letter in "hw":
        if sum(letter in place for place in places) > 1:
            raise Untranslatable(MIXED)
    rows: Atoms = ()
    columns: Atoms = ()
    depth: list[Atom] = []
    single = not any(axis for axis, place in zip(own, places, strict=True) if not place)
    for axis, other, place in zip(own, beside, places, strict=True):
        if place == "h":
            rows = axis
        elif place == "w":
            columns = axis
        elif place in ("hw", "chw"):
            if axis:
                inner, rows, columns = _parts(axis)
                depth += inner
        elif axis or single:
            depth += axis
        else:
            depth += spread(length(other))
    if step.shape[:2] == (1, 1) and not any(a.axis == "c" for a in rows + columns):
        rows = columns = ()  # one pixel is repeated by who reads it
    return arrange(draft, step, tuple(depth), rows, columns)


def picture_axes(shape: Shape, places: Sequence[str], lengths: Sequence[int]) -> Axes:
    """The axes of a picture as :func:`as_picture` makes it."""
    parts = {
        "h": join([Atom("h", shape.height)]),
        "w": join([Atom("w", shape.width)]),
    }
    parts["hw"] = parts["h"] + parts["w"]
    axes: list[Atoms] = []
    stride = shape.channels
    for place, size in zip(places, lengths, strict=True):
        if place == "chw":
            inner = size // (shape.height * shape.width)
            stride //= inner
            axes.append(join((Atom("c", inner, stride), *parts["hw"])))
        elif place:
            axes.append(parts[place])
        else:
            stride //= size
            axes.append(join([Atom("c", size, stride)]))
    return tuple(axes)


def regular(draft: Draft, view: PictureView) -> tuple[PictureView, list[str]]:
    """A view whose axes hold all rows, all columns, and channels in order.

    Returns
    -------
    PictureView
    list of str
        The role of each axis.
    """
    places = [role(axis) for axis in view.axes]
    step = as_picture(draft, view.step, view.axes, view.axes, places)
    return PictureView(step, picture_axes(step.shape, places, view.shape)), places
