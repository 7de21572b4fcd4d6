"""Parts of a result are to the bit those of the whole, rows and columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cfgs
from networks import network as random_network

import zoo
from zoo.api import Model
from zoo.errors import ShapeError, ZooError
from zoo.network import Network
from zoo.plugins import select
from zoo.program.geometry import Window

native = pytest.importorskip("zoo.plugins.native")


def ranges(draw: st.DrawFn, length: int) -> tuple[int, int]:
    first = draw(st.integers(0, length - 1))
    return first, draw(st.integers(first + 1, length))


@settings(max_examples=60)
@given(st.data())
def test_any_part_of_any_network(data):
    network = random_network(data.draw(cfgs()), data.draw(st.integers(0, 99)))
    height, width = data.draw(st.integers(9, 70)), data.draw(st.integers(9, 90))
    threads = data.draw(st.sampled_from((1, 2)))
    model = Model(network, select("native", threads), memory=2**28)
    rng = np.random.default_rng(0)
    shape = (height, width, network.pixels.channels)
    picture = rng.normal(size=shape).astype(np.float32)
    try:
        (whole,) = model.values(picture)
    except ZooError:
        return
    result = network.shapes(height, width)[-1]
    window = Window(ranges(data.draw, result.height), ranges(data.draw, result.width))
    memory = data.draw(st.sampled_from((2**28, 2**20)))
    try:
        plan = Model(network, model.kernels, memory=memory).plan(height, width, window)
    except ZooError as problem:
        refused = ("whole picture", "too narrow", "memory", "needs", "no layers")
        assert any(words in str(problem) for words in refused)
        return
    (part,) = plan(picture[plan.reads.slices][None])
    np.testing.assert_array_equal(part, whole[window.slices])


@pytest.mark.parametrize("name", ["edsr_x2", "wdsr_x4"])
def test_networks_that_ship_and_a_careless_halo(name):
    model = zoo.load(name, backend="native")
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (90, 120, 3)).astype(np.uint8)
    whole = model(picture)
    scale = int(model.scale)
    window = Window((40 * scale, 60 * scale), (50 * scale + 1, 80 * scale - 1))
    need = model.reads(90, 120, window)
    part = model.part(picture[need.slices], 90, 120, window)
    np.testing.assert_array_equal(part, whole[window.slices])
    # The control: a crop with some pixels of overlap is something else.
    halo = Window((40 - 4, 60 + 4), (50 - 4, 80 + 4))
    crop = model(picture[halo.slices])
    inner = crop[4 * scale : 24 * scale, 4 * scale + 1 : 34 * scale - 1]
    assert inner.shape == part.shape
    assert (inner != part).any()


def test_what_cannot_be_cut():
    attention = "[net]\nchannels=3\n[convolutional]\nfilters=3\nsize=1\n[softmax]\n"
    network = Network.parse(attention, "a.cfg").initialize(0)
    window = Window((0, 2), (0, 2))
    with pytest.raises(ShapeError, match="whole picture"):
        Model(network, select("native")).plan(9, 9, window)
    plain = Network.parse(
        "[net]\nchannels=3\n[convolutional]\nfilters=3\nsize=3\npad=1\n", "b.cfg"
    ).initialize(0)
    with pytest.raises(ShapeError, match="whole pictures alone; the native"):
        Model(plain, select("numpy")).plan(9, 9, window)
    for bad in (
        Window((0, 10), (0, 2)),
        Window((3, 3), (0, 2)),
        Window((-1, 2), (0, 2)),
    ):
        with pytest.raises(ShapeError, match="no rows and columns"):
            Model(plain, select("native")).plan(9, 9, bad)
    model = Model(plain, select("native"))
    with pytest.raises(ShapeError, match="is made of"):
        model.part(np.zeros((9, 9, 3), np.uint8), 9, 9, window)
