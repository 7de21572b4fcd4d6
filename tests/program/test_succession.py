"""Whole values that follow each other in a ring never stand on what is still read."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.passes import checkpoints, in_passes, large_values
from zoo.program.recompute import recompute
from zoo.program.schedule import plan_bands
from zoo.program.strips import whole
from zoo.program.succession import successions

NUMPY = select("numpy")
try:
    from zoo.plugins.native.arena import Arena
    from zoo.plugins.native.translate import translate

    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\nactivation={}\n"
HEAD = "[net]\nchannels=3\n" + CONV.format(12, 3, "linear")
BLOCK = (
    CONV.format(12, 3, "relu")
    + CONV.format(12, "{size}", "linear")
    + "[avgpool]\n"
    + CONV.format(12, 1, "logistic")
    + "[scale_channels]\nfrom=-3\nactivation=linear\n"
    + "[shortcut]\nfrom=-6\nactivation=linear\n"
)
NORMED = CONV.format(12, 3, "relu") + "[groupnorm]\ngroups=2\n[shortcut]\nfrom=-3\n"
TAIL = CONV.format(12, 3, "linear") + "[shortcut]\nfrom={}\n[shuffler]\nscale=2\n"


def rcan(blocks, size=3):
    """A chain of blocks inside two skips, as RCAN's are."""
    inner = blocks * BLOCK.replace("{size}", str(size))
    group = (
        inner + CONV.format(12, 3, "linear") + f"[shortcut]\nfrom={-6 * blocks - 2}\n"
    )
    return HEAD + 2 * group + TAIL.format(-2 * (6 * blocks + 2) - 2)


def plksr(blocks):
    """A chain of normalized blocks."""
    return HEAD + blocks * NORMED + TAIL.format(-3 * blocks - 2)


def translated(text, height, width):
    program = recompute(fuse(lower(network(text), height, width, NUMPY)))
    return program, translate(program, NUMPY)


def replay(program, schedule, rings):
    """Do the tasks on numbered rows in shared rings; raise if one was overwritten."""
    ring_of = {
        value: (n, ring.shift(number), ring.rows)
        for n, ring in enumerate(rings)
        for number, value in enumerate(ring.values)
    }
    memory = [{} for _ in rings]
    for position, start, stop in schedule.tasks:
        step = program.steps[position]
        reads, writes = set(), set()
        for index, value in enumerate(step.inputs):
            if value not in ring_of:
                continue
            n, shift, rows = ring_of[value]
            height = program.shapes[value].height
            low, high = 0, height
            if step.operation.streams:
                low, high = step.operation.axes(index)[0].needs(start, stop, height)
            for row in range(low, high):
                assert memory[n][(row + shift) % rows] == (value, row)
                reads.add((n, (row + shift) % rows))
        if step.output in ring_of:
            n, shift, rows = ring_of[step.output]
            for row in range(start, stop):
                memory[n][(row + shift) % rows] = (step.output, row)
                writes.add((n, (row + shift) % rows))
        assert not reads & writes  # threads do a task's rows in any order


def rings_of(program, schedule):
    floats = {v: s.width * s.channels for v, s in enumerate(program.shapes)}
    return successions(program, schedule, floats.__getitem__, ())


@settings(max_examples=30)
@given(
    st.sampled_from(("rcan", "plksr")),
    st.integers(1, 3),
    st.integers(8, 90),
    st.integers(1, 24),
    st.sampled_from((1, 2, 4, 6)),
    st.sampled_from((large_values, checkpoints)),
)
def test_no_row_is_overwritten_before_it_was_read(
    kind, blocks, height, band, unit, kept
):
    text = rcan(blocks) if kind == "rcan" else plksr(blocks)
    _, program = translated(text, height, 9)
    program = in_passes(program, kept(program))
    schedule = plan_bands(program, band, lambda position: unit)
    replay(program, schedule, rings_of(program, schedule))


@pytest.mark.parametrize("kept", [large_values, checkpoints])
def test_the_replay_notices_a_ring_that_is_too_short(kept):
    _, program = translated(rcan(2, size=5), 60, 9)
    program = in_passes(program, kept(program))
    schedule = plan_bands(program, 4)
    rings = rings_of(program, schedule)
    replay(program, schedule, rings)
    # A value that follows one that is still read, or by too few rows.
    values = [value for ring in rings for value in ring.values]
    rings[0].values = sorted(values)
    for ring in rings:
        ring.ahead = 0
    with pytest.raises(AssertionError):
        replay(program, schedule, rings[:1])


def test_blocks_share_their_rings():
    """Three whole values are held by RCAN, two with its branches made again."""
    _, program = translated(rcan(4), 200, 30)
    size = program.shapes[2]
    for kept, most in ((large_values, 3), (checkpoints, 2)):
        passes = in_passes(program, kept(program))
        schedule = plan_bands(passes, 4)
        whole_ones = [
            value
            for value, rows in schedule.rows.items()
            if rows == size.height and passes.shapes[value] == size
        ]
        assert len(whole_ones) > 2 * most
        assert Arena(whole(passes), schedule).floats < (most + 0.5) * size.size


@settings(max_examples=30)
@given(st.sampled_from((rcan, plksr)), st.integers(1, 4), st.integers(0, 3))
def test_no_step_is_done_three_times(family, blocks, more):
    text = family(blocks) + more * (CONV.format(4, 3, "relu") + "[avgpool]\n")
    _, program = translated(text, 24, 9)
    again = in_passes(program, checkpoints(program))
    once, times = (
        Counter(id(step.operation) for step in some.steps) for some in (program, again)
    )
    for step in program.steps:
        most = 2 * once[id(step.operation)]
        assert 1 <= times[id(step.operation)] <= most or step.operation.kind == "load"


@pytest.mark.parametrize("text", [rcan(3), rcan(2, size=5), plksr(4)])
@pytest.mark.parametrize("threads", [1, 3])
def test_little_memory_gives_the_same_bits(text, threads):
    height, width = 230, 70
    net = network(text)
    program, _ = translated(text, height, width)
    kernels = NATIVE(threads)
    x = np.random.default_rng(0).normal(size=(1, height, width, 3)).astype(np.float32)
    plain = net.forward(x, kernels=NUMPY)
    plan = kernels.compile(program)
    expected = plan(x)
    assert np.abs(expected - plain).max() < 1e-4 * np.abs(plain).max()
    lengths = {len(plan.program.steps)}
    limit = plan.memory
    while True:
        try:
            plan = kernels.compile(program, limit)
        except MemoryLimitError as refusal:
            assert refusal.needed > limit
            break
        assert plan.memory <= limit
        np.testing.assert_array_equal(plan(x), expected)
        lengths.add(len(plan.program.steps))
        limit = int(0.7 * plan.memory)
    assert len(lengths) >= 3  # all kept; some made again; all made again
