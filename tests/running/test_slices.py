"""Volumes as arrays: one range, any axis, nothing clipped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo.errors import ShapeError, UsageError
from zoo.run.slices import Limits, limits_of

CFG = """\
[net]
channels={channels}
color={color}

[convolutional]
filters={filters}
size=3
pad=1
activation=leaky

[shuffler]
scale=2
"""


@pytest.fixture(params=[1, 3])
def net(request, tmp_path):
    cfg = tmp_path / "net.cfg"
    color = "y" if request.param == 1 else "rgb"
    cfg.write_text(
        CFG.format(channels=request.param, color=color, filters=4 * request.param)
    )
    model = zoo.load(cfg, backend="numpy")
    model.network.initialize(1)
    return model


@given(
    st.lists(
        st.lists(
            st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf]),
            max_size=400,
        ),
        max_size=6,
    )
)
def test_limits_are_those_of_numpy(parts):
    arrays = [np.array(part, np.float64) for part in parts]
    total = sum(map(len, parts))
    found = limits_of(arrays, total)
    values = np.concatenate([*arrays, np.empty(0)])
    values = values[np.isfinite(values)]
    if not values.size:
        assert found == (0, 0)
        return
    high = np.percentile(values, 99.9)
    low = values.min()
    if not high > low:
        high = values.max()
    np.testing.assert_allclose(found, (low, high), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("dtype", ["uint8", "int16", ">f4", "float64"])
def test_slices_are_pictures(net, axis, dtype):
    array = (np.random.default_rng(0).random((4, 5, 6)) * 200 - 20).astype(dtype)
    made = zoo.volume(net, array, axis)
    assert made.dtype == np.float32
    shape = [2 * side for side in array.shape]
    shape[axis] = array.shape[axis]
    assert made.shape == tuple(shape)
    low, high = float(array.min()), np.percentile(array.astype(np.float64), 99.9)
    for index in range(array.shape[axis]):
        part = (array.take(index, axis).astype(np.float64) - low) / (high - low)
        alone = net(part.astype(np.float32)) * (high - low) + low
        np.testing.assert_allclose(made.take(index, axis), alone, rtol=1e-4, atol=1e-3)


def test_a_stated_range_and_one_value(net):
    array = np.full((3, 4, 5), 7, np.int16)
    assert (zoo.volume(net, array) == 7).all()
    assert (zoo.volume(net, array, through=True) == 7).all()
    made = zoo.volume(net, array, limits=(0, 10))
    assert made.shape == (6, 8, 5)
    assert not (made == 7).all()


def test_through_keeps_the_slices(net):
    array = np.random.default_rng(1).random((4, 5, 6)).astype(np.float32)
    array[1, 2, 3] = np.nan
    made = zoo.volume(net, array, axis=0, through=True)
    assert made.shape == (8, 5, 6)
    assert np.argwhere(np.isnan(made)).tolist() == [[2, 2, 3], [3, 2, 3]]


def test_what_is_no_volume(net):
    for array in (np.zeros((3, 3)), np.zeros((2, 2, 2), bool), np.zeros((0, 2, 2))):
        with pytest.raises(ShapeError, match="no volume"):
            zoo.volume(net, array)
    with pytest.raises(UsageError, match="axis"):
        zoo.volume(net, np.zeros((2, 2, 2)), axis=3)
    for limits in ((5, 1), (1, 1), (0, np.inf), (np.nan, 1)):
        with pytest.raises(UsageError, match="black must be less than white"):
            zoo.volume(net, np.zeros((4, 4, 4)), limits=limits)
    if net.network.pixels.channels == 1:
        with pytest.raises(UsageError, match="makes one channel"):
            zoo.volume(net, np.random.default_rng(0).random((4, 4, 4)), channels="luma")


def test_nothing_is_clipped():
    limits = Limits(-5.0, 5.0)
    values = np.array([-100.0, 0, 5, 400])
    np.testing.assert_allclose(
        limits.back(limits.to_network(values)), values, rtol=1e-6
    )
