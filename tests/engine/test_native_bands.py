"""Plans at sizes that band: every stride and window, number of threads and limit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.plugins import select
from zoo.program.fusion import fuse

NUMPY = select("numpy")
try:
    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

HEIGHT, WIDTH = 240, 460
KINDS = {
    "conv": "[convolutional]\nfilters=5\nsize={size}\nstride={stride}\n"
    "activation=leaky\n",
    "grouped": "[convolutional]\nfilters=8\nsize={size}\nstride={stride}\npad=1\n"
    "groups=4\nactivation=linear\n",
    "maxpool": "[maxpool]\nsize={size}\nstride={stride}\npadding=0\n",
    "avgpool": "[local_avgpool]\nsize={size}\nstride={stride}\npadding=0\n",
}
NET = (
    "[net]\nchannels=3\n[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=relu\n"
    "{}[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
)
LIMITS = (0.1, 0.2, 0.35, 0.6, 1.0, 20.0)
"""As parts of what the whole plan takes."""


def text_of(kind: str, size: int, stride: int, twice: bool) -> str:
    layer = KINDS[kind].format(size=size, stride=stride)
    return NET.format(layer * (2 if twice else 1))


@cache
def prepared(kind: str, size: int, stride: int, twice: bool):
    """The program, a picture, and what NumPy makes of it."""
    net = network(text_of(kind, size, stride, twice))
    shape = (1, HEIGHT, WIDTH, 3)
    x = np.random.default_rng(size + 10 * stride).normal(size=shape)
    x = x.astype(np.float32)
    expected = net.forward(x, kernels=NUMPY)
    return fuse(lower(net, HEIGHT, WIDTH, NUMPY)), x, expected


def compiled(kernels, program, part: float):
    """A plan within this part of what the comfortable one takes; None where none is."""
    whole = kernels.compile(program)
    try:
        plan = kernels.compile(program, int(part * whole.memory))
    except MemoryLimitError:
        return None
    assert plan.memory <= part * whole.memory
    return plan


def agree(kind: str, size: int, stride: int, twice: bool, threads: int, part: float):
    program, x, expected = prepared(kind, size, stride, twice)
    plan = compiled(NATIVE(threads), program, part)
    if plan is None:
        return False
    largest = float(np.abs(expected).max())
    for _ in range(2):  # what threads do in the wrong order they do not do always
        assert float(np.abs(plan(x) - expected).max()) < 3e-5 * largest
    return True


@pytest.mark.parametrize("kind", ["conv", "maxpool", "avgpool"])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_stride_and_window(kind, size, stride):
    done = [
        agree(kind, size, stride, False, threads, part)
        for threads in (1, 2, 8)
        for part in (0.25, 1.0)
    ]
    assert sum(done) >= 3


@settings(max_examples=40)
@given(
    st.sampled_from(tuple(KINDS)),
    st.integers(1, 4),
    st.integers(1, 5),
    st.booleans(),
    st.integers(1, 8),
    st.sampled_from(LIMITS),
)
def test_any_stride_window_threads_and_limit(kind, size, stride, twice, threads, part):
    agree(kind, size, stride, twice, threads, part)
