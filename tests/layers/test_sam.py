"""[sam]: product of two layers, either of one channel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.sam import Sam
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Multiply
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.sampled_from([(3, 3), (1, 4), (4, 1), (1, 1)]),
    activation=st.sampled_from(["linear", "logistic", "mish", "leaky"]),
)
def test_equals_torch(size, channels, activation):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    shapes = [Shape(*size, c) for c in channels]
    a, b = random_inputs(shapes)
    layer = Sam(origin=-2, activation=activation)
    got = check_layer(layer, shapes, inputs=[a, b], samples=12)
    tensors = [torch.tensor(x, requires_grad=True) for x in (a, b)]
    product = tensors[0] * tensors[1]
    want = {
        "linear": lambda x: x,
        "logistic": torch.sigmoid,
        "mish": f.mish,
        "leaky": lambda x: f.leaky_relu(x, 0.1),
    }[activation](product)
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-5, atol=1e-6)
    layer.forward(a, b, kernels=KERNELS, training=True)
    delta = random_inputs([Shape(*got.shape[1:])], seed=3)[0]
    want.backward(torch.from_numpy(delta))
    for ours, theirs in zip(
        layer.backward(delta, kernels=KERNELS), tensors, strict=True
    ):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_links_and_lowering():
    layer = Sam(origin=-3, activation="leaky", slope=0.2)
    assert layer.sources(7) == (6, 4)
    assert Sam(origin=2).sources(7) == (6, 2)
    shape = Shape(2, 2, 3)
    assert layer.lower(shape, shape) == Multiply("leaky(0.2)")


@pytest.mark.parametrize("other", [Shape(4, 5, 3), Shape(4, 4, 2)])
def test_what_does_not_fit(other):
    with pytest.raises(ShapeError, match=f"cannot multiply 4x4x3 by {other}"):
        Sam(origin=0).output_shape(Shape(4, 4, 3), other)
