"""[reorg3d]: pixels become channels, in two orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.base import Window
from zoo.layers.reorg3d import Reorg3d
from zoo.layers.shuffler import Shuffler
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Shuffle, Unshuffle
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    r=st.integers(1, 4),
    order=st.sampled_from(["dcr", "crd"]),
)
def test_undoes_a_shuffler(size, r, order):
    height, width, channels = size
    shape = Shape(r * height, r * width, channels)
    (x,) = random_inputs([shape])
    deep = check_layer(Reorg3d(stride=r, order=order), [shape], inputs=[x], samples=12)
    back = Shuffler(scale=r, order=order)
    assert np.array_equal(back.forward(deep, kernels=KERNELS), x)
    reverse = Reorg3d(stride=r, order=order, reverse=True)
    again = check_layer(reverse, [Shape(*deep.shape[1:])], inputs=[deep], samples=12)
    assert np.array_equal(again, x)


def test_crd_is_pytorchs():
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([Shape(6, 9, 2)])
    got = Reorg3d(stride=3, order="crd").forward(x, kernels=KERNELS)
    planes = torch.from_numpy(x).permute(0, 3, 1, 2)
    want = torch.nn.functional.pixel_unshuffle(planes, 3).permute(0, 2, 3, 1)
    assert np.array_equal(got, want.numpy())


def test_dcr_is_darknets():
    """By its formula: channel (i r + j) C + c holds row i and column j of the cell."""
    (x,) = random_inputs([Shape(4, 6, 3)])
    got = Reorg3d(stride=2).forward(x, kernels=KERNELS)
    for i in range(2):
        for j in range(2):
            for c in range(3):
                part = got[..., (2 * i + j) * 3 + c]
                assert np.array_equal(part, x[:, i::2, j::2, c])


def test_lowering_and_window():
    shape = Shape(4, 4, 4)
    assert Reorg3d(stride=2).lower(shape) == Unshuffle(2, "dcr")
    assert Reorg3d(stride=2, reverse=True).lower(shape) == Shuffle(2, "dcr")
    assert Reorg3d(stride=2).window()[0] == Window(size=2, stride=2)


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match="cannot cut 4x5x1 into cells of 2x2"):
        Reorg3d(stride=2).output_shape(Shape(4, 5, 1))
    with pytest.raises(ShapeError, match="multiple of 4 channels, not 6"):
        Reorg3d(stride=2, reverse=True).output_shape(Shape(4, 4, 6))
