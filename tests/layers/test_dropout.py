"""[dropout]: identity at inference, unbiased random zeros in training."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.layers.dropout import Dropout
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Identity
from zoo.shapes import Shape
from zoo.testing import check_layer

KERNELS = NumpyKernels(threads=1)
ONES = np.ones((2, 50, 50, 4), np.float32)


def train(layer: Dropout) -> np.ndarray:
    return layer.forward(ONES, kernels=KERNELS, training=True)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_conforms(probability):
    shape = Shape(4, 5, 3)
    got = check_layer(Dropout(probability=probability), [shape])
    assert got.shape == (2, *shape)


def test_identity_at_inference():
    assert Dropout().forward(ONES, kernels=KERNELS) is ONES
    assert Dropout().lower(Shape(1, 1, 1)) == Identity()


def test_share_and_mean():
    got = train(Dropout(probability=0.2))
    assert set(np.unique(got)) == {np.float32(0), np.float32(1.25)}
    # 20 000 draws: a standard deviation of the share is 0.0028.
    assert np.mean(got == 0) == pytest.approx(0.2, abs=0.015)
    assert got.mean() == pytest.approx(1, abs=0.02)


def test_edges():
    assert np.array_equal(train(Dropout(probability=0.0)), ONES)
    assert not train(Dropout(probability=1.0)).any()


def test_same_mask_backwards():
    layer = Dropout()
    output = train(layer)
    (gradient,) = layer.backward(ONES, kernels=KERNELS)
    assert np.array_equal(gradient, output)


def test_seeds():
    assert np.array_equal(train(Dropout(seed=4)), train(Dropout(seed=4)))
    assert not np.array_equal(train(Dropout(seed=4)), train(Dropout(seed=5)))
    layer = Dropout()
    assert not np.array_equal(train(layer), train(layer))


def test_initialize_separates_layers_and_repeats():
    def masks() -> list[np.ndarray]:
        rng = np.random.default_rng(7)
        layers = [Dropout(), Dropout()]
        for layer in layers:
            layer.initialize(rng)
        return [train(layer) for layer in layers]

    first, second = masks()
    assert not np.array_equal(first, second)
    assert np.array_equal(first, masks()[0])


def test_state_resumes_exactly():
    layer = Dropout()
    train(layer)
    state = layer.rng.bit_generator.state
    expected = train(layer)
    other = Dropout()
    other.rng.bit_generator.state = state
    assert np.array_equal(train(other), expected)


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="training"):
        Dropout().backward(ONES, kernels=KERNELS)
