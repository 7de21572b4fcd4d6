"""[avgpool]: global without a size, local with one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.layers.avgpool import AveragePool
from zoo.layers.local_avgpool import LocalAveragePool
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.program.geometry import PoolGeometry
from zoo.program.operations import Pool
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

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


@pytest.mark.parametrize("shape", [Shape(5, 3, 4), Shape(1, 8, 1), Shape(2, 2, 3)])
def test_deviation_keeps_the_rules(shape):
    layer = AveragePool(deviation=True)
    y = check_layer(layer, [shape], tolerance=1e-4)
    (x,) = random_inputs([shape])
    np.testing.assert_allclose(y, x.std((1, 2), keepdims=True), rtol=1e-5)
    assert layer.lower(shape) == Pool("deviation", PoolGeometry(shape[:2], (1, 1)))


def test_deviation_equals_torch():
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([Shape(7, 5, 3)])
    layer = AveragePool(deviation=True)
    y = layer.forward(x, kernels=_KERNELS, training=True)
    leaf = torch.tensor(x, requires_grad=True)
    mean = leaf.mean((1, 2), keepdim=True)  # as IMDN writes it
    want = ((leaf - mean).pow(2).sum((1, 2), keepdim=True) / 35).pow(0.5)
    np.testing.assert_allclose(y, want.detach().numpy(), rtol=1e-5)
    delta = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, 1.0]], np.float32)
    delta = delta.reshape(2, 1, 1, 3)
    want.backward(torch.from_numpy(delta))
    (by_x,) = layer.backward(delta, kernels=_KERNELS)
    np.testing.assert_allclose(by_x, leaf.grad.numpy(), rtol=1e-4, atol=1e-7)


def test_deviation_of_nothing_has_no_gradient():
    layer = AveragePool(deviation=True)
    x = np.full((1, 4, 4, 2), 7, np.float32)
    assert (layer.forward(x, kernels=_KERNELS, training=True) == 0).all()
    (by_x,) = layer.backward(np.ones((1, 1, 1, 2), np.float32), kernels=_KERNELS)
    assert (by_x == 0).all()


def test_deviation_far_from_zero():
    """Values near 1000 whose deviation is 0.01: nothing cancels."""
    rng = np.random.default_rng(0)
    x = (1000 + 0.01 * rng.standard_normal((1, 64, 64, 2))).astype(np.float32)
    for kernels in (_KERNELS, select()):
        y = AveragePool(deviation=True).forward(x, kernels=kernels)
        truth = x.astype(np.float64).std((0, 1, 2))
        np.testing.assert_allclose(y[0, 0, 0], truth, 1e-4)


def test_deviation_has_no_size():
    with pytest.raises(ValueError, match="size beside deviation=1"):
        AveragePool(size=2, deviation=True)
