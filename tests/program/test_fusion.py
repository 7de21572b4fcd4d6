"""A fused program computes what the layers compute, in fewer steps."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from networks import cfgs, interpret, network

from zoo.engine.lowering import lower
from zoo.models.edsr import EDSR
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.operations import Conv
from zoo.program.recompute import recompute

NUMPY = select("numpy")


@given(cfgs(), st.integers(1, 9), st.integers(1, 9))
def test_fused_equals_layer_by_layer(text, height, width):
    net = network(text)
    x = np.random.default_rng(1).normal(size=(2, height, width, net.pixels.channels))
    x = x.astype(np.float32)
    expected = net.forward(x, kernels=NUMPY)
    plain = lower(net, height, width, NUMPY)
    np.testing.assert_allclose(
        interpret(plain, x, NUMPY), expected, rtol=1e-5, atol=1e-5
    )
    fused = fuse(plain)
    assert len(fused.steps) <= len(plain.steps)
    np.testing.assert_allclose(
        interpret(fused, x, NUMPY), expected, rtol=1e-5, atol=1e-5
    )


def test_a_cheap_value_is_computed_again_for_a_reader_far_away():
    net = network(EDSR.write(blocks=5, filters=12, scale=2))
    fused = fuse(lower(net, 7, 6, NUMPY))
    program = recompute(fused)
    assert len(program.steps) == len(fused.steps) + 1
    x = np.random.default_rng(1).normal(size=(1, 7, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        interpret(program, x, NUMPY), interpret(fused, x, NUMPY)
    )
    small = recompute(
        fuse(lower(network(EDSR.write(blocks=1, filters=12)), 7, 6, NUMPY))
    )
    assert len(small.steps) == 1 + 2 + 1 + 1 + 1  # nobody is far away


def test_two_cheap_values_are_computed_again():
    first = "[net]\nchannels=1\n"
    cheap = "[route]\nlayers={}\n[convolutional]\nfilters=8\nsize=3\npad=1\n"
    deep = "[convolutional]\nfilters=8\nsize=1\n" * 9
    text = first + cheap.replace("[route]\nlayers={}\n", "[input]\n")
    text += cheap.format(-2) + deep + "[route]\nlayers=-1,1,3\n"
    net = network(text)
    fused = fuse(lower(net, 5, 4, NUMPY))
    program = recompute(fused)
    assert len(program.steps) >= len(fused.steps)
    x = np.random.default_rng(1).normal(size=(1, 5, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(
        interpret(program, x, NUMPY), net.forward(x, kernels=NUMPY)
    )


def test_edsr_becomes_convolutions_alone():
    net = network(EDSR.write(blocks=3, filters=8, scale=2))
    program = fuse(lower(net, 16, 16, NUMPY))
    assert all(isinstance(step.operation, Conv) for step in program.steps)
    assert len(program.steps) == 1 + 2 * 3 + 1 + 1 + 1
    covered = sorted(index for step in program.steps for index in step.layers)
    assert covered == list(range(1, len(net)))  # all but [input]


def test_a_value_that_two_layers_read_is_not_fused_away():
    text = (
        "[net]\nchannels=3\n[convolutional]\nfilters=4\nsize=1\nactivation=linear\n"
        "[activation]\nactivation=relu\n[route]\nlayers=0,1\n"
    )
    program = fuse(lower(network(text), 4, 4, NUMPY))
    assert len(program.steps) == 3
