"""Axes of a view: reshaping and transposing as NumPy does, and back to a picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.graphs.arrange import arrange
from zoo.graphs.axes import Atom, axes_of, join, length, reshape, spread
from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Untranslatable, WrongSize
from zoo.shapes import Shape

SHAPE = Shape(6, 4, 12)


def places(axes: tuple[tuple[Atom, ...], ...], shape: Shape) -> np.ndarray:
    """Which value of the picture, flattened, lies at each index of a view."""
    strides = {"h": shape.width * shape.channels, "w": shape.channels, "c": 1, "-": 0}
    found = np.zeros(1, np.int64)
    for atom in itertools.chain(*axes):
        steps = np.arange(atom.size) * atom.stride * strides[atom.axis]
        found = (found[:, None] + steps).reshape(-1)
    return found.reshape([length(axis) for axis in axes])


def array(order: str) -> np.ndarray:
    picture = np.arange(SHAPE.size).reshape(SHAPE)
    return picture.transpose(["HWC".index(axis) for axis in order[1:]])[None]


SHAPES = [
    (1, 12, 6, 4),
    (1, 3, 2, 2, 6, 4),
    (1, 3, 4, 6, 4),
    (1, 12, 3, 2, 2, 2),
    (1, 12, 24),
    (1, 4, 3, 24),
    (288,),
    (2, 6, 6, 2, 2),
]


@given(st.lists(st.sampled_from(SHAPES), max_size=3), st.randoms(use_true_random=False))
def test_views_follow_numpy(shapes: list[tuple[int, ...]], random: object) -> None:
    axes, values = axes_of(SHAPE, "NCHW"), array("NCHW")
    for shape in shapes:
        try:
            axes = reshape(axes, shape)
        except Untranslatable:
            return
        values = values.reshape(shape)
        order = list(range(len(shape)))
        random.shuffle(order)  # type: ignore[attr-defined]
        axes = tuple(axes[axis] for axis in order)
        values = values.transpose(order)
        np.testing.assert_array_equal(places(axes, SHAPE), values)


def test_reshape_refuses_another_number_of_values() -> None:
    with pytest.raises(WrongSize):
        reshape(axes_of(SHAPE, "NCHW"), (1, 12, 6, 5))


def test_reshape_refuses_to_cut_where_it_cannot() -> None:
    with pytest.raises(Untranslatable):
        reshape(axes_of(SHAPE, "NCHW"), (1, 8, 36))


def test_join_drops_ones_and_joins_neighbours() -> None:
    parts = [Atom("c", 3, 4), Atom("c", 1, 4), Atom("c", 4, 1), Atom("h", 6, 1)]
    assert join(parts) == (Atom("c", 12, 1), Atom("h", 6, 1))
    assert join([Atom("c", 4, 1), Atom("c", 3, 4)]) != (Atom("c", 12, 1),)
    assert spread(1) == ()


def arranged(shape: tuple[int, ...], order: tuple[int, ...]) -> Step:
    """What N, C, H, W becomes, reshaped, transposed and joined to N, C, H, W again."""
    draft = Draft(SHAPE)
    axes = reshape(axes_of(SHAPE, "NCHW"), shape)
    axes = tuple(axes[axis] for axis in order)
    six = len(axes) == 6
    depth, rows, columns = (
        (axes[1], axes[2] + axes[3], axes[4] + axes[5]) if six else axes[1:4]
    )
    return arrange(draft, draft.input, join(depth), join(rows), join(columns))


@pytest.mark.parametrize(
    "shape, order, kind, values",
    [
        ((1, 12, 6, 4), (0, 1, 2, 3), "input", {}),
        (
            (1, 3, 2, 2, 6, 4),
            (0, 1, 4, 2, 5, 3),
            "shuffle",
            {"scale": 2, "order": "crd"},
        ),
        (
            (1, 2, 2, 3, 6, 4),
            (0, 3, 4, 1, 5, 2),
            "shuffle",
            {"scale": 2, "order": "dcr"},
        ),
    ],
)
def test_shuffles_are_recognised(
    shape: tuple[int, ...], order: tuple[int, ...], kind: str, values: dict[str, object]
) -> None:
    step = arranged(shape, order)
    assert step.kind == kind
    assert step.values == values


@pytest.mark.parametrize(
    "order, name", [((1, 3, 5, 2, 4), "crd"), ((3, 5, 1, 2, 4), "dcr")]
)
def test_unshuffles_are_recognised(order: tuple[int, ...], name: str) -> None:
    draft = Draft(SHAPE)
    axes = reshape(axes_of(SHAPE, "NCHW"), (1, 12, 3, 2, 2, 2))
    a, b, c, rows, columns = (axes[axis] for axis in order)
    step = arrange(draft, draft.input, join(a + b + c), rows, columns)
    assert step.kind == "unshuffle"
    assert step.values == {"scale": 2, "order": name}
    assert step.shape == (3, 2, 48)


def test_a_channel_shuffle_is_a_choice_of_channels() -> None:
    draft = Draft(SHAPE)
    _, groups, each, rows, columns = reshape(axes_of(SHAPE, "NCHW"), (1, 3, 4, 6, 4))
    step = arrange(draft, draft.input, join(each + groups), rows, columns)
    wanted = np.arange(12).reshape(3, 4).T.reshape(-1)
    np.testing.assert_array_equal(step.values["indices"], wanted)


def test_rows_for_columns_are_refused() -> None:
    draft = Draft(SHAPE)
    _, depth, rows, columns = axes_of(SHAPE, "NCHW")
    with pytest.raises(Untranslatable):
        arrange(draft, draft.input, depth, columns, rows)
