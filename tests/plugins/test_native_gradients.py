"""Native gradients against PyTorch and the NumPy back end in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.errors import PluginError, ShapeError
from zoo.plugins import ConvGeometry, Padding
from zoo.plugins.numpy import NumpyKernels

try:
    from zoo.plugins.native import NativeKernels
    from zoo.plugins.native.isa import available
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

REFERENCE = NumpyKernels(threads=1)


def close(result: np.ndarray, truth: np.ndarray) -> None:
    assert result.dtype == np.float32
    assert result.shape == truth.shape
    scale = max(1.0, float(np.abs(truth).max()))
    np.testing.assert_allclose(result, truth, rtol=0, atol=3e-5 * scale)


@st.composite
def cases(draw: st.DrawFn) -> tuple:
    """Image, weights, gradient and geometry of a convolution that fits."""
    small = st.integers(1, 3)
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride, dilation = draw(st.tuples(small, small)), draw(st.tuples(small, small))
    if draw(st.booleans()):
        kernel, stride, dilation = (3, 3), (1, 1), (1, 1)
    groups = draw(small)
    channels, filters = (draw(st.integers(1, 19)) * groups for _ in range(2))
    padding = Padding(*draw(st.tuples(*[st.integers(0, 6)] * 4)))
    mode = draw(st.sampled_from(["zero", "symmetric", "edge"]))
    height, width = draw(st.tuples(st.integers(1, 15), st.integers(1, 15)))
    rows = height + padding.top + padding.bottom - dilation[0] * (kernel[0] - 1)
    columns = width + padding.left + padding.right - dilation[1] * (kernel[1] - 1)
    assume(rows >= 1 and columns >= 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = rng.standard_normal((2, height, width, channels)).astype(np.float32)
    shape = (*kernel, channels // groups, filters)
    weights = rng.standard_normal(shape).astype(np.float32)
    outputs = (2, (rows - 1) // stride[0] + 1, (columns - 1) // stride[1] + 1, filters)
    delta = rng.standard_normal(outputs).astype(np.float32)
    return x, weights, delta, ConvGeometry(stride, dilation, padding, mode, groups)


@pytest.mark.parametrize("isa", available())
@given(cases())
@settings(max_examples=80, deadline=None)
def test_convolution_agrees_with_double_precision(isa: str, case: tuple) -> None:
    x, weights, delta, geometry = case
    exact = REFERENCE.conv2d_backward(
        *(array.astype(np.float64) for array in (x, weights, delta)), geometry
    )
    native = NativeKernels(threads=2, isa=isa)
    for result, truth in zip(native.conv2d_backward(*case), exact, strict=True):
        close(result, truth)
    transposed = native.conv2d_transpose(delta, weights, geometry, x.shape[1:3])
    close(transposed, exact[0])


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_agrees_with_torch(stride: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(stride)
    x = rng.standard_normal((3, 29, 34, 24)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 24, 40)).astype(np.float32)
    by_x = torch.from_numpy(x).double().permute(0, 3, 1, 2).requires_grad_()
    by_weights = torch.from_numpy(weights).double().permute(3, 2, 0, 1).requires_grad_()
    biases = torch.zeros(40, dtype=torch.float64, requires_grad=True)
    y = torch.conv2d(by_x, by_weights, biases, stride=stride, padding=1)
    delta = rng.standard_normal(tuple(y.permute(0, 2, 3, 1).shape)).astype(np.float32)
    y.backward(torch.from_numpy(delta).double().permute(0, 3, 1, 2))
    geometry = ConvGeometry((stride, stride), padding=Padding(1, 1, 1, 1))
    result = NativeKernels(2).conv2d_backward(x, weights, delta, geometry)
    close(result[0], by_x.grad.permute(0, 2, 3, 1).numpy())
    close(result[1], by_weights.grad.permute(2, 3, 1, 0).numpy())
    close(result[2], biases.grad.numpy())


def test_same_bits_for_every_thread_count() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 37, 41, 20)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 20, 50)).astype(np.float32)
    delta = rng.standard_normal((2, 37, 41, 50)).astype(np.float32)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    first, *others = (
        NativeKernels(count).conv2d_backward(x, weights, delta, geometry)
        for count in (1, 2, 3, 7)
    )
    for other in others:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)


def test_misfits_are_errors() -> None:
    x = np.zeros((1, 6, 6, 4), np.float32)
    weights = np.zeros((3, 3, 4, 5), np.float32)
    delta = np.zeros((1, 4, 5, 5), np.float32)
    with pytest.raises(ShapeError):
        NativeKernels(1).conv2d_backward(x, weights, delta, ConvGeometry())
    with pytest.raises(ShapeError):
        NativeKernels(1).conv2d_transpose(delta, weights, ConvGeometry(), (6, 6))


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("name", ["relu", "leaky", "relie", "tanh", "mish", "prelu"])
@given(st.integers(1, 40000), st.integers(1, 3))
@settings(max_examples=10, deadline=None)
def test_activations(isa: str, name: str, n: int, threads: int) -> None:
    rng = np.random.default_rng(n)
    x, delta = (rng.standard_normal((n, 2)).astype(np.float32) for _ in range(2))
    slopes = np.array([0.2, 0.3], np.float32) if name == "prelu" else None
    native = NativeKernels(threads, isa)
    y = native.activate(x, name, slopes)
    by_x, by_slopes = native.activation_backward(x, y, delta, name, slopes)
    truth, truth_slopes = REFERENCE.activation_backward(x, y, delta, name, slopes)
    np.testing.assert_allclose(by_x, truth, rtol=1e-5, atol=1e-6)
    assert (by_slopes is None) == (truth_slopes is None)
