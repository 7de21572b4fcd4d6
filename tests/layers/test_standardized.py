"""[layernorm] and [groupnorm] are PyTorch's, forward and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.groupnorm import GroupNorm
from zoo.layers.layernorm import LayerNorm
from zoo.plugins import select
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Normalize
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
BACK_ENDS = (KERNELS, select())


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    groups=st.integers(1, 3),
    depth=st.integers(2, 4),
    epsilon=st.sampled_from([1e-6, 1e-5, 0.1]),
    kind=st.sampled_from([LayerNorm, GroupNorm]),
)
def test_equals_torch(size, groups, depth, epsilon, kind):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    channels = groups * depth
    shape = Shape(*size, channels)
    x = 3 * random_inputs([shape])[0] + 1
    layer = LayerNorm(eps=epsilon)
    if kind is GroupNorm:
        layer = GroupNorm(eps=epsilon, groups=groups)
    got = check_layer(layer, [shape], inputs=[x], samples=12, tolerance=1e-4)
    leaf, scales, biases = (
        torch.tensor(v, requires_grad=True)
        for v in (x, layer.parameters["scales"], layer.biases)
    )
    if kind is LayerNorm:
        want = f.layer_norm(leaf, (channels,), scales, biases, epsilon)
    else:
        planes = leaf.permute(0, 3, 1, 2)
        want = f.group_norm(planes, groups, scales, biases, epsilon)
        want = want.permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, want.detach().numpy(), rtol=1e-4, atol=2e-5)
    layer.forward(x, kernels=KERNELS, training=True)
    delta = random_inputs([shape], seed=3)[0]
    want.backward(torch.from_numpy(delta))
    (by_x,) = layer.backward(delta, kernels=KERNELS)
    for ours, theirs in (
        (by_x, leaf.grad),
        (layer.gradients["scales"], scales.grad),
        (layer.gradients["biases"], biases.grad),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-3)


def test_training_and_inference_are_the_same():
    (x,) = random_inputs([Shape(3, 4, 6)])
    for layer in (LayerNorm(), GroupNorm(groups=2)):
        layer.build(Shape(3, 4, 6))
        layer.initialize(np.random.default_rng(0))
        trained = layer.forward(x, kernels=KERNELS, training=True)
        for kernels in BACK_ENDS:
            y = layer.forward(x, kernels=kernels)
            np.testing.assert_allclose(y, trained, rtol=1e-4, atol=1e-5)


def test_lowering():
    layer = LayerNorm()
    layer.build(Shape(1, 1, 3))
    operation = layer.lower(Shape(5, 5, 3))
    assert isinstance(operation, Normalize)
    assert operation.epsilon == 1e-6


def test_groups_must_divide():
    with pytest.raises(ShapeError, match="6 channels do not divide into groups=4"):
        GroupNorm().output_shape(Shape(2, 2, 6))
