"""[route]: concatenation of channels, and of groups of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.route import Route
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Concat, Identity
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    groups=st.integers(1, 3),
    data=st.data(),
)
def test_equals_torch_cat(channels, groups, data):
    torch = pytest.importorskip("torch")
    group_id = data.draw(st.integers(0, groups - 1))
    shapes = [Shape(3, 2, groups * c) for c in channels]
    inputs = random_inputs(shapes)
    layer = Route(layers=(0,) * len(shapes), groups=groups, group_id=group_id)
    got = check_layer(layer, shapes, inputs=inputs, samples=12)
    parts = [torch.from_numpy(x).chunk(groups, dim=3)[group_id] for x in inputs]
    assert np.array_equal(got, torch.cat(parts, dim=3).numpy())
    assert got.flags.c_contiguous


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(4, 7), min_size=1, max_size=3),
    first=st.integers(0, 3),
    data=st.data(),
)
def test_some_channels(channels, first, data):
    count = data.draw(st.integers(0, min(channels) - first))
    shapes = [Shape(3, 2, c) for c in channels]
    inputs = random_inputs(shapes)
    layer = Route(layers=(0,) * len(shapes), first=first, count=count)
    got = check_layer(layer, shapes, inputs=inputs, samples=12)
    stop = first + count if count else None
    assert np.array_equal(got, np.concatenate([x[..., first:stop] for x in inputs], 3))


def test_channels_that_do_not_exist():
    with pytest.raises(ShapeError, match="4x4x3 has no channels from 2 to 3"):
        Route(layers=(0,), first=2, count=2).output_shape(Shape(4, 4, 3))
    with pytest.raises(ShapeError, match="no channels"):
        Route(layers=(0,), first=3).output_shape(Shape(4, 4, 3))
    with pytest.raises(ValueError, match="use one or the other"):
        Route(layers=(0,), groups=2, first=1)


def test_links():
    assert Route(layers=(-1, 3)).sources(8) == (7, 3)
    assert Route(layers=(-3,)).sources(2) == (-1,)  # the network's input
    assert Route(layers=(-4,)).sources(2) == (-2,)  # Network refuses it


def test_lowering():
    a, b = Shape(4, 4, 4), Shape(4, 4, 6)
    assert Route(layers=(0,)).lower(a) == Identity()
    assert Route(layers=(0, 1)).lower(a, b) == Concat(((0, 4), (0, 6)))
    layer = Route(layers=(0, 1), groups=2, group_id=1)
    assert layer.lower(a, b) == Concat(((2, 4), (3, 6)))
    layer = Route(layers=(0, 1), first=1, count=3)
    assert layer.lower(a, b) == Concat(((1, 4), (1, 4)))
    assert Route(layers=(0,), count=4).lower(a) == Identity()


@pytest.mark.parametrize("other", [Shape(4, 5, 3), Shape(5, 4, 3)])
def test_unequal_sizes(other):
    with pytest.raises(ShapeError, match=f"4x4x3 and {other}"):
        Route(layers=(0, 1)).output_shape(Shape(4, 4, 3), other)


def test_channels_that_do_not_divide():
    with pytest.raises(ShapeError, match="3 channels .* 2 groups"):
        Route(layers=(0,), groups=2).output_shape(Shape(4, 4, 3))


def test_group_that_does_not_exist():
    with pytest.raises(ValueError, match="group_id=2"):
        Route(layers=(0,), groups=2, group_id=2)


def test_wrong_number_of_inputs():
    with pytest.raises(ShapeError, match="not 1"):
        Route(layers=(0, 1)).output_shape(Shape(1, 1, 1))


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="training"):
        Route(layers=(0,)).backward(np.zeros((1, 1, 1, 1)), kernels=KERNELS)
