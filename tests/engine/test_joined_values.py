"""Values made where a concatenation puts them: nothing is copied, nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import dense_cfg, interpret, network

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.join import join
from zoo.program.operations import Activate, Add, Concat, Conv
from zoo.program.recompute import recompute

NUMPY = select("numpy")
try:
    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

HEAD = (
    "[net]\nchannels=3\n[convolutional]\nfilters=12\nsize=3\npad=1\nactivation=relu\n"
)
CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\nactivation=leaky\n"
TAIL = CONV.format(4, 3)
NETWORKS = {
    "dense": dense_cfg(),
    # each concatenation a part of the next one, the new channels last
    "cascade": HEAD
    + "".join(
        CONV.format(20, 3) + f"[route]\nlayers={last},-1\n" + CONV.format(12, 1)
        for last in (0, -3, -3)
    )
    + TAIL,
    "new_first": HEAD + CONV.format(5, 3) + "[route]\nlayers=-1,0\n" + TAIL,
    "twice": HEAD + "[route]\nlayers=-1,-1\n" + TAIL,
    "two_orders": HEAD
    + CONV.format(8, 3)
    + "[route]\nlayers=-1,0\n"
    + CONV.format(8, 3)
    + "[route]\nlayers=0,1\n"
    + CONV.format(8, 1)
    + "[route]\nlayers=-1,-3\n"
    + TAIL,
    "split": HEAD
    + "[route]\nlayers=-1\nfirst=3\ncount=5\n"
    + CONV.format(6, 3)
    + "[route]\nlayers=0\nfirst=0\ncount=3\n[route]\nlayers=-1,-2\n"
    + TAIL,
    # a pooling reads whole pixels only
    "pooled": HEAD
    + CONV.format(6, 3)
    + "[maxpool]\nsize=3\nstride=1\n[route]\nlayers=-1,-2,0\n"
    + TAIL,
    "depthwise": HEAD
    + "[convolutional]\nfilters=12\nsize=5\npad=1\ngroups=12\nactivation=linear\n"
    + "[route]\nlayers=-1,0\n"
    + "[convolutional]\nfilters=24\nsize=3\npad=1\ngroups=24\nactivation=leaky\n"
    + "[route]\nlayers=-1,0\n[convolutional]\nfilters=3\nsize=3\npad=1\n"
    + "activation=linear\n",
    "depthwise, few channels and wide windows": HEAD
    + "[convolutional]\nfilters=20\nsize=3\npad=1\nactivation=relu\n[route]\nlayers=-1,0\n"
    + "[convolutional]\nfilters=32\nsize=7\npad=1\ngroups=32\nactivation=mish\n"
    + "[convolutional]\nfilters=9\nsize=7\npad=1\npad_mode=reflect\nactivation=relu\n"
    + "[route]\nlayers=-1,-2\n[convolutional]\nfilters=5\nsize=9\npad=1\n"
    + "activation=linear\n",
    "mish": HEAD + CONV.format(9, 3).replace("leaky", "mish") + "[route]\nlayers=-1,0\n"
    "[activation]\nactivation=mish\n[route]\nlayers=-1,1\n" + TAIL,
}


def program_of(text, height, width):
    net = network(text)
    return net, recompute(fuse(lower(net, height, width, NUMPY)))


def picture(height, width, seed=0):
    shape = (1, height, width, 3)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def close(a, b):
    return float(np.abs(a - b).max()) < 3e-5 * float(np.abs(b).max())


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(1, 1), (37, 50), (90, 300)])
def test_plans_equal_numpy(name, size):
    net, program = program_of(NETWORKS[name], *size)
    x = picture(*size)
    expected = net.forward(x, kernels=NUMPY)
    whole = NATIVE(2).compile(program)
    assert close(whole(x), expected)
    for threads in (1, 3):
        for part in (0.7, 0.3, 0.1):
            try:
                plan = NATIVE(threads).compile(program, int(part * whole.memory))
            except MemoryLimitError:
                continue
            np.testing.assert_array_equal(plan(x), whole(x))


@pytest.mark.parametrize(
    "algorithm", ["direct", "winograd2", "winograd4", "winograd6", "amx3", "amx1"]
)
def test_every_algorithm_reads_and_writes_apart(algorithm, monkeypatch):
    monkeypatch.setenv("ZOO_EMULATE_AMX", "1")
    net, program = program_of(NETWORKS["dense"], 29, 45)
    x = picture(29, 45)
    expected = net.forward(x, kernels=NUMPY)
    plan = NATIVE(2, algorithm=algorithm).compile(program)
    error = np.abs(plan(x) - expected).max() / np.abs(expected).max()
    assert error < (2e-2 if algorithm == "amx1" else 3e-5)
    x[0, 11, 17, 1] = np.nan
    x[0, 3, 40, 2] = np.inf
    with np.errstate(all="ignore"):
        expected = net.forward(x, kernels=NUMPY)
    np.testing.assert_array_equal(np.isfinite(plan(x)), np.isfinite(expected))


def test_dense_blocks_copy_nothing():
    _, program = program_of(dense_cfg(), 40, 60)
    copies = [
        step
        for step in NATIVE(2).compile(program).steps()
        if step.operation == "concat"
    ]
    assert copies == []


@pytest.mark.parametrize(
    ("name", "copies"),
    [("cascade", 0), ("new_first", 0), ("twice", 1), ("two_orders", 1), ("pooled", 2)],
)
def test_copies_that_are_left(name, copies):
    _, program = program_of(NETWORKS[name], 40, 60)
    steps = NATIVE(2).compile(program).steps()
    assert sum(step.operation == "concat" for step in steps) == copies


@st.composite
def joins(draw):
    """A network of convolutions and concatenations of any earlier values."""
    lines, channels = [HEAD], [12]
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.booleans()):
            filters = draw(st.sampled_from((3, 8, 16)))
            lines.append(CONV.format(filters, draw(st.sampled_from((1, 3)))))
            channels.append(filters)
            continue
        chosen = draw(
            st.lists(st.integers(0, len(channels) - 1), min_size=1, max_size=4)
        )
        text = f"[route]\nlayers={','.join(map(str, chosen))}\n"
        least = min(channels[index] for index in chosen)
        first, count = 0, 0
        if draw(st.booleans()):
            first = draw(st.integers(0, least - 1))
            count = draw(st.integers(1, least - first))
            text += f"first={first}\ncount={count}\n"
        lines.append(text)
        channels.append(sum(count or channels[index] for index in chosen))
    return "".join(lines) + TAIL


@settings(max_examples=60)
@given(joins(), st.integers(1, 40), st.integers(1, 80), st.integers(1, 3))
def test_any_concatenations(text, height, width, threads):
    _, program = program_of(text, height, width)
    x = picture(height, width)
    whole = NATIVE(threads).compile(program)
    assert close(whole(x), interpret(program, x, NUMPY))
    for part in (0.5, 0.2):
        try:
            plan = NATIVE(threads).compile(program, int(part * whole.memory))
        except MemoryLimitError:
            continue
        np.testing.assert_array_equal(plan(x), whole(x))


@settings(max_examples=60)
@given(joins())
def test_no_two_values_stand_in_the_same_channels(text):
    _, program = program_of(text, 8, 9)
    joined = join(
        program,
        lambda operation: isinstance(operation, (Conv, Add, Activate, Concat)),
        lambda operation: isinstance(operation, (Conv, Add, Activate, Concat)),
    )
    made = {step.output for step in joined.steps}
    for base, values in joined.joined().items():
        taken = set()
        for value in values:
            first = joined.place(value).channel
            own = set(range(first, first + joined.shapes[value].channels))
            assert max(own) < joined.shapes[base].channels
            if value in made:
                assert not own & taken
                taken |= own
    for value, parts in joined.parts.items():
        assert value not in made
        assert made.issuperset(parts)


def test_what_nobody_reads_is_not_computed():
    text = HEAD + CONV.format(8, 3) + "[route]\nlayers=0,1\n[route]\nlayers=0\n" + TAIL
    _, program = program_of(text, 30, 300)
    whole = NATIVE(2).compile(program)
    assert [step.layers for step in whole.steps()] == [(), (0,), (4,), ()]
    plan = NATIVE(2).compile(program, int(0.3 * whole.memory))
    assert len(plan.strips) > 1
    x = picture(30, 300)
    np.testing.assert_array_equal(plan(x), whole(x))
