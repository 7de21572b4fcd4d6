"""[shortcut]: sums of equal and unequal shapes, activations, learned weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.shortcut import Shortcut
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Add
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


def darknet_sum(previous, other, alpha, beta):
    """pjreddie's rule, pixel by pixel, on H x W x C arrays."""
    h, w, c = previous.shape
    h1, w1, c1 = other.shape
    stride, sample = max(w1 // w, 1), max(w // w1, 1)
    out = previous.copy()
    for k in range(min(c, c1)):
        for j in range(min(h, h1)):
            for i in range(min(w, w1)):
                at = (j * sample, i * sample, k)
                out[at] = alpha * out[at] + beta * other[j * stride, i * stride, k]
    return out


def test_equal_shapes():
    shape = Shape(5, 4, 3)
    layer = Shortcut(origins=(-3,), alpha=0.1, beta=0.7)
    a, b = random_inputs([shape, shape])
    got = check_layer(layer, [shape, shape], inputs=[a, b])
    np.testing.assert_allclose(got, 0.1 * a + 0.7 * b, rtol=1e-6, atol=1e-6)


def test_several_origins():
    shape = Shape(3, 4, 2)
    layer = Shortcut(origins=(-3, 0), alpha=2.0, beta=0.5, activation="tanh")
    a, b, c = random_inputs([shape] * 3)
    got = check_layer(layer, [shape] * 3, inputs=[a, b, c])
    np.testing.assert_allclose(got, np.tanh(2 * a + (b + c) / 2), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky", "logistic", "swish", "mish"])
def test_activation(activation):
    torch = pytest.importorskip("torch")
    reference = {
        "relu": torch.relu,
        "leaky": lambda x: torch.nn.functional.leaky_relu(x, 0.1),
        "logistic": torch.sigmoid,
        "swish": torch.nn.functional.silu,
        "mish": torch.nn.functional.mish,
    }[activation]
    shape = Shape(4, 4, 3)
    inputs = random_inputs([shape, shape])
    layer = Shortcut(origins=(0,), activation=activation)
    got = check_layer(layer, [shape, shape], inputs=inputs)
    want = reference(torch.from_numpy(inputs[0] + inputs[1])).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


UNEQUAL = [
    (Shape(4, 4, 3), Shape(4, 4, 5)),
    (Shape(4, 4, 5), Shape(4, 4, 3)),
    (Shape(4, 4, 6), Shape(8, 8, 3)),
    (Shape(8, 6, 2), Shape(4, 3, 4)),
    (Shape(5, 5, 2), Shape(2, 2, 2)),
    (Shape(2, 2, 2), Shape(5, 5, 2)),
]


@pytest.mark.parametrize(("previous", "other"), UNEQUAL)
@pytest.mark.parametrize("activation", ["linear", "logistic"])
def test_unequal_shapes(previous, other, activation):
    layer = Shortcut(origins=(0,), alpha=0.5, beta=2.0, activation=activation)
    a, b = random_inputs([previous, other])
    got = check_layer(layer, [previous, other], inputs=[a, b])
    want = np.stack([darknet_sum(x, y, 0.5, 2.0) for x, y in zip(a, b, strict=True)])
    if activation == "logistic":
        want = 1 / (1 + np.exp(-want))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_sizes_that_are_no_multiples_share_the_upper_left_corner():
    """As in Darknet, which rounds the quotient of the sizes down."""
    large, small = np.zeros((1, 98, 98, 1)), np.ones((1, 96, 96, 1))
    layer = Shortcut(origins=(0,))
    assert layer.output_shape(Shape(98, 98, 1), Shape(96, 96, 1)) == (98, 98, 1)
    got = layer.forward(large, small, kernels=KERNELS)
    assert got[0, :96, :96].all() and got.sum() == 96 * 96
    got = layer.forward(small, large + 2, kernels=KERNELS)
    assert got.shape == small.shape and (got == 3).all()
    # 5 div 2 = 2: rows and columns 0 and 2.
    five = np.arange(25.0).reshape(1, 5, 5, 1)
    got = layer.forward(np.zeros((1, 2, 2, 1)), five, kernels=KERNELS)
    assert got.ravel().tolist() == [0, 2, 10, 12]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_unequal_shapes_property(data):
    size = st.integers(1, 6)
    previous = Shape(data.draw(size), data.draw(size), data.draw(size))
    other = Shape(data.draw(size), data.draw(size), data.draw(size))
    layer = Shortcut(origins=(0,), alpha=3.0)
    if (
        previous.height // other.height != previous.width // other.width
        or other.height // previous.height != other.width // previous.width
    ):
        with pytest.raises(ShapeError, match=f"{other} to {previous}"):
            layer.output_shape(previous, other)
        return
    assert layer.output_shape(previous, other) == previous
    a, b = random_inputs([previous, other], batch=1)
    got = layer.forward(a, b, kernels=KERNELS)
    want = darknet_sum(a[0], b[0], 3.0, 1.0)
    np.testing.assert_allclose(got[0], want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["per_feature", "per_layer", "per_channel"])
@pytest.mark.parametrize("norm", ["none", "relu", "avg_relu", "softmax"])
def test_learned_weights(kind, norm):
    shape = Shape(3, 3, 4)
    layer = Shortcut(origins=(0, 1), weights_type=kind, weights_normalization=norm)
    inputs = random_inputs([shape] * 3)
    got = check_layer(layer, [shape] * 3, inputs=inputs)
    w = layer.weights.astype(np.float64)
    assert w.shape == ((3, 4) if kind == "per_channel" else (3,))
    if norm == "softmax":
        e = np.exp(w - w.max(axis=0))
        w = e / (e.sum(axis=0) + 1e-4)
    elif norm != "none":
        r = np.where(w > 0.001, w, 0.001)
        w = r / (r.sum(axis=0) + 1e-4)
    want = sum(p * x for p, x in zip(w, inputs, strict=True))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_learned_weights_below_the_floor_have_no_gradient():
    shape = Shape(2, 2, 1)
    layer = Shortcut(
        origins=(0,), weights_type="per_feature", weights_normalization="relu"
    )
    layer.build(shape, shape)
    layer.parameters["weights"][:] = (0.5, -0.2)
    check_layer(layer, [shape, shape], build=False)
    a, b = random_inputs([shape, shape])
    layer.forward(a, b, kernels=KERNELS, training=True)
    layer.backward(np.ones_like(a), kernels=KERNELS)
    assert layer.gradients["weights"][1] == 0
    assert layer.gradients["weights"][0] != 0


@pytest.mark.parametrize("other", [Shape(4, 4, 1), Shape(4, 4, 5), Shape(8, 8, 3)])
def test_learned_weights_of_unequal_shapes(other):
    previous = Shape(4, 4, 3)
    layer = Shortcut(origins=(0,), weights_type="per_channel")
    check_layer(layer, [previous, other])


def test_weights_start_at_one():
    layer = Shortcut(origins=(0,), weights_type="per_channel")
    layer.build(Shape(2, 2, 3), Shape(2, 2, 3))
    layer.initialize(np.random.default_rng(0))
    assert np.array_equal(layer.weights, np.ones((2, 3)))


def test_links():
    assert Shortcut(origins=(-3,)).sources(10) == (9, 7)
    assert Shortcut(origins=(4, -2)).sources(10) == (9, 4, 8)
    assert Shortcut(origins=(-2,)).sources(1) == (0, -1)
    assert Shortcut(origins=(0,)).sources(0) == (-1, 0)
    assert Shortcut(origins=(-5,)).sources(1) == (0, -4)  # Network refuses it


def test_lowering():
    shape = Shape(4, 4, 3)
    layer = Shortcut(origins=(0,), alpha=0.1, activation="relu")
    assert layer.lower(shape, shape) == Add(0.1, 1.0, "relu")
    assert layer.lower(shape, Shape(4, 4, 2)) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"weights_type": "per_channel", "alpha": 0.5}, "alpha or beta"),
        ({"weights_normalization": "relu"}, "no weights"),
    ],
)
def test_keys_that_contradict_each_other(values, words):
    with pytest.raises(ValueError, match=words):
        Shortcut(origins=(0,), **values)


def test_wrong_number_of_inputs():
    with pytest.raises(ShapeError, match="takes 2 inputs"):
        Shortcut(origins=(0,)).output_shape(Shape(1, 1, 1))


def test_backward_before_forward():
    with pytest.raises(RuntimeError, match="training"):
        Shortcut(origins=(0,)).backward(np.zeros((1, 1, 1, 1)), kernels=KERNELS)
