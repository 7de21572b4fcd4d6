"""Attention inside windows in a plan: any window, shift, strip, and number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.engine import Plan
from zoo.errors import MemoryLimitError, PluginError
from zoo.network import Network
from zoo.plugins import select

NUMPY = select("numpy")
try:
    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)


def drawn(layers: str, channels: int) -> Network:
    """A network whose position biases count."""
    network = Network.parse(f"[net]\nchannels={channels}\n{layers}").initialize(0)
    rng = np.random.default_rng(1)
    for layer in network.layers:
        if "position_biases" in layer.parameters:
            biases = layer.parameters["position_biases"]
            biases[...] = rng.normal(size=biases.shape)
    return network


@given(
    window=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    shift=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    windows=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    heads=st.integers(1, 3),
    depth=st.integers(1, 21),
    positions=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_equals_the_layer(window, shift, windows, heads, depth, positions):
    shift = tuple(by % size for by, size in zip(shift, window, strict=True))
    text = (
        f"[pad]\nmultiple={np.lcm(*window)}\n"
        f"[window_attention]\nheads={heads}\nwindow={window[0]},{window[1]}\n"
        f"shift={shift[0]},{shift[1]}\npositions={int(positions)}\n"
    )
    network = drawn(text, 3 * heads * depth)
    size = [a * b for a, b in zip(window, windows, strict=True)]
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, *size, 3 * heads * depth)).astype(np.float32)
    truth = network.forward(x.astype(np.float64), kernels=NUMPY)
    results = [Plan(network, *size, NATIVE(threads))(x) for threads in (1, 3)]
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], truth, rtol=0, atol=2e-5)


def test_memory_changes_no_pixel():
    block = (
        "[convolutional]\nfilters=24\nsize=3\npad=1\nactivation=linear\n"
        "[window_attention]\nheads=2\nwindow=4\nshift={}\n"
    )
    network = drawn(block.format(0) + block.format(2) + block.format(0), 3)
    x = np.random.default_rng(3).normal(size=(1, 96, 200, 3)).astype(np.float32)
    whole = Plan(network, 96, 200, NATIVE(2))
    truth = network.forward(x, kernels=NUMPY)
    expected = whole(x)
    np.testing.assert_allclose(expected, truth, rtol=0, atol=2e-5)
    cuttings = {whole.cutting}
    for part in (0.7, 0.4, 0.2, 0.1):
        try:
            plan = Plan(network, 96, 200, NATIVE(2), memory=int(part * whole.memory))
        except MemoryLimitError:
            continue
        np.testing.assert_array_equal(plan(x), expected)
        cuttings.add(plan.cutting)
    assert any("strips" in cutting for cutting in cuttings)
    assert len(cuttings) > 2


def test_what_is_not_finite_stays_in_its_window():
    network = drawn("[window_attention]\nheads=2\nwindow=4\n", 12)
    x = np.random.default_rng(4).normal(size=(1, 8, 8, 12)).astype(np.float32)
    x[0, 1, 1, 0], x[0, 6, 6, 5] = np.nan, np.inf
    truth = network.forward(x, kernels=NUMPY)
    ours = Plan(network, 8, 8, NATIVE(1))(x)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(truth))
    np.testing.assert_allclose(ours, truth, atol=2e-5)
