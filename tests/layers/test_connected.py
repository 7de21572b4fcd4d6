"""[connected] against PyTorch and by finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.errors import ShapeError
from zoo.layers.connected import Connected
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize(
    "values",
    [
        {"output": 5},
        {"output": 1, "activation": "linear", "bias": False},
        {"output": 4, "batch_normalize": True, "activation": "tanh"},
        {"output": 4, "batch_normalize": True, "bias": False, "activation": "elu"},
    ],
    ids=str,
)
def test_keeps_the_rules(values):
    layer = Connected(**values)
    check_layer(
        layer, [Shape(3, 2, 4)], inputs=random_inputs([Shape(3, 2, 4)], batch=4)
    )


def test_equals_torch_and_flattens_height_width_channels():
    torch = pytest.importorskip("torch")
    layer, shape = Connected(output=3, activation="relu"), Shape(2, 3, 4)
    build_randomly(layer, [shape])
    (x,) = random_inputs([shape])
    theirs = torch.relu(
        torch.nn.functional.linear(
            torch.tensor(x).flatten(1),
            torch.tensor(layer.weights),
            torch.tensor(layer.biases),
        )
    )
    ours = layer.forward(x, kernels=_KERNELS)
    assert ours.shape == (2, 1, 1, 3)
    np.testing.assert_allclose(ours[:, 0, 0], theirs.numpy(), atol=1e-5)


def test_shapes_and_cost():
    layer, shape = Connected(output=7, batch_normalize=True), Shape(2, 3, 4)
    assert list(layer.parameter_shapes(shape).items()) == [
        ("weights", (7, 24)),
        ("biases", (7,)),
        ("scales", (7,)),
    ]
    assert layer.output_shape(shape) == (1, 1, 7)
    assert layer.operations(shape) == 2 * 7 * 24
    assert layer.window()[0].size == math.inf


def test_initial_weights_are_he_normal():
    layer = Connected(output=200, batch_normalize=True)
    layer.build(Shape(5, 5, 8))
    layer.initialize(np.random.default_rng(0))
    assert layer.weights.std() == pytest.approx(math.sqrt(2 / 200), rel=0.02)
    assert (layer.parameters["scales"] == 1).all()


def test_refuses():
    with pytest.raises(ValueError, match="output=0"):
        Connected(output=0)
    with pytest.raises(ShapeError, match="more than 2\\^31"):
        Connected(output=2**20).parameter_shapes(Shape(1000, 1000, 3))
    layer = Connected(output=2)
    layer.build(Shape(2, 2, 1))
    with pytest.raises(ShapeError, match="for 4 inputs got 6"):
        layer.forward(np.zeros((1, 2, 3, 1), np.float32), kernels=_KERNELS)
