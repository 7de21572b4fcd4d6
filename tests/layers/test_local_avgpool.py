"""[local_avgpool]: means over the cells inside the image."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.layers.local_avgpool import LocalAveragePool
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
        {"size": 4, "stride_x": 2, "stride_y": 3},
        {"size": 3, "stride": 2, "padding": 0},
    ],
    ids=str,
)
def test_keeps_the_rules(values):
    check_layer(LocalAveragePool(**values), [Shape(7, 6, 3)])


def test_equals_torch():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 9, 8, 3)).astype(np.float32)
    tensor = torch.tensor(x, requires_grad=True)
    theirs = torch.nn.functional.avg_pool2d(
        tensor.permute(0, 3, 1, 2), 3, 2, padding=1, count_include_pad=False
    ).permute(0, 2, 3, 1)
    layer = LocalAveragePool(size=3, stride=2)
    ours = layer.forward(x, kernels=_KERNELS, training=True)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-6)
    delta = np.random.default_rng(1).standard_normal(ours.shape).astype(np.float32)
    theirs.backward(torch.tensor(delta))
    (by_x,) = layer.backward(delta, kernels=_KERNELS)
    np.testing.assert_allclose(by_x, tensor.grad.numpy(), atol=1e-6)


def test_padding_is_left_out_of_the_mean():
    x = np.full((1, 3, 3, 1), 7, np.float32)
    y = LocalAveragePool(size=3, stride=1).forward(x, kernels=_KERNELS)
    np.testing.assert_allclose(y, 7)
