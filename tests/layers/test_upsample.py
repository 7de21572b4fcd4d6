"""[upsample]: nearest, bilinear and bicubic against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.errors import ShapeError
from zoo.layers.base import Window
from zoo.layers.upsample import Upsample
from zoo.plugins.numpy import NumpyKernels
from zoo.program.operations import Repeat, Resize
from zoo.program.resampling import Resampling
from zoo.resize import imresize
from zoo.shapes import Shape
from zoo.testing import check_layer, random_inputs

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    stride=st.integers(1, 5),
    size=SIZES,
    scale=st.sampled_from([1.0, -0.5, 3.0]),
)
def test_equals_torch(mode, stride, size, scale):
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([Shape(*size)])
    layer = Upsample(stride=stride, mode=mode, scale=scale)
    got = check_layer(layer, [Shape(*size)], inputs=[x], samples=12)
    options = {} if mode == "nearest" else {"align_corners": False}
    want = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2),
        scale_factor=stride,
        mode=mode,
        **options,
    ).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got, scale * want.numpy(), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("stride", [2, 3])
def test_gradient_equals_torch(mode, stride):
    torch = pytest.importorskip("torch")
    kernels = NumpyKernels(threads=1)
    (x,) = random_inputs([Shape(5, 4, 2)], dtype=np.float64)
    layer = Upsample(stride=stride, mode=mode)
    delta = np.random.default_rng(1).standard_normal(
        layer.forward(x, kernels=kernels, training=True).shape
    )
    (got,) = layer.backward(delta, kernels=kernels)
    leaf = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    options = {} if mode == "nearest" else {"align_corners": False}
    torch.nn.functional.interpolate(
        leaf, scale_factor=stride, mode=mode, **options
    ).backward(torch.from_numpy(delta.transpose(0, 3, 1, 2).copy()))
    want = leaf.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    mode=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    align_corners=st.booleans(),
    size=SIZES,
    other=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_like_another_layer_equals_torch(mode, align_corners, size, other):
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    shapes = [Shape(*size), Shape(*other, 2)]
    x, like = random_inputs(shapes)
    options = {} if mode == "nearest" else {"align_corners": align_corners}
    layer = Upsample(like=-3, mode=mode, **options)
    assert layer.sources(5) == (4, 2)
    got = check_layer(layer, shapes, inputs=[x, like], samples=12)
    leaf = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_()
    want = f.interpolate(leaf, size=other, mode=mode, **options)
    np.testing.assert_allclose(
        got, want.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-4, atol=5e-6
    )
    kernels = NumpyKernels(threads=1)
    layer.forward(x, like, kernels=kernels, training=True)
    delta = random_inputs([Shape(*other, size[2])], seed=3)[0]
    want.backward(torch.from_numpy(delta.transpose(0, 3, 1, 2).copy()))
    by_x, by_like = layer.backward(delta, kernels=kernels)
    theirs = leaf.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(by_x, theirs, rtol=1e-3, atol=1e-5)
    assert not by_like.any()


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_aligned_corners(mode, stride):
    torch = pytest.importorskip("torch")
    (x,) = random_inputs([Shape(5, 4, 3)])
    layer = Upsample(stride=stride, mode=mode, align_corners=True)
    got = check_layer(layer, [Shape(5, 4, 3)], inputs=[x])
    want = torch.nn.functional.interpolate(
        torch.from_numpy(x.transpose(0, 3, 1, 2).copy()),
        scale_factor=stride,
        mode=mode,
        align_corners=True,
    )
    want = want.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(
        got[:, [0, -1]][:, :, [0, -1]], x[:, [0, -1]][:, :, [0, -1]], rtol=1e-6
    )


def test_other_bicubic_kernel_is_matlabs():
    (x,) = random_inputs([Shape(6, 5, 3)])
    layer = Upsample(stride=3, mode="bicubic", a=-0.5)
    got = check_layer(layer, [Shape(6, 5, 3)], inputs=[x])
    want = np.stack([imresize(image, 3, border="edge") for image in x])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_negative_stride_sums_cells(scale):
    torch = pytest.importorskip("torch")
    shape = Shape(4, 6, 3)
    (x,) = random_inputs([shape])
    got = check_layer(Upsample(stride=-2, scale=scale), [shape], inputs=[x])
    mean = torch.nn.functional.avg_pool2d(torch.from_numpy(x).permute(0, 3, 1, 2), 2)
    want = 4 * scale * mean.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_negative_stride_needs_whole_cells():
    with pytest.raises(ShapeError, match="cells of 2x2"):
        Upsample(stride=-2).output_shape(Shape(4, 5, 1))


def test_keys_that_cannot_be_meant():
    with pytest.raises(ValueError, match="stride=0"):
        Upsample(stride=0)
    with pytest.raises(ValueError, match="only mode=nearest can shrink"):
        Upsample(stride=-2, mode="bicubic")
    with pytest.raises(ValueError, match="only mode=nearest can shrink so"):
        Upsample(stride=-2, like=-3)
    with pytest.raises(ValueError, match="align_corners=1, which mode=nearest"):
        Upsample(align_corners=True)
    with pytest.raises(ValueError, match="stride=3 beside like"):
        Upsample(stride=3, like=0)
    with pytest.raises(ShapeError, match="takes 2 inputs, not 1"):
        Upsample(like=0).output_shape(Shape(1, 1, 1))


def test_lowering_and_window():
    shape = Shape(4, 4, 3)
    assert Upsample(stride=3, scale=2.0).lower(shape) == Repeat(3, 2.0)
    bicubic = Resize(Resampling("bicubic"), (4, 4), (8, 8))
    assert Upsample(mode="bicubic").lower(shape) == bicubic
    assert Upsample(stride=-2).lower(shape) is None
    assert Upsample(mode="bicubic").window()[0] == Window(size=4, scale=2)
    assert Upsample(stride=-3).window()[0] == Window(size=3, stride=3)
