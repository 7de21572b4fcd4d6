"""[activation]: every function as a layer, and the learned slopes."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.activations import NAMES, activation
from zoo.layers.activation import Activation
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

_KERNELS = NumpyKernels(threads=1)
_SHAPE = Shape(4, 3, 5)


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_rules(name):
    layer = Activation(activation=name)
    inputs = [3 * array for array in random_inputs([_SHAPE])]
    y = check_layer(layer, [_SHAPE], inputs=inputs)
    slopes = layer.parameters.get("slopes")
    np.testing.assert_allclose(y, activation(name)(inputs[0], slopes), rtol=1e-6)


def test_slope_of_leaky():
    layer = Activation(activation="leaky", slope=0.3)
    (x,) = random_inputs([_SHAPE])
    y = check_layer(layer, [_SHAPE])
    np.testing.assert_allclose(y, np.where(x > 0, x, 0.3 * x), rtol=1e-6)
    assert not layer.parameters


@pytest.mark.parametrize(("slope", "low"), [(-0.5, -1.0), (0.0, 0.0)])
def test_numbers_of_functions(slope, low):
    (x,) = random_inputs([_SHAPE])
    y = check_layer(Activation(activation="leaky", slope=slope), [_SHAPE])
    np.testing.assert_allclose(y, np.where(x > 0, x, slope * x), rtol=1e-6)
    y = check_layer(Activation(activation="clip", low=low, high=0.5), [_SHAPE])
    np.testing.assert_array_equal(y, np.clip(x, low, 0.5))


def test_bounds_that_nothing_uses_are_refused():
    with pytest.raises(ValueError, match="high=6, which activation=relu"):
        Activation(activation="relu", high=6)
    with pytest.raises(ValueError, match="low=1 above high=0"):
        Activation(activation="clip", low=1, high=0)


def test_prelu_equals_torch():
    torch = pytest.importorskip("torch")
    layer = Activation(activation="prelu")
    layer.build(_SHAPE)
    layer.initialize(np.random.default_rng(0))
    assert (layer.parameters["slopes"] == 0.25).all()
    layer.parameters["slopes"][:] = (0.1, 0.2, -0.3, 0, 1)
    (x,) = random_inputs([_SHAPE])
    tensors = [
        torch.tensor(a, requires_grad=True) for a in (x, layer.parameters["slopes"])
    ]
    theirs = torch.nn.functional.prelu(tensors[0].permute(0, 3, 1, 2), tensors[1])
    ours = layer.forward(x, kernels=_KERNELS, training=True)
    np.testing.assert_allclose(ours, theirs.detach().permute(0, 2, 3, 1).numpy())
    theirs.sum().backward()
    (by_x,) = layer.backward(np.ones_like(ours), kernels=_KERNELS)
    np.testing.assert_allclose(by_x, tensors[0].grad.numpy(), atol=1e-6)
    np.testing.assert_allclose(
        layer.gradients["slopes"], tensors[1].grad.numpy(), atol=1e-5
    )


def test_default_is_linear():
    (x,) = random_inputs([_SHAPE])
    np.testing.assert_array_equal(Activation().forward(x, kernels=_KERNELS), x)


def test_refuses_a_slope_that_nothing_uses():
    with pytest.raises(ValueError, match="slope=0.3, which activation=relu"):
        Activation(activation="relu", slope=0.3)
