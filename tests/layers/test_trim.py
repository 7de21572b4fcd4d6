"""[trim]: the image without its border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.engine import Plan
from zoo.errors import PluginError, ShapeError
from zoo.layers.pad import Pad
from zoo.layers.trim import Trim
from zoo.network import Network
from zoo.plugins import select
from zoo.plugins.base import Padding
from zoo.plugins.numpy import NumpyKernels
from zoo.program import operations as program
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@settings(max_examples=25, deadline=None)
@given(
    sides=st.tuples(*[st.integers(0, 3)] * 4),
    size=st.tuples(*[st.integers(7, 9)] * 2, st.integers(1, 3)),
)
def test_equals_torch(sides, size):
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([Shape(*size)])
    layer = Trim(**dict(zip(Padding._fields, sides, strict=True)))
    got = check_layer(layer, [Shape(*size)], inputs=[x], samples=12)
    top, bottom, left, right = sides
    cut = (0, 0, -left, -right, -top, -bottom)
    assert np.array_equal(got, torch.nn.functional.pad(torch.from_numpy(x), cut))


def test_undoes_a_pad():
    (x,) = random_inputs([Shape(4, 5, 2)])
    wide = Pad(size=2, left=1, mode="reflect").forward(x, kernels=KERNELS)
    assert np.array_equal(Trim(size=2, left=1).forward(wide, kernels=KERNELS), x)


def test_lowering():
    want = program.Pad(Padding(-1, -1, 0, -1), "zero")
    assert Trim(size=1, left=0).lower(Shape(3, 3, 1)) == want


def test_nothing_left():
    with pytest.raises(ShapeError, match="leaves nothing of 4x9x1"):
        Trim(size=2).output_shape(Shape(4, 9, 1))


def test_like_another_layer() -> None:
    """What became of rows and columns that a [pad] multiple added is cut off."""
    text = (
        "[net]\nchannels=1\n[input]\n[pad]\nmultiple=4\nmode=edge\n"
        "[upsample]\nstride=3\n[trim]\nlike=0\nscale=3\n"
    )
    network = Network.parse(text)
    assert network.scale == 3
    x = np.random.default_rng(1).random((1, 5, 7, 1), np.float32)
    expected = x.repeat(3, 1).repeat(3, 2)
    np.testing.assert_array_equal(network.forward(x), expected)
    for name in ("numpy", "native"):
        try:
            kernels = select(name)
        except PluginError:
            continue
        plan = Plan(network, 5, 7, kernels)
        np.testing.assert_array_equal(plan(x), expected)


def test_gradients_like_another_layer() -> None:
    shapes = [Shape(7, 9, 2), Shape(3, 4, 1)]
    y = check_layer(Trim(like=-2, scale=2), shapes)
    assert y.shape[1:] == (6, 8, 2)


def test_like_something_larger() -> None:
    with pytest.raises(ShapeError, match="3 times the size of 2x4x1 of 5x12x1"):
        Trim(like=0, scale=3).output_shape(Shape(5, 12, 1), Shape(2, 4, 1))
    with pytest.raises(ValueError, match="like beside pixels"):
        Trim(like=0, size=1)
