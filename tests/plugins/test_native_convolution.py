"""Native convolutions against PyTorch and the NumPy back end."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.errors import PluginError, ShapeError
from zoo.plugins import ConvGeometry, Padding
from zoo.plugins.numpy import NumpyKernels

try:
    from zoo.plugins.native import ALGORITHMS, NativeKernels
    from zoo.plugins.native.codes import TILED
    from zoo.plugins.native.isa import available
except PluginError as error:
    pytest.skip(str(error), allow_module_level=True)

REFERENCE = NumpyKernels(threads=1)
WINOGRAD = ("winograd2", "winograd4", "winograd6")
PLAIN = [name for name in ALGORITHMS if name not in TILED]  # those: test_native_amx
WAYS = [(isa, algorithm) for isa in available() for algorithm in PLAIN]


def close(result: np.ndarray, truth: np.ndarray, tolerance: float = 3e-5) -> None:
    """Equal to a fraction of the largest value; what is not finite, exactly."""
    assert result.dtype == np.float32
    assert result.shape == truth.shape
    finite = np.isfinite(truth)
    np.testing.assert_array_equal(np.isfinite(result), finite)
    np.testing.assert_array_equal(result[~finite], truth[~finite])
    scale = max(1.0, float(np.abs(truth[finite]).max(initial=0)))
    np.testing.assert_allclose(
        result[finite], truth[finite], rtol=0, atol=tolerance * scale
    )


@st.composite
def cases(draw: st.DrawFn, winograd: bool = False) -> tuple:
    """Image, weights, biases and geometry of a convolution that fits."""
    small = st.integers(1, 3)
    if winograd:
        kernel, stride, dilation, groups = (3, 3), (1, 1), (1, 1), 1
    else:
        kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
        stride, dilation = draw(st.tuples(small, small)), draw(st.tuples(small, small))
        groups = draw(st.integers(1, 3))
    channels = draw(st.integers(1, 21)) * groups
    filters = draw(st.integers(1, 37)) * groups
    if not winograd and draw(st.booleans()):
        groups = channels
        filters = channels * draw(st.integers(1, 2))
    padding = Padding(*draw(st.tuples(*[st.integers(0, 4)] * 4)))
    mode = draw(st.sampled_from(["zero", "symmetric", "edge"]))
    height, width = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    assume(height + padding.top + padding.bottom > dilation[0] * (kernel[0] - 1))
    assume(width + padding.left + padding.right > dilation[1] * (kernel[1] - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    batch = draw(st.integers(1, 2))
    x = rng.standard_normal((batch, height, width, channels)).astype(np.float32)
    shape = (*kernel, channels // groups, filters)
    weights = rng.standard_normal(shape).astype(np.float32)
    biases = None
    if draw(st.booleans()):
        biases = rng.standard_normal(filters).astype(np.float32)
    return x, weights, biases, ConvGeometry(stride, dilation, padding, mode, groups)


@pytest.mark.parametrize("isa", available())
@given(cases(), st.sampled_from(["linear", "relu", "leaky", "elu"]))
@settings(max_examples=60, deadline=None)
def test_direct_agrees_with_numpy(isa: str, case: tuple, activation: str) -> None:
    native = NativeKernels(threads=2, isa=isa, algorithm="direct")
    close(native.conv2d(*case, activation), REFERENCE.conv2d(*case, activation))


@pytest.mark.parametrize(
    ("isa", "algorithm"), [way for way in WAYS if way[1] in WINOGRAD]
)
@given(cases(winograd=True), st.sampled_from(["linear", "relu", "leaky", "elu"]))
@settings(max_examples=25, deadline=None)
def test_winograd_agrees_with_numpy(
    isa: str, algorithm: str, case: tuple, activation: str
) -> None:
    native = NativeKernels(threads=2, isa=isa, algorithm=algorithm)
    x, weights, _, geometry = case
    assert native.chosen_algorithm(x.shape, weights.shape, geometry) == algorithm
    close(native.conv2d(*case, activation), REFERENCE.conv2d(*case, activation))


@pytest.mark.parametrize(("isa", "algorithm"), WAYS)
@pytest.mark.parametrize("channels", [(3, 64), (64, 3), (48, 80), (16, 16), (65, 33)])
def test_agrees_with_torch(isa: str, algorithm: str, channels: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    c, k = channels
    x = rng.standard_normal((2, 23, 31, c)).astype(np.float32)
    weights = rng.standard_normal((3, 3, c, k)).astype(np.float32)
    biases = rng.standard_normal(k).astype(np.float32)
    truth = torch.relu(
        torch.conv2d(
            torch.from_numpy(x).double().permute(0, 3, 1, 2),
            torch.from_numpy(weights).double().permute(3, 2, 0, 1),
            torch.from_numpy(biases).double(),
            padding=1,
        )
    ).permute(0, 2, 3, 1)
    native = NativeKernels(threads=2, isa=isa, algorithm=algorithm)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    close(native.conv2d(x, weights, biases, geometry, "relu"), truth.numpy(), 3e-5)


@pytest.mark.parametrize(("isa", "algorithm"), WAYS)
def test_same_bits_for_every_thread_count(isa: str, algorithm: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, 45, 37, 24)).astype(np.float32)
    for filters in (3, 40):
        weights = rng.standard_normal((3, 3, 24, filters)).astype(np.float32)
        geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
        first, *others = (
            NativeKernels(count, isa, algorithm).conv2d(x, weights, None, geometry)
            for count in (1, 2, 3, 7)
        )
        for other in others:
            np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(("isa", "algorithm"), WAYS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e37])
def test_what_is_not_finite_stays_where_it_belongs(
    isa: str, algorithm: str, value: float
) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 20, 21, 17)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 17, 20)).astype(np.float32)
    x[0, 7, 9, 5] = x[0, 19, 0, 16] = value
    native = NativeKernels(threads=2, isa=isa, algorithm=algorithm)
    geometry = ConvGeometry(padding=Padding(1, 1, 1, 1))
    with np.errstate(all="ignore"):
        truth = REFERENCE.conv2d(x, weights, None, geometry)
    result = native.conv2d(x, weights, None, geometry)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(truth))
    np.testing.assert_array_equal(np.isinf(result), np.isinf(truth))
    far = np.ones((20, 21), bool)  # pixels that do not see the two
    far[6:9, 8:11] = far[18:, :2] = False
    scale = 1.0 if np.isnan(value) or np.isinf(value) else 1e37
    assert np.isfinite(result[0, far]).all()
    if scale == 1.0:
        close(result[:, far], truth[:, far])


@pytest.mark.parametrize("algorithm", PLAIN)
def test_one_pixel(algorithm: str) -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1, 1, 1, 32)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 32, 32)).astype(np.float32)
    native = NativeKernels(threads=3, algorithm=algorithm)
    for mode in ("zero", "symmetric", "edge"):
        geometry = ConvGeometry(padding=Padding(1, 1, 1, 1), pad_mode=mode)
        close(
            native.conv2d(x, weights, None, geometry),
            REFERENCE.conv2d(x, weights, None, geometry),
        )


def test_algorithms_are_chosen_by_shape() -> None:
    native = NativeKernels(threads=1, isa="portable")
    same = ConvGeometry(padding=Padding(1, 1, 1, 1))
    assert native.chosen_algorithm((1, 9, 9, 3), (3, 3, 3, 64), same) == "direct"
    assert native.chosen_algorithm((1, 9, 9, 64), (3, 3, 64, 3), same) == "dot"
    large = native.chosen_algorithm((1, 99, 99, 64), (3, 3, 64, 64), same)
    assert large in ("winograd4", "winograd6")
    strided = same._replace(stride=(2, 2))
    assert native.chosen_algorithm((1, 9, 9, 64), (3, 3, 64, 64), strided) == "direct"
    grouped = same._replace(groups=64)
    assert native.chosen_algorithm((1, 9, 9, 64), (3, 3, 1, 64), grouped) == "depthwise"


def test_takes_strided_and_read_only_arrays() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, 18, 7, 10)).astype(np.float32)[:, ::2, :, ::-1]
    weights = (
        rng.standard_normal((8, 10, 3, 3)).astype(np.float32).transpose(2, 3, 1, 0)
    )
    weights.setflags(write=False)
    geometry = ConvGeometry()
    close(
        NativeKernels(threads=1).conv2d(x, weights, None, geometry),
        REFERENCE.conv2d(x, weights, None, geometry),
    )


def test_float64_keeps_its_precision() -> None:
    x = np.full((1, 3, 3, 1), 1 / 3)
    out = NativeKernels(1).conv2d(x, np.ones((1, 1, 1, 1)), None, ConvGeometry())
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out, x)


def test_padding_far_wider_than_the_image() -> None:
    x = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    weights = np.ones((2, 2, 1, 5), np.float32)
    for mode in ("zero", "symmetric", "edge"):
        geometry = ConvGeometry(padding=Padding(9, 11, 13, 7), pad_mode=mode)
        close(
            NativeKernels(2).conv2d(x, weights, None, geometry),
            REFERENCE.conv2d(x, weights, None, geometry),
        )


@pytest.mark.parametrize(
    ("weights", "geometry"),
    [
        ((3, 3, 5, 4), ConvGeometry()),
        ((3, 3, 4, 5), ConvGeometry(groups=2)),
        ((9, 3, 8, 4), ConvGeometry()),
        ((3, 3, 8, 4), ConvGeometry(dilation=(9, 1))),
    ],
)
def test_misfits_are_errors(weights: tuple, geometry: ConvGeometry) -> None:
    x = np.zeros((1, 6, 6, 8), np.float32)
    with pytest.raises(ShapeError):
        NativeKernels(1).conv2d(x, np.zeros(weights, np.float32), None, geometry)


def test_absurd_sizes_do_not_crash() -> None:
    x = np.zeros((1, 2, 2, 1), np.float32)
    weights = np.zeros((1, 1, 1, 1), np.float32)
    huge = Padding(2**40, 0, 0, 0)
    with (
        warnings.catch_warnings(),
        pytest.raises((ValueError, MemoryError, ShapeError)),
    ):
        warnings.simplefilter("ignore")
        NativeKernels(1).conv2d(x, weights, None, ConvGeometry(padding=huge))
