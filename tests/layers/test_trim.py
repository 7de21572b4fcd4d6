"""[trim]: the image without its border."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.pad import Pad
from zoo.layers.trim import Trim
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
