"""[shuffler]: pixel shuffle in both orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.base import Window
from zoo.layers.shuffler import Shuffler
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Shuffle
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))


@settings(max_examples=20, deadline=None)
@given(scale=st.integers(1, 4), size=SIZES)
def test_crd_equals_torch(scale, size):
    torch = pytest.importorskip("torch")
    shape = Shape(size[0], size[1], size[2] * scale**2)
    (x,) = random_inputs([shape])
    got = check_layer(Shuffler(scale=scale), [shape], inputs=[x], samples=12)
    image = torch.from_numpy(x).permute(0, 3, 1, 2)
    want = torch.pixel_shuffle(image, scale).permute(0, 2, 3, 1)
    assert np.array_equal(got, want.numpy())


@settings(max_examples=20, deadline=None)
@given(scale=st.integers(1, 4), size=SIZES)
def test_dcr_follows_its_formula(scale, size):
    height, width, channels = size
    shape = Shape(height, width, channels * scale**2)
    (x,) = random_inputs([shape])
    layer = Shuffler(scale=scale, order="dcr")
    got = check_layer(layer, [shape], inputs=[x], samples=12)
    for row, column, c in np.ndindex(height * scale, width * scale, channels):
        cell = row % scale * scale + column % scale
        source = x[:, row // scale, column // scale, cell * channels + c]
        assert np.array_equal(got[:, row, column, c], source)


def test_orders_agree_for_one_channel_only():
    for channels, equal in ((1, True), (3, False)):
        (x,) = random_inputs([Shape(2, 2, 4 * channels)])
        crd = Shuffler(scale=2).forward(x, kernels=KERNELS)
        dcr = Shuffler(scale=2, order="dcr").forward(x, kernels=KERNELS)
        assert np.array_equal(crd, dcr) is equal


def test_channels_that_do_not_divide():
    with pytest.raises(ShapeError, match="multiple of 9 channels, not 12"):
        Shuffler(scale=3).output_shape(Shape(4, 4, 12))


def test_keys():
    (scale,) = (key for key in Shuffler.keys if key.name == "scale")
    assert {"stride", "block_size"} <= set(scale.aliases)
    with pytest.raises(TypeError, match="scale"):
        Shuffler()


def test_lowering_and_window():
    layer = Shuffler(scale=3, order="dcr")
    assert layer.lower(Shape(1, 1, 9)) == Shuffle(3, "dcr")
    assert layer.window() == (Window(scale=3), Window(scale=3))
