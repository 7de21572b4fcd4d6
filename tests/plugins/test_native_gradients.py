"""Native gradients against PyTorch and the NumPy back end in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.activations import ACTIVATIONS
from zoo.errors import PluginError, ShapeError
from zoo.layers.route import Route
from zoo.layers.upsample import Upsample
from zoo.plugins import ConvGeometry, Padding, PoolGeometry
from zoo.plugins.numpy import NumpyKernels
from zoo.train.optimizers import optimizer_named

try:
    from zoo.plugins.native import NativeKernels
    from zoo.plugins.native.codes import activation_code
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
@pytest.mark.parametrize("algorithm", ["direct", "winograd2", "winograd4", "winograd6"])
@pytest.mark.parametrize("shape", [(1, 1, 3, 5), (13, 22, 19, 40), (9, 30, 64, 16)])
def test_every_algorithm(isa: str, algorithm: str, shape: tuple) -> None:
    height, width, channels, filters = shape
    rng = np.random.default_rng(height)
    x = rng.standard_normal((2, height, width, channels)).astype(np.float32)
    weights = rng.standard_normal((3, 3, channels, filters)).astype(np.float32)
    delta = rng.standard_normal((2, height, width, filters)).astype(np.float32)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    exact = REFERENCE.conv2d_backward(
        *(array.astype(np.float64) for array in (x, weights, delta)), geometry
    )
    native = NativeKernels(2, isa, algorithm)
    result = native.conv2d_backward(x, weights, delta, geometry)
    for ours, truth in zip(result, exact, strict=True):
        close(ours, truth)


@pytest.mark.parametrize("algorithm", ["direct", "winograd4", "winograd6"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_what_it_does_in_numpy(
    algorithm: str, bad: float
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 12, 13, 16)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 16, 24)).astype(np.float32)
    delta = rng.standard_normal((1, 12, 13, 24)).astype(np.float32)
    x[0, 0, 0, 5] = bad  # three taps of a 3x3 kernel never see this corner
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    truth = REFERENCE.conv2d_backward(x, weights, delta, geometry)[1]
    ours = NativeKernels(1, algorithm=algorithm).conv2d_backward_weights(
        x, weights, delta, geometry
    )[0]
    np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(truth))
    assert not np.isfinite(ours).all()
    assert np.isfinite(ours).any()


def test_same_bits_for_every_thread_count_in_every_operation() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((2, 50, 41, 19)).astype(np.float32)
    delta = rng.standard_normal((2, 50, 41, 19)).astype(np.float32)
    window = PoolGeometry((7, 5), (1, 1), Padding(3, 3, 2, 2))
    mean = x.mean((0, 1, 2))

    def everything(kernels: NativeKernels) -> list[np.ndarray]:
        return [
            kernels.max_pool_backward(x, delta, window),
            kernels.average_pool_backward(x.shape, delta, window),
            *kernels.activation_backward(x, x, delta, "prelu", mean)[:2],
            *kernels.channel_moments(x),
            *kernels.channel_products(delta, x, mean),
            kernels.normalize(x, mean, mean, mean, delta, mean),
            *kernels.dense_backward(
                x[0, 0], delta[0, 0, :30], delta[0, 1, :, :1].repeat(30, 1)
            ),
        ]

    first, *others = (everything(NativeKernels(count)) for count in (1, 2, 3, 7))
    for other in others:
        for one, two in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, two)


NAMES = [name for name in ACTIVATIONS if activation_code(name)]


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("name", NAMES)
def test_activations(isa: str, name: str) -> None:
    rng = np.random.default_rng(len(name))
    special = [0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30, 300, -300, 4, -4, 1, 6]
    x = np.concatenate([np.array(special), 5 * rng.standard_normal(40000 - 13)])
    x = x.astype(np.float32).reshape(-1, 2)
    delta = rng.standard_normal(x.shape).astype(np.float32)
    slopes = np.array([0.2, 0.3], np.float32) if name == "prelu" else None
    native = NativeKernels(2, isa)
    y = REFERENCE.activate(x, name, slopes)
    by_x, by_slopes = native.activation_backward(x, y, delta, name, slopes)
    truth, truth_slopes = REFERENCE.activation_backward(x, y, delta, name, slopes)
    np.testing.assert_allclose(by_x, truth, rtol=1e-5, atol=1e-5)
    if not ACTIVATIONS[name].from_x:
        by_f, _ = native.activation_backward(y, y, delta, name, slopes)
        np.testing.assert_array_equal(by_f, by_x)
    if name == "prelu":
        assert by_slopes is not None
        finite = x.copy()
        finite[~np.isfinite(x)] = 0
        by_slopes = native.activation_backward(finite, y, delta, name, slopes)[1]
        truth_slopes = (delta * np.minimum(finite, 0)).astype(np.float64).sum(0)
        np.testing.assert_allclose(by_slopes, truth_slopes, rtol=1e-4)
    else:
        assert by_slopes is None


@st.composite
def pooled(draw: st.DrawFn) -> tuple:
    """Image with many ties, gradient and geometry of a pooling that fits."""
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = Padding(*draw(st.tuples(*[st.integers(0, 10)] * 4)))
    height, width = draw(st.tuples(st.integers(1, 40), st.integers(1, 20)))
    rows = height + padding.top + padding.bottom - size[0]
    columns = width + padding.left + padding.right - size[1]
    assume(rows >= 0 and columns >= 0)
    channels = draw(st.integers(1, 11))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = rng.integers(-3, 4, (2, height, width, channels)).astype(np.float32)
    specials = draw(st.lists(st.sampled_from([np.nan, np.inf, -np.inf]), max_size=5))
    for special in specials:
        x.reshape(-1)[rng.integers(x.size)] = special
    outputs = (2, rows // stride[0] + 1, columns // stride[1] + 1, channels)
    delta = rng.standard_normal(outputs).astype(np.float32)
    return x, delta, PoolGeometry(size, stride, padding)


@pytest.mark.parametrize("isa", available())
@given(pooled(), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_pooling(isa: str, case: tuple, threads: int) -> None:
    x, delta, geometry = case
    native = NativeKernels(threads, isa)
    truth = REFERENCE.max_pool_backward(x, delta.astype(np.float64), geometry)
    np.testing.assert_allclose(
        native.max_pool_backward(x, delta, geometry), truth, atol=1e-4
    )
    y, places = native.max_pool_places(x, geometry)
    np.testing.assert_array_equal(y, REFERENCE.max_pool(x, geometry))
    # The same places by another back end: what was found forward says all.
    plain = REFERENCE.max_pool_backward_at(
        places, x.shape, delta.astype(np.float64), geometry
    )
    np.testing.assert_allclose(plain, truth, atol=1e-12)
    truth = REFERENCE.average_pool_backward(x.shape, delta.astype(np.float64), geometry)
    np.testing.assert_allclose(
        native.average_pool_backward(x.shape, delta, geometry), truth, atol=1e-5
    )


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (30, 1), (2, 2)])
def test_pooling_agrees_with_torch(size: int, stride: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(size)
    x = rng.standard_normal((2, 61, 53, 3)).astype(np.float32)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
    native = NativeKernels(2)
    geometry = PoolGeometry((size, size), (stride, stride))
    for make, backward in (
        (torch.nn.functional.max_pool2d, native.max_pool_backward),
        (torch.nn.functional.avg_pool2d, native.average_pool_backward),
    ):
        y = make(images, size, stride)
        shape = tuple(y.permute(0, 2, 3, 1).shape)
        delta = rng.standard_normal(shape).astype(np.float32)
        (truth,) = torch.autograd.grad(
            y, images, torch.from_numpy(delta).permute(0, 3, 1, 2)
        )
        first = x if backward == native.max_pool_backward else x.shape
        ours = backward(first, delta, geometry)
        close(ours, truth.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (30, 1), (2, 2)])
def test_maxima_of_ties_and_nan_stand_where_torch_finds_them(
    size: int, stride: int
) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(size)
    x = rng.integers(-2, 3, (2, 41, 33, 3)).astype(np.float32)
    x[0, 3, 4, 0] = x[1, 38, 30, 2] = np.nan  # no window holds two
    geometry = PoolGeometry((size, size), (stride, stride))
    images = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
    y, found = torch.nn.functional.max_pool2d(images, size, stride, return_indices=True)
    native = NativeKernels(2)
    ours, places = native.max_pool_places(x, geometry)
    assert places is not None
    np.testing.assert_array_equal(ours, y.detach().permute(0, 2, 3, 1).numpy())
    np.testing.assert_array_equal(places, found.permute(0, 2, 3, 1).numpy())
    delta = rng.standard_normal(places.shape).astype(np.float32)
    (truth,) = torch.autograd.grad(
        y, images, torch.from_numpy(delta).permute(0, 3, 1, 2)
    )
    for threads in (1, 3):
        back = NativeKernels(threads).max_pool_backward_at(
            places, x.shape, delta, geometry
        )
        close(back, truth.permute(0, 2, 3, 1).numpy())


def test_places_that_are_none_are_not_written_to() -> None:
    """They come from outside, and C must not follow them out of the image."""
    places = np.full((1, 4, 4, 2), 2**31 - 1, np.int32)
    places[0, :2] = -5
    places[0, 3] = 16
    delta = np.ones(places.shape, np.float32)
    geometry = PoolGeometry((1, 1), (1, 1))
    back = NativeKernels(2).max_pool_backward_at(places, (1, 4, 4, 2), delta, geometry)
    assert not back.any()


@pytest.mark.parametrize("isa", available())
@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_dense(isa: str, batch: int, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, inputs)).astype(np.float32)
    weights = rng.standard_normal((outputs, inputs)).astype(np.float32)
    delta = rng.standard_normal((batch, outputs)).astype(np.float32)
    exact = REFERENCE.dense_backward(
        *(array.astype(np.float64) for array in (x, weights, delta))
    )
    native = NativeKernels(2, isa)
    for ours, truth in zip(
        native.dense_backward(x, weights, delta), exact, strict=True
    ):
        close(ours, truth)
    with pytest.raises(ShapeError):
        native.dense_backward(x, weights, delta.repeat(2, 1))


@pytest.mark.parametrize("isa", available())
@given(st.integers(1, 2000), st.integers(1, 40), st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_sums_by_channel(isa: str, pixels: int, channels: int, around: float) -> None:
    rng = np.random.default_rng(pixels)
    x = (rng.standard_normal((1, pixels, 1, channels)) + around).astype(np.float32)
    delta = rng.standard_normal(x.shape).astype(np.float32)
    exact = x.astype(np.float64), delta.astype(np.float64)
    native = NativeKernels(2, isa)
    mean, variance = native.channel_moments(x)
    true_mean, true_variance = REFERENCE.channel_moments(exact[0])
    np.testing.assert_allclose(mean, true_mean, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(variance, true_variance, rtol=1e-4, atol=1e-7)
    ours = native.channel_products(delta, x, mean)
    truth = REFERENCE.channel_products(exact[1], exact[0], mean.astype(np.float64))
    for one, two in zip(ours, truth, strict=True):
        close(one, two)
    close(native.channel_sums(delta), REFERENCE.channel_sums(exact[1]))
    arguments = [rng.standard_normal(channels).astype(np.float32) for _ in range(3)]
    ours = native.normalize(x, mean, *arguments[:2], delta, arguments[2])
    truth = REFERENCE.normalize(x, mean, *arguments[:2], delta, arguments[2])
    close(ours, truth)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_is_the_optimizer_s(isa: str, name: str) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal(40007).astype(np.float32)
    parameters = [start.copy(), start.astype(np.float64)]
    optimizers = [optimizer_named(name, learning_rate=1e-2, decay=0.1) for _ in "ab"]
    optimizers[0].kernels = NativeKernels(2, isa)
    for _ in range(5):
        gradient = rng.standard_normal(start.shape).astype(np.float32)
        for optimizer, parameter in zip(optimizers, parameters, strict=True):
            optimizer.begin_update()
            optimizer.step("p", parameter, gradient.astype(parameter.dtype))
    np.testing.assert_allclose(parameters[0], parameters[1], atol=1e-6)


def test_accumulate() -> None:
    rng = np.random.default_rng(0)
    total, more = rng.standard_normal((2, 3, 4, 5, 6)).astype(np.float32)
    truth = total + more
    NativeKernels(2).accumulate(total, more)
    np.testing.assert_array_equal(total, truth)


@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "sums"])
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 11), st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_upsample(
    isa: str, mode: str, height: int, width: int, channels: int, stride: int
) -> None:
    rng = np.random.default_rng(height)
    if mode == "sums":
        layer = Upsample(stride=-stride, scale=0.5)
        height, width = height * stride, width * stride
    else:
        layer = Upsample(stride=stride, mode=mode, scale=0.5)
    x = rng.standard_normal((2, height, width, channels)).astype(np.float32)
    native = NativeKernels(2, isa)
    truth = layer.forward(x.astype(np.float64), kernels=REFERENCE)
    ours = layer.forward(x, kernels=native, training=True)
    close(ours, truth)
    delta = rng.standard_normal(ours.shape).astype(np.float32)
    (truth,) = layer.backward(delta.astype(np.float64), kernels=REFERENCE)
    close(layer.backward(delta, kernels=native)[0], truth)


@pytest.mark.parametrize("groups", [1, 2])
@given(st.integers(1, 40), st.lists(st.integers(1, 9), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_route(groups: int, pixels: int, widths: list[int]) -> None:
    rng = np.random.default_rng(pixels)
    layer = Route(layers=(-1,) * len(widths), groups=groups, group_id=groups - 1)
    inputs = [
        rng.standard_normal((1, pixels, 3, groups * width)).astype(np.float32)
        for width in widths
    ]
    both = [
        layer.forward(*inputs, kernels=kernels, training=True)
        for kernels in (NativeKernels(2), REFERENCE)
    ]
    np.testing.assert_array_equal(*both)
    for ours, truth in zip(
        layer.backward(both[0], kernels=NativeKernels(2)),
        layer.backward(both[0], kernels=REFERENCE),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, truth)
