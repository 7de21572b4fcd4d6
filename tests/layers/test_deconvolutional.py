"""[deconvolutional]: against PyTorch, shapes, gradients, .weights files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.checkpoints.files import load_weights, save_weights
from zoo.errors import ShapeError
from zoo.layers.convolutional import Convolutional
from zoo.layers.deconvolutional import Deconvolutional
from zoo.network import Network
from zoo.plugins.base import ConvGeometry
from zoo.plugins.interpret import execute
from zoo.plugins.numpy import NumpyKernels, convolution
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize(
    "values",
    [
        {"filters": 3, "size": 4, "stride": 2, "padding": 1},
        {"filters": 2, "size": 3, "stride": 3, "activation": "relu"},
        {"filters": 2, "size": 2, "stride": 3, "bias": False},
        {"filters": 2, "size": 3, "stride": 2, "pad": True, "output_padding": 1},
        {"filters": 4, "size": 3, "stride": 2, "same": True, "groups": 2},
        {"filters": 2, "size": 2, "stride": 3, "same": True, "activation": "mish"},
        {"filters": 3, "size": 3, "batch_normalize": True, "activation": "leaky"},
        {"filters": 3, "size": 3, "batch_normalize": True, "bias": False},
    ],
)
def test_keeps_the_rules(values):
    check_layer(Deconvolutional(**values), [Shape(4, 5, 2)])


@settings(max_examples=60)
@given(
    size=st.integers(1, 6),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    extra=st.integers(0, 3),
    groups=st.integers(1, 2),
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    block=st.sampled_from([1, 500, 4 << 20]),
)
def test_equals_torch(size, stride, padding, extra, groups, height, width, block):
    torch = pytest.importorskip("torch")
    assume(extra < stride)
    for length in (height, width):
        assume((length - 1) * stride + size - 2 * padding + extra > 0)
    layer = Deconvolutional(
        filters=2 * groups,
        size=size,
        stride=stride,
        padding=padding,
        output_padding=extra,
        groups=groups,
        activation="linear",
    )
    shape = Shape(height, width, 3 * groups)
    build_randomly(layer, [shape])
    (x,) = random_inputs([shape])
    # PyTorch: input channels x output channels of a group x kh x kw; here the
    # input channels come last, those of one group beside each other in both.
    theirs = torch.nn.functional.conv_transpose2d(
        torch.tensor(x.transpose(0, 3, 1, 2)),
        torch.tensor(layer.weights.transpose(3, 2, 0, 1).copy()),
        torch.tensor(layer.biases),
        stride,
        padding,
        extra,
        groups,
    )
    saved = convolution.BLOCK_BYTES
    convolution.BLOCK_BYTES = block
    try:
        y = layer.forward(x, kernels=_KERNELS)
    finally:
        convolution.BLOCK_BYTES = saved
    assert y.shape[1:] == layer.output_shape(shape)
    expected = theirs.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=60)
@given(
    size=st.integers(1, 9),
    stride=st.integers(1, 4),
    same=st.booleans(),
    groups=st.integers(1, 2),
    batch_normalize=st.booleans(),
)
def test_is_a_convolution_and_a_shuffle(size, stride, same, groups, batch_normalize):
    cut = size - stride  # of which output_padding gives back the odd pixel
    assume(same or cut >= 0)
    layer = Deconvolutional(
        filters=2 * groups,
        size=size,
        stride=stride,
        same=same,
        padding=0 if same else (cut + 1) // 2,
        output_padding=0 if same or stride == 1 else cut % 2,
        groups=groups,
        batch_normalize=batch_normalize,
        activation="leaky",
    )
    shape = Shape(4, 5, 3 * groups)
    build_randomly(layer, [shape])
    operation = layer.lower(shape)
    if operation is None:
        assert (size < stride) or layer.output_shape(shape).height != 4 * stride
        return
    inputs = random_inputs([shape])
    np.testing.assert_allclose(
        execute(operation, inputs, _KERNELS),
        layer.forward(*inputs, kernels=_KERNELS),
        rtol=1e-4,
        atol=1e-5,
    )


def test_is_no_convolution_where_its_size_is_no_multiple():
    layer = Deconvolutional(filters=1, size=3, stride=2, padding=1)
    build_randomly(layer, [Shape(4, 4, 1)])
    assert layer.lower(Shape(4, 4, 1)) is None


def test_is_the_transpose_of_the_convolution():
    """<T x, y> = <x, C y> for the convolution C with the same weights."""
    rng = np.random.default_rng(0)
    conv = Convolutional(filters=5, size=3, stride=2, same=True, activation="linear")
    big = Shape(7, 8, 3)
    small = conv.output_shape(big)
    weights = rng.standard_normal((3, 3, 3, 5))
    x, y = rng.standard_normal((1, *small)), rng.standard_normal((1, *big))
    geometry = conv.geometry(big)
    left = _KERNELS.conv2d_transpose(x, weights, geometry, (7, 8))
    right = _KERNELS.conv2d(y, weights, None, geometry)
    assert np.sum(left * y) == pytest.approx(np.sum(x * right), rel=1e-10)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_is_stride_times_as_large(size, stride):
    layer = Deconvolutional(filters=1, size=size, stride=stride, same=True)
    assert layer.output_shape(Shape(4, 7, 2)) == (4 * stride, 7 * stride, 1)


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="output_padding=2"):
        Deconvolutional(stride=2, output_padding=2)
    with pytest.raises(ValueError, match="same=1"):
        Deconvolutional(same=True, padding=1)
    with pytest.raises(ValueError, match="groups=2"):
        Deconvolutional(filters=3, groups=2)
    for name in ("stride", "groups", "size", "filters"):
        with pytest.raises(ValueError, match=f"^{name}=0: 0 is below 1"):
            Deconvolutional(**{name: 0})
    with pytest.raises(ShapeError, match="cuts off"):
        Deconvolutional(size=2, padding=3).output_shape(Shape(2, 2, 1))
    with pytest.raises(ShapeError, match=r"2\^31"):
        Deconvolutional(filters=2**20, size=9).parameter_shapes(Shape(2, 2, 64))
    with pytest.raises(ShapeError, match="transposed convolution"):
        _KERNELS.conv2d_transpose(
            np.zeros((1, 2, 2, 3)), np.zeros((1, 1, 1, 3)), ConvGeometry(), (3, 2)
        )


def test_darknet_weights_there_and_back(tmp_path):
    text = (
        "[net]\nchannels=3\n[deconvolutional]\nfilters=2\nsize=3\nstride=2\n"
        "activation=linear\nbatch_normalize=1\n"
    )
    network = Network.parse(text).initialize(1)
    path = tmp_path / "d.weights"
    save_weights(network, path)
    other = Network.parse(text)
    load_weights(other, path)
    for name, tensor in network.tensors.items():
        np.testing.assert_array_equal(tensor, other.tensors[name])
    # biases, scales, mean, variance, then input x output x height x width
    stored = np.frombuffer(path.read_bytes()[20:], "<f4")
    weights = stored[8:].reshape(3, 2, 3, 3)
    np.testing.assert_array_equal(weights[2, 1], network[0].weights[:, :, 1, 2])
