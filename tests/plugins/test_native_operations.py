"""Native pooling, shuffle, activations, sums and connected layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.activations import ACTIVATIONS, activation
from zoo.errors import PluginError, ShapeError
from zoo.plugins import Padding, PoolGeometry
from zoo.plugins.numpy import NumpyKernels

try:
    from zoo.plugins.native import NativeKernels
    from zoo.plugins.native.isa import available
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

REFERENCE = NumpyKernels(threads=1)
sizes = st.integers(1, 23)


def values(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


@st.composite
def poolings(draw: st.DrawFn) -> tuple[np.ndarray, PoolGeometry]:
    """An image, perhaps with NaN and infinities, and windows that fit."""
    window, stride = (
        draw(st.tuples(sizes, sizes)),
        draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
    )
    padding = Padding(*draw(st.tuples(*[st.integers(0, 24)] * 4)))
    height, width, channels = draw(st.tuples(sizes, sizes, st.integers(1, 19)))
    assume(height + padding.top + padding.bottom >= window[0])
    assume(width + padding.left + padding.right >= window[1])
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = values(rng, draw(st.integers(1, 2)), height, width, channels)
    if draw(st.booleans()):
        x.flat[rng.integers(0, x.size, 3)] = [np.nan, np.inf, -np.inf]
    return x, PoolGeometry(window, stride, padding)


@pytest.mark.parametrize("isa", available())
@given(poolings())
@settings(max_examples=80, deadline=None)
def test_max_pool_equals_numpy(isa: str, case: tuple) -> None:
    native = NativeKernels(threads=2, isa=isa)
    np.testing.assert_array_equal(native.max_pool(*case), REFERENCE.max_pool(*case))


@given(poolings())
@settings(max_examples=80, deadline=None)
def test_average_pool_agrees_with_numpy(case: tuple) -> None:
    x, geometry = case
    with np.errstate(all="ignore"):
        truth = REFERENCE.average_pool(x.astype(np.float64), geometry)
    result = NativeKernels(threads=2).average_pool(x, geometry)
    np.testing.assert_allclose(result, truth, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [2, 3, 4, 7, 30])
def test_pooling_has_the_same_bits_for_every_thread_count(size: int) -> None:
    x = values(np.random.default_rng(1), 1, 71, 67, 5)
    geometry = PoolGeometry((size, size), (1, 1), Padding(*[size // 2] * 4))
    one, two, three = (NativeKernels(count) for count in (1, 2, 3))
    for name in ("max_pool", "average_pool"):
        first = getattr(one, name)(x, geometry)
        np.testing.assert_array_equal(first, getattr(two, name)(x, geometry))
        np.testing.assert_array_equal(first, getattr(three, name)(x, geometry))


def test_max_pool_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")
    x = values(np.random.default_rng(2), 2, 40, 41, 6)
    truth = torch.max_pool2d(
        torch.from_numpy(x).permute(0, 3, 1, 2), 5, stride=2, padding=2
    ).permute(0, 2, 3, 1)
    geometry = PoolGeometry((5, 5), (2, 2), Padding(2, 2, 2, 2))
    np.testing.assert_array_equal(NativeKernels(2).max_pool(x, geometry), truth.numpy())


@pytest.mark.parametrize("order", ["crd", "dcr"])
@given(sizes, sizes, st.integers(1, 5), st.integers(1, 6), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_shuffle_moves_as_numpy_does(
    order: str, height: int, width: int, channels: int, scale: int, threads: int
) -> None:
    native = NativeKernels(threads)
    shape = (2, height, width, channels * scale * scale)
    deep = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    shallow = native.depth_to_space(deep, scale, order)
    truth = REFERENCE.depth_to_space(deep, scale, order)
    np.testing.assert_array_equal(shallow, truth)
    np.testing.assert_array_equal(native.space_to_depth(shallow, scale, order), deep)


def test_shuffle_of_odd_channels_is_an_error() -> None:
    x = np.zeros((1, 3, 3, 5), np.float32)
    with pytest.raises(ShapeError):
        NativeKernels(1).depth_to_space(x, 2, "crd")
    with pytest.raises(ShapeError):
        NativeKernels(1).space_to_depth(x, 2, "crd")


# What happens at the far ends of float32 is rounding noise of the formula, so the
# comparison allows an absolute error of a few units of the result's scale.
@pytest.mark.parametrize("isa", available())
@pytest.mark.parametrize(
    "name", [row.name for row in ACTIVATIONS.values() if not row.across_channels]
)
def test_activations_agree_with_double_precision(isa: str, name: str) -> None:
    tails = np.geomspace(1e-38, 1e37, 301)
    x = np.concatenate([np.linspace(-110, 110, 40001), tails, -tails, [0.0, -0.0]])
    x = x.astype(np.float32)[:, None]
    row = activation(name)
    slopes = np.array([0.3], np.float32) if row.needs_slopes else None
    with np.errstate(all="ignore"):
        exact = row(
            x.astype(np.float64),
            None if slopes is None else slopes.astype(np.float64),
        )
        truth = exact.astype(np.float32)
    result = NativeKernels(threads=2, isa=isa).activate(x, name, slopes)
    finite = np.isfinite(truth)
    np.testing.assert_array_equal(result[~finite], truth[~finite])
    absolute = 6e-7 if name in ("gelu", "gelu_erf", "elliot", "stair") else 2e-43
    near = np.abs(x) < (
        5 if name.startswith("gelu") else 80
    )  # then no result is subnormal
    for part, rtol in ((near & finite, 5e-7), (~near & finite, 1e-5)):
        np.testing.assert_allclose(
            result[part], exact[part], rtol=rtol, atol=absolute if rtol < 1e-6 else 1e-6
        )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_of_what_is_not_finite(name: str) -> None:
    x = np.array([[np.nan], [np.inf], [-np.inf]], np.float32)
    slopes = np.array([0.3], np.float32) if activation(name).needs_slopes else None
    with np.errstate(all="ignore"):
        truth = REFERENCE.activate(x, name, slopes)
    result = NativeKernels(1).activate(x, name, slopes)
    np.testing.assert_allclose(result, truth, rtol=2e-7)


@pytest.mark.parametrize("name", ["linear", "relu", "leaky", "tanh", "mish"])
@given(st.integers(1, 70000), st.integers(1, 3), st.floats(-2, 2), st.floats(-2, 2))
@settings(max_examples=15, deadline=None)
def test_add(name: str, n: int, threads: int, alpha: float, beta: float) -> None:
    rng = np.random.default_rng(n)
    a, b = values(rng, 1, 1, n, 1), values(rng, 1, 1, n, 1)
    result = NativeKernels(threads).add(a, b, alpha, beta, name)
    np.testing.assert_allclose(
        result, REFERENCE.add(a, b, alpha, beta, name), rtol=1e-5, atol=2e-6
    )


def test_add_refuses_unequal_shapes() -> None:
    a, b = np.zeros((1, 2, 2, 1), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    with pytest.raises(ShapeError):
        NativeKernels(1).add(a, b)


@pytest.mark.parametrize("isa", available())
@given(st.integers(1, 40), st.integers(1, 1500), st.integers(1, 70), st.booleans())
@settings(max_examples=40, deadline=None)
def test_dense(isa: str, rows: int, inputs: int, outputs: int, biased: bool) -> None:
    rng = np.random.default_rng(rows * inputs)
    x, weights = values(rng, rows, inputs), values(rng, outputs, inputs)
    biases = values(rng, outputs) if biased else None
    truth = REFERENCE.dense(x, weights, biases, "leaky")
    for threads in (1, 3):
        result = NativeKernels(threads, isa).dense(x, weights, biases, "leaky")
        np.testing.assert_allclose(result, truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("isa", available())
@given(
    st.tuples(*[st.integers(1, 40)] * 3),
    st.integers(0, 7),
    st.sampled_from(["linear", "logistic", "relu", "gelu_erf"]),
    st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_multiply(isa: str, shape: tuple, ones: int, name: str, threads: int) -> None:
    other = tuple(1 if ones & 1 << n else shape[n] for n in range(3))
    rng = np.random.default_rng(ones)
    a, b = values(rng, 2, *shape), values(rng, 2, *other)
    native = NativeKernels(threads, isa)
    for one, two in ((a, b), (b, a), (a, b[:1])):
        truth = REFERENCE.multiply(one, two, name)
        result = native.multiply(one, two, name)
        np.testing.assert_allclose(result, truth, rtol=1e-5, atol=2e-6)


def test_multiply_refuses_unequal_shapes() -> None:
    a, b = np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2, 2), np.float32)
    with pytest.raises(ValueError, match="broadcast"):
        NativeKernels(1).multiply(a, b)


@pytest.mark.parametrize("isa", available())
@given(st.integers(1, 300), st.integers(1, 70), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_normalize_pixels(isa: str, pixels: int, channels: int, threads: int) -> None:
    rng = np.random.default_rng(pixels)
    x = 3 * values(rng, 1, 1, pixels, channels) + 5
    scales, biases = values(rng, channels), values(rng, channels)
    truth = REFERENCE.normalize_pixels(x.astype(np.float64), scales, biases, 1e-3)
    for count in (1, threads):
        result = NativeKernels(count, isa).normalize_pixels(x, scales, biases, 1e-3)
        np.testing.assert_allclose(result, truth, rtol=1e-3, atol=2e-4)
    with pytest.raises(ShapeError, match="scales"):
        NativeKernels(1).normalize_pixels(x, np.ones(99, np.float32), biases, 1e-3)


def test_empty_arrays_are_no_trouble() -> None:
    native = NativeKernels(2)
    empty = np.zeros((0, 4, 4, 8), np.float32)
    assert native.activate(empty, "relu").shape == empty.shape
    assert native.depth_to_space(empty, 2, "crd").shape == (0, 8, 8, 2)
    assert native.add(empty, empty).shape == empty.shape
