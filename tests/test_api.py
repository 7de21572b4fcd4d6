"""zoo.load and Model: what Python sees."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.errors import PluginError, ShapeError, UsageError, ZooError

CFG = """\
[net]
channels=3

[convolutional]
filters=12
size=3
pad=1
activation=linear

[shuffler]
scale=2
"""


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("change", ["value", "order"])
def test_weights_that_change_are_seen(tmp_path, backend, change):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(CFG)
    try:
        net = zoo.load(cfg, backend=backend)
    except PluginError as missing:
        pytest.skip(str(missing))
    net.network.initialize(0)
    image = np.random.default_rng(1).random((6, 5, 3), np.float32)
    before = net(image)
    weights = net[0].weights
    if change == "value":
        weights[0, 0, 0, 0] += 1
    else:  # colours the other way round: the same numbers at other places
        weights[:] = weights[:, :, ::-1].copy()
    after = net(image)
    assert not np.array_equal(before, after)
    expected = net.network.forward(image[None])[0]
    assert np.allclose(after, expected, atol=1e-5)


@pytest.fixture
def net(tmp_path):
    cfg = tmp_path / "net.cfg"
    cfg.write_text(CFG)
    net = zoo.load(cfg, backend="numpy")
    net.network.initialize(0)
    net.network.trained = True
    return net


@pytest.mark.parametrize("channels", ["color", "each"])
def test_floats_whose_white_is_hardly_1(net, channels, recwarn):
    image = np.random.default_rng(0).random((6, 5, 3), np.float32)
    for right in (image, 10 * image, (255 * image).astype(np.uint8)):
        net(right, channels=channels)
    net(255 * image, channels=channels, white=255)
    assert not recwarn.list
    net(255 * image, channels=channels)
    (warning,) = recwarn.list
    assert "white=255" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("what", [None, "photo.png", [[1.0, 2.0], [3.0]]])
def test_what_is_no_array(net, what):
    with pytest.raises(ShapeError, match=r"no picture|no array"):
        net(what)


def test_a_model_says_what_it_is(net):
    assert "3 channels, x2, 336 parameters, numpy" in repr(net)


@pytest.mark.parametrize("memory", [0, -1, "-5M", ""])
def test_no_amount_of_memory(tmp_path, memory):
    (tmp_path / "net.cfg").write_text(CFG)
    with pytest.raises(UsageError, match="no amount of memory"):
        zoo.load(tmp_path / "net.cfg", memory=memory)


def test_a_summary_for_no_pixels(net):
    assert net.summary().input == (96, 96, 3)
    with pytest.raises(ZooError, match="no pixels"):
        net.summary(0, 5)
