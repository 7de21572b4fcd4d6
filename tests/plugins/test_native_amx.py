"""Convolutions on bfloat16 tiles, with AMX or what imitates it in C.

The imitation does to the bit what the instructions do; packing, conversion, loops
and borders are the same text for both.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.models.edsr import EDSR
from zoo.models.wdsr import WDSR
from zoo.network import Network
from zoo.plugins import ConvGeometry, Padding
from zoo.plugins.numpy import NumpyKernels
from zoo.program.fusion import fuse

try:
    from zoo.plugins.native import NativeKernels
    from zoo.plugins.native.isa import available
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

REFERENCE = NumpyKernels(threads=1)
SAME = ConvGeometry(padding=Padding(1, 1, 1, 1))
LEVELS = available()


@pytest.fixture(autouse=True)
def imitation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_EMULATE_AMX", "1")


def rounded(x: np.ndarray, *, even: bool) -> np.ndarray:
    """The nearest bfloat16 of each value, as float32; ties to even or from zero."""
    bits = x.astype(np.float32).view(np.uint32)
    half = 0x7FFF + ((bits >> 16) & 1) if even else 0x8000
    return ((bits + half) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def exact(x, weights, biases, geometry):
    """In float64."""
    biases = None if biases is None else biases.astype(np.float64)
    return REFERENCE.conv2d(
        x.astype(np.float64), weights.astype(np.float64), biases, geometry
    )


def size_of_terms(x, weights, geometry):
    """The sum of the products' sizes, which bounds what rounding can do."""
    return REFERENCE.conv2d(np.abs(x), np.abs(weights), None, geometry).max()


def run(case, algorithm, isa=None, threads=2, activation="linear"):
    kernels = NativeKernels(threads, isa, algorithm)
    x, weights, _, geometry = case
    assert kernels.chosen_algorithm(x.shape, weights.shape, geometry) == algorithm
    return kernels.conv2d(*case, activation)


