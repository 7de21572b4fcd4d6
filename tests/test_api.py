"""zoo.load and Model: what Python sees."""

from __future__ import annotations

import numpy as np
import pytest

import zoo
from zoo.errors import PluginError

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
