"""Means of whole pictures inside a network: in bands, pass after pass."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import interpret, network

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.machine.memory import parse_size
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.operations import Opaque
from zoo.program.passes import in_passes
from zoo.program.recompute import recompute

NUMPY = select("numpy")
try:
    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\nactivation={}\n"
HEAD = "[net]\nchannels=3\n" + CONV.format(8, 3, "linear")
TAIL = CONV.format(12, 3, "linear") + "[shuffler]\nscale=2\n"
ATTENTION = (
    CONV.format(8, 3, "relu")
    + CONV.format(8, 3, "linear")
    + "[avgpool]\n{}"
    + CONV.format(2, 1, "relu")
    + CONV.format(8, 1, "logistic")
    + "[scale_channels]\nfrom=-4\nactivation=linear\n"
    + "[shortcut]\nfrom=-7\nactivation=linear\n"
)
NETWORKS = {
    "attention": HEAD + ATTENTION.format("") + TAIL,
    "twice": HEAD + 2 * ATTENTION.format("") + TAIL,
    "deviation": HEAD + ATTENTION.format("deviation=1\n") + TAIL,
    "groupnorm": HEAD
    + CONV.format(8, 3, "relu")
    + "[groupnorm]\ngroups=2\n[shortcut]\nfrom=-3\nactivation=relu\n"
    + TAIL,
    "strided": HEAD
    + CONV.format(8, 3, "relu").replace("pad=1", "pad=1\nstride=2")
    + ATTENTION.format("")
    + TAIL,
}


def program_of(text, height, width):
    net = network(text)
    return net, recompute(fuse(lower(net, height, width, NUMPY)))


def picture(height, width, mean=0.0):
    shape = (1, height, width, 3)
    return np.random.default_rng(0).normal(mean, size=shape).astype(np.float32)


def least(kernels, program):
    with pytest.raises(MemoryLimitError) as refusal:
        kernels.compile(program, 1)
    named = parse_size(re.search(r"need (.*) at least", str(refusal.value))[1])
    assert named - 1000 < refusal.value.needed <= named
    return named


@pytest.mark.parametrize("name", NETWORKS)
def test_little_memory_gives_the_same_bits(name):
    height, width = 220, 310
    net, program = program_of(NETWORKS[name], height, width)
    x = picture(height, width)
    expected = net.forward(x, kernels=NUMPY)
    for threads in (1, 3):
        kernels = NATIVE(threads)
        whole = kernels.compile(program)
        error = np.abs(whole(x) - expected).max() / np.abs(expected).max()
        assert error < 3e-5
        low = least(kernels, program)
        # A single value kept whole takes more than bands of all of them.
        assert low < 4 * height * width * 8
        for limit in (low, 2 * low, whole.memory // 2):
            plan = kernels.compile(program, limit)
            assert plan.memory <= limit
            np.testing.assert_array_equal(plan(x), whole(x))
        assert plan.band < 2 * height


@pytest.mark.parametrize("deviation", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (61, 257), (9, 9)])
@pytest.mark.parametrize("mean", [0.0, 1000.0])
def test_moments_of_any_size(deviation, size, mean):
    text = f"[net]\nchannels=3\n[avgpool]\ndeviation={deviation}\n"
    _, program = program_of(text + "[activation]\nactivation=relu\n", *size)
    x = picture(*size, mean=mean)
    own = NATIVE(2).compile(program)(x)
    wide = x.astype(np.float64)
    exact = np.maximum(wide.std((1, 2)) if deviation else wide.mean((1, 2)), 0)
    largest = max(abs(mean), 1.0)
    assert np.abs(own[:, 0, 0] - exact).max() < 2e-7 * largest
    np.testing.assert_allclose(own, interpret(program, x, NUMPY), atol=2e-6 * largest)


@settings(max_examples=20)
@given(
    st.integers(1, 3),
    st.sampled_from(("", "deviation=1\n")),
    st.integers(1, 60),
    st.integers(1, 90),
)
def test_passes_compute_the_same(blocks, kind, height, width):
    net, program = program_of(
        HEAD + blocks * ATTENTION.format(kind) + TAIL, height, width
    )
    x = picture(height, width)
    # NumPy's pooling of a whole image is what such a step is to the pass.
    for position, step in enumerate(program.steps):
        if step.operation.kind == "pool":
            whole = Opaque(_pooled(step.operation), "pool")
            program.steps[position] = type(step)(
                whole, step.inputs, step.output, step.layers
            )
    again = in_passes(program)
    assert len(again.steps) > len(program.steps)
    np.testing.assert_array_equal(
        interpret(again, x, NUMPY), interpret(program, x, NUMPY)
    )
    made = [step.output for step in again.steps]
    assert len(made) == len(set(made))
    assert net is not None


def _pooled(operation):
    from zoo.plugins.interpret import execute

    return lambda *inputs: execute(operation, inputs, NUMPY)


def test_one_pass_needs_no_other():
    _, program = program_of(HEAD + TAIL, 20, 20)
    assert in_passes(program) is None


def test_too_many_passes_are_not_tried():
    _, program = program_of(HEAD + 60 * ATTENTION.format("") + TAIL, 40, 50)
    assert NATIVE(2).compile(program)(picture(40, 50)).shape == (1, 80, 100, 3)
    with pytest.raises(MemoryLimitError):
        NATIVE(2).compile(program, 100_000)