@st.composite
def cases(draw: st.DrawFn) -> tuple:
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    small = st.integers(1, 3)
    stride, dilation = draw(st.tuples(small, small)), draw(st.tuples(small, small))
    groups = draw(st.sampled_from((1, 1, 2, 3)))
    channels = draw(st.integers(8, 70)) * groups
    filters = draw(st.integers(1, 70)) * groups
    padding = Padding(*draw(st.tuples(*[st.integers(0, 4)] * 4)))
    mode = draw(st.sampled_from(["zero", "symmetric", "edge"]))
    height, width = draw(st.tuples(st.integers(1, 9), st.integers(1, 40)))
    assume(height + padding.top + padding.bottom > dilation[0] * (kernel[0] - 1))
    assume(width + padding.left + padding.right > dilation[1] * (kernel[1] - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    x = rng.standard_normal((draw(st.integers(1, 2)), height, width, channels))
    weights = rng.standard_normal((*kernel, channels // groups, filters))
    biases = rng.standard_normal(filters) if draw(st.booleans()) else None
    arrays = (x, weights, biases)
    return (
        *(None if a is None else a.astype(np.float32) for a in arrays),
        ConvGeometry(stride, dilation, padding, mode, groups),
    )


@pytest.mark.parametrize("isa", LEVELS)
@given(cases())
@settings(max_examples=25, deadline=None)
def test_three_products_are_nearly_float32(isa: str, case: tuple) -> None:
    terms = size_of_terms(case[0], case[1], case[3])
    error = np.abs(run(case, "amx3", isa) - exact(*case)).max()
    # Each product misses lo lo, below 2^-16 of it, and two rounded los, 2^-17 each.
    assert error <= terms * 2**-15


@pytest.mark.parametrize("isa", LEVELS)
@given(cases())
@settings(max_examples=25, deadline=None)
def test_one_product_is_that_of_rounded_factors(isa: str, case: tuple) -> None:
    x, weights, biases, geometry = case
    factors = rounded(x, even=False), rounded(weights, even=True)
    truth = exact(*factors, biases, geometry)
    error = np.abs(run(case, "amx1", isa) - truth).max()
    assert error <= 2e-6 * max(1, size_of_terms(x, weights, geometry))


@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
@pytest.mark.parametrize("shape", [(32, 32), (64, 48), (256, 64), (96, 16), (33, 65)])
def test_larger_layers(algorithm: str, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    c, k = shape
    x = rng.standard_normal((1, 21, 67, c)).astype(np.float32)
    weights = rng.standard_normal((3, 3, c, k)).astype(np.float32)
    biases = rng.standard_normal(k).astype(np.float32)
    result = run((x, weights, biases, SAME), algorithm, activation="relu")
    truth = np.maximum(exact(x, weights, biases, SAME), 0)
    scale = float(np.abs(truth).max())
    limit = {"amx3": 1.5e-5, "amx1": 8e-3}[algorithm]
    assert 0 < np.abs(result - truth).max() < limit * scale


@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
@pytest.mark.parametrize("activation", ["linear", "leaky", "elu", "mish"])
def test_activations(algorithm: str, activation: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1, 3, 18, 32)).astype(np.float32)
    weights = (rng.standard_normal((3, 3, 32, 40)) / 20).astype(np.float32)
    biases = rng.standard_normal(40).astype(np.float32)
    plain = run((x, weights, biases, SAME), algorithm)
    expected = REFERENCE.activate(plain, activation)
    result = run((x, weights, biases, SAME), algorithm, activation=activation)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
def test_a_pixel_is_the_same_wherever_it_stands(algorithm: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1, 19, 90, 40)).astype(np.float32)
    for filters in (7, 40):
        weights = rng.standard_normal((3, 3, 40, filters)).astype(np.float32)
        whole = run((x, weights, None, ConvGeometry()), algorithm, threads=1)
        for threads in (2, 3, 7):
            np.testing.assert_array_equal(
                run((x, weights, None, ConvGeometry()), algorithm, threads=threads),
                whole,
            )
        for top, left in ((1, 3), (4, 17), (10, 50)):
            part = np.ascontiguousarray(x[:, top:, left:])
            np.testing.assert_array_equal(
                run((part, weights, None, ConvGeometry()), algorithm),
                whole[:, top:, left:],
            )


@pytest.mark.parametrize("isa", LEVELS)
@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
@pytest.mark.parametrize("filters", [20, 9])
@pytest.mark.parametrize(
    "bits", [0x7FC00000, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7F800000, 0xFF800000]
)
def test_what_is_not_finite_stays_where_it_belongs(
    isa: str, algorithm: str, filters: int, bits: int
) -> None:
    value = np.array(bits, np.uint32).view(np.float32)
    rng = np.random.default_rng(4)
    x = rng.standard_normal((1, 12, 21, 35)).astype(np.float32)
    weights = rng.standard_normal((3, 3, 35, filters)).astype(np.float32)
    clean = run((x, weights, None, SAME), algorithm, isa)
    x[0, 7, 9, 5] = x[0, 11, 0, 34] = value
    with np.errstate(all="ignore"):
        truth = REFERENCE.conv2d(x, weights, None, SAME)
    result = run((x, weights, None, SAME), algorithm, isa)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(truth))
    np.testing.assert_array_equal(np.isposinf(result), np.isposinf(truth))
    np.testing.assert_array_equal(np.isneginf(result), np.isneginf(truth))
    far = np.ones((12, 21), bool)  # pixels that do not see the two: the same bits
    far[6:9, 8:11] = far[10:, :2] = False
    np.testing.assert_array_equal(result[:, far], clean[:, far])


@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
@pytest.mark.parametrize("value", [3.4e38, -3.395e38, 1e37])
def test_what_only_a_float_can_hold(algorithm: str, value: float) -> None:
    x = np.zeros((1, 2, 3, 32), np.float32)
    x[0, 1, 1, 7] = value
    weights = np.full((1, 1, 32, 17), 0.5, np.float32)
    result = run((x, weights, None, ConvGeometry()), algorithm)
    limit = 1e-4 if algorithm == "amx3" else 5e-3
    np.testing.assert_allclose(result[0, 1, 1], 0.5 * value, rtol=limit)
    result[0, 1, 1] = 0
    assert not result.any()


@pytest.mark.parametrize("algorithm", ["amx3", "amx1"])
def test_odd_sizes(algorithm: str) -> None:
    rng = np.random.default_rng(5)
    for height, width in ((1, 1), (1, 16), (2, 17), (3, 33)):
        x = rng.standard_normal((2, height, width, 32)).astype(np.float32)
        weights = rng.standard_normal((3, 3, 32, 33)).astype(np.float32)
        result = run((x, weights, None, SAME), algorithm, threads=3)
        truth = exact(x, weights, None, SAME)
        limit = 1.5e-5 if algorithm == "amx3" else 1e-2
        assert np.abs(result - truth).max() < limit * np.abs(truth).max()


PLAIN = EDSR.write(blocks=2, filters=32, scale=2)  # its shuffle is stored directly
WIDE = WDSR.write(variant="b", blocks=1, filters=16, scale=2)


@pytest.mark.parametrize("text", [PLAIN, WIDE])
@pytest.mark.parametrize(("algorithm", "limit"), [("amx3", 3e-5), ("amx1", 3e-2)])
def test_plans(text: str, algorithm: str, limit: float) -> None:
    net = Network.parse(text).initialize(0)
    height, width = 37, 200
    x = np.random.default_rng(6).normal(size=(1, height, width, 3)).astype(np.float32)
    kernels = NativeKernels(2, algorithm=algorithm)
    program = fuse(lower(net, height, width, kernels))
    whole = kernels.compile(program)
    assert algorithm in {step.algorithm for step in whole.steps()}
    expected = whole(x)
    truth = net.forward(x, kernels=REFERENCE)
    error = np.abs(expected - truth).max() / np.ptp(truth)
    assert 0 < error < limit
    seen = set()
    for part in (0.6, 0.4, 0.3):  # bands and strips, to the bit the same
        try:
            plan = kernels.compile(program, int(part * whole.memory))
        except MemoryLimitError:
            continue
        np.testing.assert_array_equal(plan(x), expected)
        seen.add((plan.band, len(plan.strips)))
    assert len(seen) > 1
    for threads in (1, 3):
        other = NativeKernels(threads, algorithm=algorithm).compile(program)
        np.testing.assert_array_equal(other(x), expected)


def test_few_channels_and_huge_windows_are_left_to_others() -> None:
    native = NativeKernels(1, algorithm="amx3")
    assert native.chosen_algorithm((1, 9, 9, 4), (3, 3, 4, 64), SAME) == "direct"
    grouped = SAME._replace(groups=64)
    assert native.chosen_algorithm((1, 9, 9, 64), (3, 3, 1, 64), grouped) == "depthwise"
    wide = ConvGeometry(dilation=(1, 99))
    shapes = (1, 9, 999, 64), (3, 3, 64, 64)
    assert native.chosen_algorithm(*shapes, wide) == "direct"


@pytest.mark.parametrize("isa", [name for name in LEVELS if name != "amx"])
def test_without_amx_it_is_an_error(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_EMULATE_AMX")
    for algorithm in ("amx3", "amx1"):
        with pytest.raises(PluginError, match="needs AMX"):
            NativeKernels(1, isa, algorithm)
