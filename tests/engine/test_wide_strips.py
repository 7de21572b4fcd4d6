"""Large pictures are cut into a few wide strips by themselves, and no pixel changes."""

from __future__ import annotations

import numpy as np
import pytest
from networks import network

from zoo.engine.lowering import lower
from zoo.errors import PluginError
from zoo.plugins import select
from zoo.plugins.native import partition
from zoo.program.fusion import fuse

try:
    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

LAYER = "[convolutional]\nfilters=16\nsize=3\npad=1\nactivation=relu\n"


def plan(layers: int):
    net = network("[net]\nchannels=3\n" + LAYER * layers)
    kernels = NATIVE(threads=2)
    return kernels.compile(fuse(lower(net, 60, 700, kernels)))


def test_strips_take_less_memory_and_give_the_same(monkeypatch):
    whole = plan(3)
    assert len(whole.strips) == 1
    monkeypatch.setattr(partition, "_LIGHT", 0.7 * whole.memory)
    cut = plan(3)
    assert 1 < len(cut.strips) < 8
    assert cut.memory <= 0.7 * whole.memory
    x = np.random.default_rng(0).normal(size=(1, 60, 700, 3)).astype(np.float32)
    np.testing.assert_array_equal(cut(x), whole(x))


def test_no_strips_where_they_would_compute_much_twice(monkeypatch):
    """Of 24 layers each strip needs some 24 columns more on either side."""
    monkeypatch.setattr(partition, "_LIGHT", 1e5)
    found = plan(24)
    assert len(found.strips) == 1
