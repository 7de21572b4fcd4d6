"""Every kind of step that C knows, in bands, on threads: what tests/check_sanitizers.sh runs.

Small, for under a sanitizer everything takes ten times as long.
"""

from __future__ import annotations

import numpy as np
import pytest
from networks import network

from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.plugins import select
from zoo.program import operations
from zoo.program.fusion import fuse
from zoo.program.recompute import recompute

NUMPY = select("numpy")
try:
    from zoo.plugins.native import codes

    NATIVE = type(select("native", threads=1))
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

HEIGHT, WIDTH = 96, 56
CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\nactivation={}\n"
NET = "[net]\nchannels=3\n"
NETWORKS = {
    "rows": NET
    + CONV.format(20, 3, "mish")
    + CONV.format(24, 1, "linear")
    + "[window_attention]\nheads=2\nwindow=4,8\nshift=2,3\n[layernorm]\n"
    + CONV.format(1, 3, "logistic")
    + "[sam]\nfrom=-2\n[route]\nlayers=-1,-3\n[pad]\nsize=2\npad_mode=reflect\n"
    + "[maxpool]\nsize=3\nstride=1\npadding=2\n[trim]\nsize=2\n"
    + "[shortcut]\nfrom=-5\nactivation=relu\n[activation]\nactivation=gelu\n"
    + "[reorg3d]\nstride=2\n"
    + CONV.format(16, 3, "leaky").replace("pad=1", "pad=1\npad_mode=symmetric")
    + "[shuffler]\nscale=2\n[upsample]\nstride=2\n"
    + "[local_avgpool]\nsize=2\nstride=2\npadding=0\n[upsample]\nstride=3\nmode=bicubic\n",
    "means": NET
    + CONV.format(16, 3, "relu")
    + CONV.format(16, 3, "linear")
    + "[avgpool]\ndeviation=1\n"
    + CONV.format(16, 1, "logistic")
    + "[scale_channels]\nfrom=-3\n[shortcut]\nfrom=-5\nactivation=linear\n"
    + "[groupnorm]\ngroups=2\n"
    + CONV.format(16, 5, "relu").replace("pad=1", "pad=1\ngroups=16")
    + "[shortcut]\nfrom=-3\nactivation=linear\n"
    + CONV.format(12, 3, "linear")
    + "[shuffler]\nscale=2\n",
    "dense": NET
    + CONV.format(16, 3, "leaky")
    + CONV.format(8, 3, "linear")
    + "[activation]\nactivation=prelu\n[route]\nlayers=-1,-3\n"
    + CONV.format(8, 3, "leaky")
    + "[route]\nlayers=-1,-2\n"
    + CONV.format(32, 3, "relu").replace("pad=1", "pad=1\nstride=2")
    + CONV.format(128, 3, "linear")
    + "[shuffler]\nscale=2\norder=dcr\n",
}


def plans(text: str, **how):
    """The network, its picture, and programs as one thread and as several run them."""
    net = network(text)
    program = recompute(fuse(lower(net, HEIGHT, WIDTH, NUMPY)))
    whole = NATIVE(1, **how).compile(program)
    kernels = NATIVE(3, **how)
    with pytest.raises(MemoryLimitError) as refusal:
        kernels.compile(program, 1)
    least = refusal.value.needed
    assert least is not None
    # Bands in rings; at the least there are thousands of tasks, with a barrier each.
    room = max(0, whole.memory - least)
    limits = {least + room // 10, least + room // 2}
    return net, whole, [kernels.compile(program, limit) for limit in limits]


def check(net, whole, others):
    shape = (1, HEIGHT, WIDTH, 3)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = whole(x)
    for plan in others:
        for _ in range(2):  # what threads do in the wrong order they do not do always
            np.testing.assert_array_equal(plan(x), expected)
    return (
        np.abs(expected - (truth := net.forward(x, kernels=NUMPY))).max()
        / np.abs(truth).max()
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_step(name):
    net, whole, others = plans(NETWORKS[name])
    assert check(net, whole, others) < 3e-5


def test_there_is_no_other_step():
    kinds = {
        step.operation.kind
        for text in NETWORKS.values()
        for plan in plans(text)[2]
        for step in plan.program.steps
    }
    known = {kind.kind for kind in operations.Operation.__subclasses__()}
    # Fusion and translation make others of the first two; the last is Python.
    assert known - kinds == {"identity", "groupnorm"}
    assert "opaque" in kinds


@pytest.mark.parametrize("algorithm", [*codes.ALGORITHMS])
def test_every_algorithm(algorithm):
    try:
        NATIVE(1, algorithm=algorithm)
    except PluginError as missing:
        pytest.skip(str(missing))
    net, whole, others = plans(NETWORKS["dense"], algorithm=algorithm)
    assert check(net, whole, others) < (3e-2 if algorithm == "amx1" else 1e-4)
