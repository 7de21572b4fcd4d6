"""[scale_channels]: a factor per channel or per pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.scale_channels import ScaleChannels
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Multiply, Scale
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)


@settings(max_examples=30, deadline=None)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4)),
    scale_wh=st.booleans(),
    activation=st.sampled_from(["linear", "relu", "silu"]),
)
def test_equals_torch(size, scale_wh, activation):
    torch = pytest.importorskip("torch")
    shape = Shape(*size)
    factors = Shape(size[0], size[1], 1) if scale_wh else Shape(1, 1, size[2])
    inputs = random_inputs([factors, shape])
    layer = ScaleChannels(origin=-2, scale_wh=scale_wh, activation=activation)
    got = check_layer(layer, [factors, shape], inputs=inputs, samples=12)
    a, x = (torch.tensor(v, requires_grad=True) for v in inputs)
    functions = {"linear": lambda v: v, "relu": torch.relu}
    want = functions.get(activation, torch.nn.functional.silu)(a * x)
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-5, atol=1e-6)
    layer.forward(*inputs, kernels=KERNELS, training=True)
    delta = random_inputs([shape], seed=3)[0]
    want.backward(torch.from_numpy(delta))
    for ours, theirs in zip(
        layer.backward(delta, kernels=KERNELS), (a, x), strict=True
    ):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_lowering():
    shapes = Shape(1, 1, 3), Shape(4, 4, 3)
    assert ScaleChannels(origin=0, activation="relu").lower(*shapes) == Scale("relu")
    assert ScaleChannels(origin=0, scale_wh=True).lower(*shapes) == Multiply("linear")


@pytest.mark.parametrize(
    ("scale_wh", "factors"),
    [(False, Shape(1, 1, 2)), (False, Shape(4, 4, 3)), (True, Shape(4, 4, 3))],
)
def test_what_does_not_fit(scale_wh, factors):
    layer = ScaleChannels(origin=0, scale_wh=scale_wh)
    with pytest.raises(ShapeError, match=f"of 4x4x3 needs .*, not {factors}"):
        layer.output_shape(factors, Shape(4, 4, 3))
