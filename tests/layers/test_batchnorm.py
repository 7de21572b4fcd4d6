"""[batchnorm] against PyTorch, by finite differences, and on odd data."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.layers.batchnorm import BatchNorm
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize(
    "values", [{}, {"bn_eps": 0.1}, {"bn_dialect": "pjreddie"}], ids=str
)
@pytest.mark.parametrize("shape", [Shape(4, 5, 3), Shape(1, 1, 2)])
def test_keeps_the_rules(values, shape):
    check_layer(BatchNorm(**values), [shape], tolerance=2e-5)


def test_equals_torch():
    torch = pytest.importorskip("torch")
    layer, shape = BatchNorm(), Shape(5, 4, 3)
    build_randomly(layer, [shape])
    (x,) = random_inputs([shape], batch=3)
    mean, variance = (
        torch.tensor(layer.statistics[name].copy())
        for name in ("rolling_mean", "rolling_variance")
    )
    tensor = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()
    parameters = [torch.tensor(layer.tensors[name]) for name in ("scales", "biases")]

    def theirs(training):
        return torch.nn.functional.batch_norm(
            tensor, mean, variance, *parameters, training, 0.1, 1e-5
        ).permute(0, 2, 3, 1)

    np.testing.assert_allclose(
        layer.forward(x, kernels=_KERNELS), theirs(False).detach().numpy(), atol=1e-5
    )
    result = theirs(True)
    ours = layer.forward(x, kernels=_KERNELS, training=True)
    np.testing.assert_allclose(ours, result.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(layer.statistics["rolling_mean"], mean, atol=1e-6)
    np.testing.assert_allclose(
        layer.statistics["rolling_variance"], variance, rtol=1e-5
    )
    delta = np.random.default_rng(1).standard_normal(ours.shape).astype(np.float32)
    result.backward(torch.tensor(delta))
    (by_x,) = layer.backward(delta, kernels=_KERNELS)
    np.testing.assert_allclose(
        by_x, tensor.grad.permute(0, 2, 3, 1).numpy(), rtol=1e-3, atol=1e-5
    )


def test_statistics_of_a_large_offset_are_exact():
    """Sums of a million float32 values near 1000 keep the variance of 1."""
    x = 1000 + np.random.default_rng(0).standard_normal((1, 1000, 1000, 1))
    x = x.astype(np.float32)
    layer = BatchNorm()
    layer.build(Shape(1000, 1000, 1))
    layer.initialize(np.random.default_rng(0))
    y = layer.forward(x, kernels=_KERNELS, training=True)
    assert y.mean(dtype=np.float64) == pytest.approx(0, abs=1e-4)
    assert y.std(dtype=np.float64) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("dialect", ["alexeyab", "pjreddie"])
def test_a_constant_channel_stays_finite(dialect):
    layer = BatchNorm(bn_dialect=dialect)
    layer.build(Shape(3, 3, 2))
    layer.initialize(np.random.default_rng(0))
    x = np.ones((2, 3, 3, 2), np.float32)
    np.testing.assert_array_equal(layer.forward(x, kernels=_KERNELS, training=True), 0)
    (by_x,) = layer.backward(np.ones_like(x), kernels=_KERNELS)
    assert np.isfinite(by_x).all()


def test_one_value_per_channel_has_no_unbiased_variance():
    layer = BatchNorm()
    layer.build(Shape(1, 1, 2))
    layer.initialize(np.random.default_rng(0))
    layer.forward(np.ones((1, 1, 1, 2), np.float32), kernels=_KERNELS, training=True)
    np.testing.assert_allclose(layer.statistics["rolling_variance"], 0.9)
