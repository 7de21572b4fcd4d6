"""[maxpool]: Darknet's windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.maxpool import MaxPool
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize(
    "values",
    [
        {"stride": 2},
        {"size": 2},
        {"size": 3, "stride": 2},
        {"size": 5, "stride_x": 2, "stride_y": 3},
        {"size": 3, "stride": 2, "padding": 0},
        {"size": 3, "padding": 3},
    ],
    ids=str,
)
def test_keeps_the_rules(values):
    check_layer(MaxPool(**values), [Shape(7, 6, 3)])


@given(
    size=st.integers(1, 9),
    stride=st.integers(1, 4),
    padding=st.integers(-1, 4),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
)
def test_equals_darknet_loops(size, stride, padding, height, width):
    layer = MaxPool(size=size, stride=stride, padding=padding)
    total = size - 1 if padding < 0 else padding
    out_height = (height + total - size) // stride + 1
    out_width = (width + total - size) // stride + 1
    x = np.random.default_rng(0).standard_normal((1, height, width, 2))
    expected = np.full((max(out_height, 0), max(out_width, 0), 2), -np.inf)
    for i, j in np.ndindex(expected.shape[:2]):
        for u, v in np.ndindex(size, size):
            row, column = i * stride - total // 2 + u, j * stride - total // 2 + v
            if 0 <= row < height and 0 <= column < width:
                expected[i, j] = np.maximum(expected[i, j], x[0, row, column])
    if not expected.size or np.isneginf(expected).any():
        with pytest.raises(ShapeError, match="does not fit|outside of"):
            layer.output_shape(Shape(height, width, 2))
        return
    assert layer.output_shape(Shape(height, width, 2)) == expected.shape
    np.testing.assert_array_equal(layer.forward(x, kernels=_KERNELS)[0], expected)


def test_size_2_stride_1_keeps_the_size_and_looks_down_right():
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    y = MaxPool(size=2, stride=1).forward(x, kernels=_KERNELS)
    np.testing.assert_array_equal(y[0, :, :, 0], [[4, 5, 5], [7, 8, 8], [7, 8, 8]])


def test_window():
    assert MaxPool(size=3, stride=2).window() == ((3, 2, 1), (3, 2, 1))
    assert MaxPool(stride=2).window() == ((2, 2, 1), (2, 2, 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"maxpool_depth": 1, "antialiasing": 1}, "antialiasing beside maxpool_depth"),
        ({"maxpool_zero_nonmax": 1}, "maxpool_zero_nonmax=1"),
        ({"stride": 0}, "stride=0"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        MaxPool(**values)
