"""[convolutional]: shapes, padding dialects, normalization, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError, WeightsError
from zoo.layers.convolutional import Convolutional
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

_KERNELS = NumpyKernels(threads=1)


@pytest.mark.parametrize(
    "values",
    [
        {"filters": 3, "size": 3, "pad": True},
        {"filters": 3, "size": 1, "activation": "linear"},
        {"filters": 4, "size": 3, "same": True, "stride": 2, "groups": 2},
        {"filters": 8, "size": 3, "pad": True, "groups": 4, "activation": "mish"},
        {"filters": 2, "size": 3, "pad": True, "dilation": 2, "pad_mode": "symmetric"},
        {"filters": 2, "size": 2, "padding": 1, "pad_mode": "edge", "bias": False},
        {"filters": 2, "size": 3, "stride_x": 2, "stride_y": 3, "activation": "relu"},
        {"filters": 3, "size": 3, "batch_normalize": True, "activation": "leaky"},
        {"filters": 3, "size": 2, "batch_normalize": True, "bn_dialect": "pjreddie"},
        {"filters": 3, "size": 2, "batch_normalize": True, "bias": False},
        {"filters": 3, "size": 1, "activation": "normalize_channels_softmax"},
    ],
)
def test_keeps_the_rules(values):
    check_layer(Convolutional(**values), [Shape(7, 6, 4)])


@pytest.mark.parametrize("shape", [(1, 1, 4), (2, 1, 4), (5, 9, 4)])
def test_small_images(shape):
    check_layer(Convolutional(filters=2, size=3, pad=True), [Shape(*shape)])


@settings(max_examples=60)
@given(
    size=st.integers(1, 7),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
)
def test_same_equals_tensorflow_rule(size, stride, dilation, height, width):
    layer = Convolutional(
        filters=1, size=size, stride=stride, dilation=dilation, same=True
    )
    assert layer.output_shape(Shape(height, width, 1)) == (
        math.ceil(height / stride),
        math.ceil(width / stride),
        1,
    )
    pad = layer.geometry(Shape(height, width, 1)).padding
    assert 0 <= pad.bottom - pad.top <= 1 and 0 <= pad.right - pad.left <= 1


@settings(max_examples=60)
@given(
    size=st.integers(1, 7),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 3),
    pad=st.booleans(),
    padding=st.integers(0, 3),
    length=st.integers(1, 20),
)
def test_darknet_sizes(size, stride, dilation, pad, padding, length):
    """Darknet's formula leaves dilation out: right where the padding is size/2."""
    layer = Convolutional(
        filters=1, size=size, stride=stride, dilation=dilation, pad=pad, padding=padding
    )
    one = size // 2 if pad else padding
    assume(size % 2 and one == size // 2 or dilation == 1)
    darknet = (length + 2 * one - size) // stride + 1
    if darknet < 1:
        with pytest.raises(ShapeError, match="does not fit into"):
            layer.output_shape(Shape(length, length, 1))
    else:
        assert layer.output_shape(Shape(length, length, 1)) == (darknet, darknet, 1)


def test_same_and_pad_differ_by_one_pixel_at_stride_2():
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    results = []
    for values in ({"pad": True}, {"same": True}):
        layer = Convolutional(
            filters=1, size=3, stride=2, activation="linear", bias=False, **values
        )
        layer.build(Shape(4, 4, 1))
        layer.weights[1, 1] = 1  # picks the center of each window
        results.append(layer.forward(x, kernels=_KERNELS)[0, :, :, 0])
    np.testing.assert_array_equal(results[0], [[0, 2], [8, 10]])
    np.testing.assert_array_equal(results[1], [[5, 7], [13, 15]])


@pytest.mark.parametrize("dialect", ["alexeyab", "pjreddie"])
def test_batch_normalization_equals_torch(dialect):
    torch = pytest.importorskip("torch")
    pjreddie = dialect == "pjreddie"
    layer = Convolutional(
        filters=5,
        size=3,
        pad=True,
        batch_normalize=True,
        activation="relu",
        bn_dialect=dialect,
    )
    shape = Shape(6, 5, 3)
    build_randomly(layer, [shape])
    (x,) = random_inputs([shape])
    conv = torch.nn.Conv2d(3, 5, 3, padding=1, bias=False)
    norm = torch.nn.BatchNorm2d(
        5, eps=1e-12 if pjreddie else 1e-5, momentum=0.01 if pjreddie else 0.1
    )
    with torch.no_grad():
        conv.weight.copy_(torch.tensor(layer.weights).permute(3, 2, 0, 1))
        for target, name in (
            (norm.weight, "scales"),
            (norm.bias, "biases"),
            (norm.running_mean, "rolling_mean"),
            (norm.running_var, "rolling_variance"),
        ):
            target.copy_(torch.tensor(layer.tensors[name]))
    module = torch.nn.Sequential(conv, norm, torch.nn.ReLU())
    tensor = torch.tensor(x).permute(0, 3, 1, 2).requires_grad_()

    module.eval()
    theirs = module(tensor).detach().permute(0, 2, 3, 1).numpy()
    ours = layer.forward(x, kernels=_KERNELS)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)

    module.train()
    result = module(tensor).permute(0, 2, 3, 1)
    ours = layer.forward(x, kernels=_KERNELS, training=True)
    np.testing.assert_allclose(ours, result.detach().numpy(), atol=2e-5)
    delta = np.random.default_rng(1).standard_normal(ours.shape).astype(np.float32)
    (by_x,) = layer.backward(delta, kernels=_KERNELS)
    result.backward(torch.tensor(delta))
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(by_x, tensor.grad.permute(0, 2, 3, 1).numpy(), **close)
    for name, found in (
        ("weights", conv.weight.grad.permute(2, 3, 1, 0)),
        ("biases", norm.bias.grad),
        ("scales", norm.weight.grad),
    ):
        np.testing.assert_allclose(layer.gradients[name], found.numpy(), **close)
    for name, found in (
        ("rolling_mean", norm.running_mean),
        ("rolling_variance", norm.running_var),
    ):
        np.testing.assert_allclose(layer.statistics[name], found.numpy(), rtol=1e-4)


