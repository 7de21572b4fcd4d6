"""The conformance kit finds every kind of broken layer."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.layers.base import Layer, one_input
from zoo.shapes import Shape
from zoo.testing import check_layer, numeric_gradient

_SHAPE = Shape(3, 4, 2)


class _Scale(Layer):
    """y = a x with one learned a: correct."""

    def __init__(self):
        super().__init__()
        self._x = None

    def output_shape(self, *inputs):
        return one_input(inputs, "scale")

    def parameter_shapes(self, *inputs):
        return {"factor": (1,)}

    def forward(self, *inputs, kernels, training=False):
        if training:
            self._x = inputs[0]
        return inputs[0] * self.parameters["factor"]

    def backward(self, delta, *, kernels):
        self.gradients = {"factor": (delta * self._x).sum().reshape(1)}
        return (delta * self.parameters["factor"],)


class _WrongShape(_Scale):
    def output_shape(self, *inputs):
        return Shape(1, 1, 1)


class _WrongDtype(_Scale):
    def forward(self, *inputs, kernels, training=False):
        return super().forward(*inputs, kernels=kernels).astype(np.float64)


class _WritesInput(_Scale):
    def forward(self, *inputs, kernels, training=False):
        inputs[0][...] = 0
        return inputs[0]


class _ChangesItself(_Scale):
    def forward(self, *inputs, kernels, training=False):
        self._x = inputs[0]
        return inputs[0] * self.parameters["factor"]


class _ChangesParameters(_Scale):
    def forward(self, *inputs, kernels, training=False):
        self.parameters["factor"] *= 2
        return inputs[0] * self.parameters["factor"]


class _MixesBatch(_Scale):
    def forward(self, *inputs, kernels, training=False):
        return super().forward(inputs[0] - inputs[0].mean(), kernels=kernels)


class _WrongGradient(_Scale):
    def backward(self, delta, *, kernels):
        super().backward(delta, kernels=kernels)
        return (delta * 1.001 * self.parameters["factor"],)


class _WrongParameterGradient(_Scale):
    def backward(self, delta, *, kernels):
        result = super().backward(delta, kernels=kernels)
        self.gradients["factor"] = -self.gradients["factor"]
        return result


class _NoParameterGradient(_Scale):
    def backward(self, delta, *, kernels):
        return (delta * self.parameters["factor"],)


class _WidensGradient(_Scale):
    def backward(self, delta, *, kernels):
        (by_x,) = super().backward(delta, kernels=kernels)
        return (by_x.astype(np.float64),)


def test_passes_a_correct_layer():
    layer = _Scale()
    y = check_layer(layer, [_SHAPE])
    assert y.shape == (2, *_SHAPE)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (_WrongShape, "output_shape says"),
        (_WrongDtype, "float32 became float64"),
        (_ChangesItself, "inference changed _x"),
        (_ChangesParameters, "inference changed parameters"),
        (_MixesBatch, "differs from its images one at a time"),
        (_WrongGradient, "gradient of input 0 is off"),
        (_WrongParameterGradient, "gradient of factor is off"),
        (_NoParameterGradient, "gradients of"),
        (_WidensGradient, "a gradient is float64"),
    ],
)
def test_finds_a_broken_layer(broken, message):
    with pytest.raises(AssertionError, match=message):
        check_layer(broken(), [_SHAPE])


def test_finds_a_layer_that_writes_to_its_input():
    with pytest.raises((AssertionError, ValueError), match="read-only"):
        check_layer(_WritesInput(), [_SHAPE])


def test_numeric_gradient():
    x = np.array([1.0, -2.0, 3.0])
    saved = x.copy()
    indices, gradient = numeric_gradient(lambda: float((x**3).sum()), x)
    np.testing.assert_array_equal(indices, [0, 1, 2])
    np.testing.assert_allclose(gradient, 3 * saved**2, rtol=1e-6)
    np.testing.assert_array_equal(x, saved)
    indices, _ = numeric_gradient(lambda: 0.0, x, samples=2)
    assert len(indices) == 2
    with pytest.raises(TypeError, match="float64"):
        numeric_gradient(lambda: 0.0, x.astype(np.float32))
