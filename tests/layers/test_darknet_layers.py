"""Darknet's rare layers, against PyTorch or a direct transcription of the formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.contrastive import Contrastive
from zoo.layers.convolutional import Convolutional
from zoo.layers.crop import Crop
from zoo.layers.empty import Empty
from zoo.layers.implicit import Implicit
from zoo.layers.iseg import InstanceSegmentation
from zoo.layers.l1norm import L1Norm
from zoo.layers.l2norm import L2Norm
from zoo.layers.local import Local
from zoo.layers.logistic import Logistic
from zoo.layers.maxpool import MaxPool
from zoo.layers.normalization import LocalResponseNormalization
from zoo.layers.reorg import Reorg
from zoo.layers.softmax import Softmax
from zoo.network import Network
from zoo.parsers.tree import read_tree
from zoo.plugins.numpy import NumpyKernels
from zoo.shapes import Shape
from zoo.testing import build_randomly, check_layer, random_inputs

KERNELS = NumpyKernels(threads=1)
PICTURE = Shape(5, 4, 6)


def planes(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 3, 1, 2)


def images(x: np.ndarray) -> np.ndarray:
    return x.transpose(0, 2, 3, 1)


@pytest.mark.parametrize("kind", [Empty, Contrastive])
def test_what_passes_through(kind: type) -> None:
    (x,) = random_inputs([PICTURE])
    np.testing.assert_array_equal(check_layer(kind(), [PICTURE], inputs=[x]), x)


def test_logistic() -> None:
    (x,) = random_inputs([PICTURE])
    got = check_layer(Logistic(), [PICTURE], inputs=[x], samples=20)
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-x.astype(float))), rtol=1e-5)


@pytest.mark.parametrize(("kind", "power"), [(L1Norm, 1), (L2Norm, 2)])
def test_norms_are_pytorchs(kind: type, power: int) -> None:
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([PICTURE])
    got = check_layer(kind(), [PICTURE], inputs=[x], samples=30)
    want = torch.nn.functional.normalize(torch.from_numpy(x), p=power, dim=3)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-5)
    zeros = kind().forward(np.zeros_like(x), kernels=KERNELS)
    assert not zeros.any()


# -- normalization ---------------------------------------------------------


def darknets_normalization(x: np.ndarray, layer: Any) -> np.ndarray:
    """The loops of forward_normalization_layer, in float64, C x H x W."""
    channels = len(x)
    squares = x * x
    norms = np.full_like(x, layer.kappa)
    for k in range(min(layer.size // 2, channels)):
        norms[0] += layer.alpha * squares[k]
    for k in range(1, channels):
        norms[k] = norms[k - 1]
        before, after = k - (layer.size - 1) // 2 - 1, k + layer.size // 2
        if before >= 0:
            norms[k] -= layer.alpha * squares[before]
        if after < channels:
            norms[k] += layer.alpha * squares[after]
    return x * norms**-layer.beta


@pytest.mark.parametrize("size", [1, 2, 3, 5, 13])
def test_normalization_is_darknets(size: int) -> None:
    layer = LocalResponseNormalization(size=size, alpha=0.02, beta=0.6, kappa=2.0)
    shape = Shape(3, 2, 8)
    (x,) = random_inputs([shape])
    got = check_layer(layer, [shape], inputs=[x], samples=40)
    for image, made in zip(x, got, strict=True):
        want = darknets_normalization(image.astype(float).transpose(2, 0, 1), layer)
        np.testing.assert_allclose(made.transpose(2, 0, 1), want, rtol=1e-5)


# -- crop, reorg, implicit, iseg -------------------------------------------


@pytest.mark.parametrize("noadjust", [False, True])
def test_crop(noadjust: bool) -> None:
    (x,) = random_inputs([Shape(6, 5, 2)])
    layer = Crop(crop_height=3, crop_width=2, noadjust=noadjust)
    got = check_layer(layer, [Shape(6, 5, 2)], inputs=[x], samples=20)
    part = x[:, 1:4, 1:3]
    np.testing.assert_array_equal(got, part if noadjust else 2 * part - 1)
    with pytest.raises(ShapeError, match="cannot be cut out of 2x5x2"):
        layer.output_shape(Shape(2, 5, 2))


def darknets_reorg(x: np.ndarray, stride: int, forward: bool) -> np.ndarray:
    """reorg_cpu of both Darknets; x is a flat C x H x W, its shape the parameters."""
    channels, height, width = x.shape
    flat, out = x.reshape(-1), np.zeros(x.size)
    in_c = channels // (stride * stride)
    for k in range(channels):
        for j in range(height):
            for i in range(width):
                in_index = i + width * (j + height * k)
                c2, offset = k % in_c, k // in_c
                w2, h2 = i * stride + offset % stride, j * stride + offset // stride
                out_index = w2 + width * stride * (h2 + height * stride * c2)
                if forward:
                    out[out_index] = flat[in_index]
                else:
                    out[in_index] = flat[out_index]
    return out


@settings(max_examples=15, deadline=None)
@given(
    stride=st.integers(1, 3),
    size=st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2)),
    reverse=st.booleans(),
)
def test_reorg_is_darknets(stride: int, size: tuple, reverse: bool) -> None:
    shape = Shape(size[0] * stride, size[1] * stride, size[2] * stride**2)
    (x,) = random_inputs([shape])
    layer = Reorg(stride=stride, reverse=reverse)
    got = check_layer(layer, [shape], inputs=[x], samples=12)
    for image, made in zip(planes(x), planes(got), strict=True):
        flat = darknets_reorg(image, stride, forward=reverse)
        np.testing.assert_array_equal(made.reshape(-1), flat.astype(np.float32))


def test_reorg_of_pjreddie() -> None:
    (x,) = random_inputs([Shape(2, 3, 4)])
    got = check_layer(Reorg(extra=2), [Shape(2, 3, 4)], inputs=[x], samples=12)
    np.testing.assert_array_equal(got[:, 0, 0, :24], planes(x).reshape(2, -1))
    assert not got[:, 0, 0, 24:].any()
    flat = Reorg(flatten=True)
    got = check_layer(flat, [Shape(2, 3, 4)], inputs=[x], samples=12)
    np.testing.assert_array_equal(planes(got).reshape(2, -1), x.reshape(2, -1))
    back = Reorg(flatten=True, reverse=True)
    again = check_layer(back, [Shape(2, 3, 4)], inputs=[got], samples=12)
    np.testing.assert_array_equal(again, x)


def test_implicit() -> None:
    layer = Implicit(filters=3, atoms=2, mean=1.0, std=0.1)
    layer.build(PICTURE)
    layer.initialize(np.random.default_rng(0))
    assert np.abs(layer.weights - 1).max() <= 0.1
    y = layer.forward(
        np.zeros((4, *PICTURE), np.float32), kernels=KERNELS, training=True
    )
    assert y.shape == (4, 2, 1, 3)
    delta = np.random.default_rng(1).standard_normal(y.shape)
    (by_x,) = layer.backward(delta, kernels=KERNELS)
    assert by_x.shape == (4, *PICTURE) and not by_x.any()
    np.testing.assert_allclose(layer.gradients["weights"], delta.sum(axis=0))


def test_implicit_in_a_network() -> None:
    network = Network.parse(
        "[net]\nchannels=3\n[convolutional]\nfilters=4\nactivation=linear\n"
        "[implicit]\nfilters=4\n[scale_channels]\nfrom=0\nactivation=linear\n"
    ).initialize(2)
    x = np.random.default_rng(0).random((2, 5, 5, 3), np.float32)
    got = network.forward(x)
    want = network[0].forward(x, kernels=KERNELS) * network[1].weights
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_iseg() -> None:
    (x,) = random_inputs([PICTURE])
    layer = InstanceSegmentation(classes=2, ids=4)
    got = check_layer(layer, [PICTURE], inputs=[x], samples=20)
    np.testing.assert_allclose(got[..., :2], 1 / (1 + np.exp(-x[..., :2])), rtol=1e-5)
    np.testing.assert_array_equal(got[..., 2:], x[..., 2:])
    with pytest.raises(ShapeError, match="filters=52"):
        InstanceSegmentation().output_shape(PICTURE)


# -- local -----------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    size=st.integers(1, 4),
    stride=st.integers(1, 3),
    pad=st.booleans(),
    shape=st.tuples(st.integers(4, 7), st.integers(4, 6), st.integers(1, 3)),
)
def test_local_is_a_convolution_of_its_own_everywhere(
    size: int, stride: int, pad: bool, shape: tuple
) -> None:
    layer = Local(filters=2, size=size, stride=stride, pad=pad, activation="tanh")
    (x,) = random_inputs([Shape(*shape)])
    got = check_layer(layer, [Shape(*shape)], inputs=[x], samples=8)
    before = size // 2 if pad else 0
    wide = np.pad(x.astype(float), ((0, 0), (before, 9), (before, 9), (0, 0)))
    for i in range(got.shape[1]):
        for j in range(got.shape[2]):
            rows, columns = i * stride, j * stride
            window = wide[:, rows : rows + size, columns : columns + size]
            want = np.einsum("nuvc,uvck->nk", window, layer.weights[i, j])
            want = np.tanh(want + layer.biases[i, j])
            np.testing.assert_allclose(got[:, i, j], want, rtol=1e-4, atol=1e-5)


# -- binary convolutions, blurs, depth -------------------------------------


@pytest.mark.parametrize("xnor", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_binary_convolution(xnor: bool, normalized: bool) -> None:
    torch = pytest.importorskip("torch")
    layer = Convolutional(
        filters=4,
        size=3,
        pad=True,
        binary=not xnor,
        xnor=xnor,
        batch_normalize=normalized,
        activation="leaky",
    )
    build_randomly(layer, [PICTURE])
    (x,) = random_inputs([PICTURE])
    x[0, 0, 0, 0] = 0  # binarize_cpu: 0 is not above 0
    got = check_layer(layer, [PICTURE], inputs=[x], build=False, gradient=False)
    weights = layer.weights.astype(float)
    mean = np.abs(weights).mean(axis=(0, 1, 2))
    weights = np.where(weights > 0, mean, -mean)
    seen = np.where(x > 0, 1.0, -1.0) if xnor else x.astype(float)
    want = torch.nn.functional.conv2d(
        torch.from_numpy(planes(seen).copy()),
        torch.from_numpy(weights.transpose(3, 2, 0, 1).copy()),
        padding=1,
    ).numpy()
    want = images(want)
    if normalized:
        p, s = layer.parameters, layer.statistics
        want = (want - s["rolling_mean"]) / np.sqrt(s["rolling_variance"] + 1e-5)
        want = want * p["scales"]
    want = want + layer.biases
    want = np.where(want > 0, want, 0.1 * want)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [1, 2])
@pytest.mark.parametrize("pooling", [False, True])
def test_antialiasing_is_a_dense_layer_and_a_blur(kind: int, pooling: bool) -> None:
    torch = pytest.importorskip("torch")
    values: dict[str, Any] = {"size": 2 if pooling else 3, "stride": 2}
    if not pooling:
        values |= {"filters": 4, "pad": True, "activation": "elu"}
    made = MaxPool if pooling else Convolutional
    layer = made(**values, antialiasing=kind)
    shape = Shape(9, 8, 3)
    (x,) = random_inputs([shape])
    got = check_layer(layer, [shape], inputs=[x], samples=12)
    dense = made(**{**values, "stride": 1})
    dense.build(shape)
    dense.parameters = layer.parameters
    y = torch.from_numpy(planes(dense.forward(x, kernels=KERNELS)).copy())
    line = torch.tensor([1.0, 2.0, 1.0] if kind == 1 else [1.0, 1.0])
    kernel = torch.outer(line, line) / line.sum() ** 2
    kernel = kernel.expand(y.shape[1], 1, *kernel.shape)
    want = torch.nn.functional.conv2d(
        y, kernel, stride=2, padding=2 - kind, groups=y.shape[1]
    )
    np.testing.assert_allclose(planes(got), want.numpy(), rtol=1e-4, atol=1e-6)


def test_maximum_over_channels() -> None:
    layer = MaxPool(maxpool_depth=True, out_channels=4)
    shape = Shape(3, 2, 10)
    (x,) = random_inputs([shape])
    got = check_layer(layer, [shape], inputs=[x], samples=40)
    want = np.stack([x[..., g::4].max(axis=3) for g in range(4)], axis=3)
    np.testing.assert_array_equal(got, want)


# -- class trees -----------------------------------------------------------


def test_softmax_over_a_tree(tmp_path: Any) -> None:
    path = tmp_path / "a.tree"
    path.write_text("animal -1\nthing -1\ncat 0\ndog 0\nfish 0\ncup 1\n")
    tree = read_tree(path)
    assert tree.groups == ((0, 2), (2, 5), (5, 6))
    layer = Softmax(tree=str(path), temperature=2.0)
    shape = Shape(1, 1, 6)
    (x,) = random_inputs([shape])
    got = check_layer(layer, [shape], inputs=[x], samples=20).reshape(2, 6)
    powers = np.exp(x.reshape(2, 6).astype(float) / 2)
    for first, last in tree.groups:
        part = powers[:, first:last]
        want = part / part.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(got[:, first:last], want, rtol=1e-5)
    absolute = tree.absolute(got)
    np.testing.assert_allclose(absolute[:, 3], got[:, 3] * got[:, 0])
    with pytest.raises(ShapeError, match="6 classes, and the layer 5"):
        Softmax(tree=str(path)).forward(
            np.zeros((1, 1, 1, 5), np.float32), kernels=KERNELS
        )