def test_pjreddie_epsilon_stands_outside_the_root():
    values = {"filters": 1, "batch_normalize": True, "activation": "linear"}
    results = {}
    for dialect in ("alexeyab", "pjreddie"):
        layer = Convolutional(**values, bn_dialect=dialect)
        layer.build(Shape(1, 1, 1))
        layer.weights[...] = 1
        layer.parameters["scales"][...] = 1
        layer.statistics["rolling_variance"][...] = 1e-8
        x = np.ones((1, 1, 1, 1), np.float32)
        results[dialect] = float(layer.forward(x, kernels=_KERNELS)[0, 0, 0, 0])
    assert results["alexeyab"] == pytest.approx(1 / math.sqrt(1e-8 + 1e-5), rel=1e-4)
    assert results["pjreddie"] == pytest.approx(1 / (1e-4 + 1e-6), rel=1e-4)


def test_initial_weights_are_uniform():
    layer = Convolutional(filters=64, size=3, groups=2, batch_normalize=True)
    layer.build(Shape(8, 8, 32))
    layer.initialize(np.random.default_rng(0))
    assert layer.weights.std() == pytest.approx(1 / math.sqrt(3 * 9 * 16), rel=0.02)
    assert np.abs(layer.weights).max() <= 1 / math.sqrt(9 * 16)
    assert abs(layer.weights.mean()) < 0.005
    assert (layer.parameters["scales"] == 1).all() and (layer.biases == 0).all()
    assert (layer.statistics["rolling_variance"] == 1).all()
    assert (layer.statistics["rolling_mean"] == 0).all()


def test_order_and_names_of_parameters():
    layer = Convolutional(filters=6, size=3, groups=2, batch_normalize=True)
    assert list(layer.parameter_shapes(Shape(9, 9, 4)).items()) == [
        ("weights", (3, 3, 2, 6)),
        ("biases", (6,)),
        ("scales", (6,)),
    ]
    with pytest.raises(WeightsError, match="no weights"):
        layer.forward(np.zeros((1, 9, 9, 4), np.float32), kernels=_KERNELS)


def test_operations_of_edsr():
    """EDSR with 32 blocks of 256 filters, x2, on 128x128: 1,334.7 GFLOP."""
    small, large = (128, 128), (256, 256)
    chain = [(small, 3, 256), *[(small, 256, 256)] * 65, (small, 256, 1024)]
    chain.append((large, 256, 3))
    total = sum(
        Convolutional(filters=filters, size=3, pad=True).operations(
            Shape(*size, channels)
        )
        for size, channels, filters in chain
    )
    assert total / 1e9 == pytest.approx(1334.7, abs=0.1)


def test_window():
    layer = Convolutional(size=3, dilation=2, stride_x=2, pad=True)
    assert layer.window() == ((5, 1, 1), (5, 2, 1))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"coordconv": 1}, "coordconv=1"),
        ({"same": True, "pad": True}, "same=1 beside pad"),
        ({"filters": 6, "groups": 4}, "does not divide by groups=4"),
        ({"stride": 0}, "stride=0: 0 is below 1"),
        ({"padding": -1}, "padding=-1: -1 is below 0"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(ValueError, match=message):
        Convolutional(**values)


def test_refuses_shapes():
    with pytest.raises(ShapeError, match="5 channels do not divide into groups=2"):
        Convolutional(filters=2, groups=2).output_shape(Shape(4, 4, 5))
    with pytest.raises(ShapeError, match="more than 2\\^31"):
        Convolutional(filters=2**20, size=99).parameter_shapes(Shape(200, 200, 3))
