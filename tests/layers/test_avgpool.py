"""[avgpool]: global without a size, local with one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.layers.avgpool import AveragePool
from zoo.layers.local_avgpool import LocalAveragePool
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize("shape", [Shape(1, 1, 2), Shape(5, 3, 4), Shape(1, 8, 1)])
def test_keeps_the_rules(shape):
    check_layer(AveragePool(), [shape])


def test_is_the_mean_of_the_image():
    x = np.random.default_rng(0).standard_normal((2, 31, 17, 3)).astype(np.float32)
    layer = AveragePool()
    assert layer.output_shape(Shape(31, 17, 3)) == (1, 1, 3)
    y = layer.forward(x, kernels=_KERNELS)
    np.testing.assert_allclose(y, x.mean(axis=(1, 2), keepdims=True), atol=1e-6)


def test_with_a_size_it_is_local():
    check_layer(AveragePool(size=3, stride=2), [Shape(6, 5, 2)])
    x = np.random.default_rng(0).standard_normal((1, 6, 5, 2)).astype(np.float32)
    np.testing.assert_array_equal(
        AveragePool(size=3, stride=2).forward(x, kernels=_KERNELS),
        LocalAveragePool(size=3, stride=2).forward(x, kernels=_KERNELS),
    )


def test_window():
    assert AveragePool().window()[0].size == math.inf
    assert AveragePool(size=3, stride=2).window() == ((3, 2, 1), (3, 2, 1))


@pytest.mark.parametrize("values", [{"stride": 2}, {"padding": 1}, {"stride_x": 2}])
def test_refuses_a_stride_without_a_size(values):
    with pytest.raises(ValueError, match="no size"):
        AveragePool(**values)
