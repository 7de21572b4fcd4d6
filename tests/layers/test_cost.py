"""[cost]."""

from __future__ import annotations

import numpy as np

from zoo.layers.cost import Cost
from zoo.network import Network
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer

_KERNELS = NumpyKernels(threads=1)


def test_keeps_the_rules():
    check_layer(Cost(type="L1"), [Shape(3, 4, 2)])


def test_scale_multiplies_the_gradient():
    delta = np.ones((1, 2, 2, 1), np.float32)
    (scaled,) = Cost(scale=3.0).backward(delta, kernels=_KERNELS)
    np.testing.assert_array_equal(scaled, 3 * delta)
    assert scaled.dtype == np.float32


def test_runs_at_the_end_of_a_network():
    text = "[net]\nchannels=2\n[convolutional]\nfilters=2\nactivation=linear\n"
    plain = Network.parse(text).initialize()
    ended = Network.parse(text + "[cost]\ntype=smooth\n").initialize()
    x = np.random.default_rng(0).random((1, 3, 3, 2), np.float32)
    np.testing.assert_array_equal(
        plain.forward(x, kernels=_KERNELS), ended.forward(x, kernels=_KERNELS)
    )
