"""The compiled plan equals the NumPy back end, whatever bands, strips and threads."""

from __future__ import annotations

import re
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import cfgs, network

from zoo.engine import Plan
from zoo.engine.lowering import lower
from zoo.errors import MemoryLimitError, PluginError
from zoo.machine.memory import parse_size
from zoo.models.edsr import EDSR
from zoo.models.wdsr import WDSR
from zoo.plugins import select
from zoo.program.fusion import fuse

NUMPY = select("numpy")
try:
    NATIVE = select("native", threads=2)
except PluginError as missing:
    pytest.skip(str(missing), allow_module_level=True)

FAMILIES = {
    "edsr_x2": EDSR.write(blocks=2, filters=20, scale=2),
    "edsr_x3": EDSR.write(blocks=1, filters=16, scale=3),
    "edsr_x3_wide": EDSR.write(blocks=1, filters=32, scale=3),
    "edsr_x4": EDSR.write(blocks=1, filters=16, scale=4),
    "wdsr_a_x4": WDSR.write(variant="a", blocks=2, filters=8, scale=4),
    "wdsr_b_x2": WDSR.write(variant="b", blocks=2, filters=16, scale=2),
    "groups": (
        "[net]\nchannels=4\n[convolutional]\nfilters=32\nsize=3\npad=1\ngroups=2\n"
        "activation=leaky\n[shuffler]\nscale=2\n[deconvolutional]\nfilters=6\nsize=4\n"
        "stride=2\nsame=1\ngroups=2\nactivation=relu\n"
    ),
    "wdsr_symmetric": WDSR.write(
        variant="a", blocks=1, filters=8, scale=2, padding="symmetric"
    ),
}


def picture(net, height, width, batch=1, seed=0):
    shape = (batch, height, width, net.pixels.channels)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def least(kernels, program):
    """Bytes that the planner names as the least."""
    with pytest.raises(MemoryLimitError) as refusal:
        kernels.compile(program, 1)
    return parse_size(re.search(r"need (.*) at least", str(refusal.value))[1])


def limits_between(kernels, program, parts):
    """Limits from the least that does to all that the plan takes without one."""
    low, high = least(kernels, program), kernels.compile(program).memory
    return [low + int(part * max(0, high - low)) for part in parts]


def relative_error(a, b):
    return float(np.abs(a - b).max() / max(float(np.abs(b).max()), 1e-6))


@settings(deadline=None)
@given(cfgs(), st.integers(1, 23), st.integers(1, 23))
def test_random_networks(text, height, width):
    net = network(text)
    x = picture(net, height, width, batch=2)
    plan = Plan(net, height, width, NATIVE)
    assert plan.compiled is not None or len(net) == 1
    assert relative_error(plan(x), net.forward(x, kernels=NUMPY)) < 1e-4


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(1, 1), (5, 70), (33, 64)])
def test_families(name, size):
    net = network(FAMILIES[name])
    x = picture(net, *size)
    assert (
        relative_error(Plan(net, *size, NATIVE)(x), net.forward(x, kernels=NUMPY))
        < 3e-5
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_little_memory_gives_the_same_bits(name):
    net = network(FAMILIES[name])
    height, width = 61, 700
    x = picture(net, height, width)
    program = fuse(lower(net, height, width, NATIVE))
    whole = NATIVE.compile(program)
    expected = whole(x)
    seen = set()
    for limit in limits_between(NATIVE, program, (0.8, 0.5, 0.2, 0.1, 0)):
        plan = NATIVE.compile(program, limit)
        assert plan.memory <= limit
        np.testing.assert_array_equal(plan(x), expected)
        seen.add((plan.band, len(plan.strips)))
    assert any(strips > 1 for _, strips in seen), seen


SHUFFLED = (
    "[net]\nchannels=3\n[convolutional]\nfilters={}\nsize={}\npad=1\nactivation=relu\n"
    "[shuffler]\nscale={}\norder={}\n[convolutional]\nfilters=5\nsize=3\npad=1\n"
    "activation=linear\n"
)


@pytest.mark.parametrize("algorithm", ["direct", "winograd2", "winograd4", "winograd6"])
@pytest.mark.parametrize(("scale", "order"), [(2, "crd"), (3, "dcr"), (4, "crd")])
@pytest.mark.parametrize("size", [1, 3])
def test_a_convolution_stores_its_shuffle(algorithm, scale, order, size):
    kernels = type(NATIVE)(2, algorithm=algorithm)
    net = network(SHUFFLED.format(32 * scale * scale, size, scale, order))
    x = picture(net, 31, 190)
    program = fuse(lower(net, 31, 190, kernels))
    whole = kernels.compile(program)
    assert "shuffle" not in [step.operation for step in whole.steps()]
    work = sum(step.operations for step in whole.steps())
    assert work == sum(net.operations(31, 190)) > 0
    expected = net.forward(x, kernels=NUMPY)
    assert relative_error(whole(x), expected) < 3e-5
    small = kernels.compile(program, *limits_between(kernels, program, [0.2]))
    assert small.band < whole.band or len(small.strips) > 1
    np.testing.assert_array_equal(small(x), whole(x))


ACTIVATED = """[net]
channels=3
[convolutional]
filters=8
size=3
pad=1
activation={}
[convolutional]
filters=8
size=3
pad=1
activation=linear
[activation]
activation={}
[shortcut]
from=-3
activation={}
"""


@pytest.mark.parametrize("first", ["leaky\nslope=0.3", "gelu_erf"])
@pytest.mark.parametrize("middle", ["linear", "clip\nlow=-0.1\nhigh=0.2", "prelu"])
@pytest.mark.parametrize("last", ["linear", "leaky\nslope=0.25", "leaky", "silu"])
def test_every_activation_of_a_convolution_and_its_sum(first, middle, last):
    net = network(ACTIVATED.format(first, middle, last))
    x = picture(net, 17, 23)
    plan = Plan(net, 17, 23, NATIVE)
    assert "activation" not in [step.operation for step in plan.steps()]
    assert relative_error(plan(x), net.forward(x, kernels=NUMPY)) < 1e-5


BORDERS = """[net]
channels=3
[pad]
top=1
left=3
right=2
[pad]
size=5
left=2
mode=reflect
[convolutional]
filters=6
size=5
pad=1
pad_mode=reflect
activation=relu
[trim]
size=4
right=1
[convolutional]
filters=6
size=3
activation=linear
[trim]
left=1
bottom=2
"""


@pytest.mark.parametrize("size", [(80, 500), (9, 8)])
def test_borders_in_bands_and_strips(size):
    net = network(BORDERS)
    check_in_little_memory(net, *size)


def check_in_little_memory(net, height, width):
    """A network equals NumPy's, and its bits do not depend on memory or threads."""
    x = picture(net, height, width)
    program = fuse(lower(net, height, width, NATIVE))
    whole = NATIVE.compile(program)
    expected = whole(x)
    assert relative_error(expected, net.forward(x, kernels=NUMPY)) < 1e-5
    seen = set()
    for part in (0.8, 0.6, 0.4, 0.3, 0.2, 0.15) if width >= 300 else ():
        limit = int(part * whole.memory)
        try:
            plan = NATIVE.compile(program, limit)
        except MemoryLimitError:
            continue
        seen.add((plan.band, len(plan.strips)))
        np.testing.assert_array_equal(plan(x), expected)
        single = type(NATIVE)(1).compile(program, limit)
        np.testing.assert_array_equal(single(x), expected)
    if width >= 300:
        assert any(strips > 1 for _, strips in seen), seen


ATTENTION = """[net]
channels=3
[convolutional]
filters=20
size=3
pad=1
activation=silu
[convolutional]
filters=20
size=3
pad=1
activation=logistic
[sam]
from=-2
activation=relu
[layernorm]
[convolutional]
filters=1
size=3
pad=1
activation=logistic
[sam]
from=-2
[route]
layers=-2
count=1
[scale_channels]
from=-2
scale_wh=1
activation=leaky
slope=0.3
[reorg3d]
stride={}
order={}
[convolutional]
filters=12
size=3
pad=1
activation=gelu_erf
[upsample]
like={}
mode={}
{}
[convolutional]
filters=6
size=3
pad=1
activation=linear
[upsample]
stride=3
mode=bicubic
scale=0.5
"""


@pytest.mark.parametrize(
    ("stride", "order", "like", "mode", "more"),
    [
        (2, "dcr", 0, "bilinear", ""),
        (2, "crd", 0, "bicubic", ""),
        (2, "dcr", 0, "bilinear", "align_corners=1"),
        (1, "dcr", -3, "bilinear", ""),
        (4, "crd", 0, "nearest", ""),
    ],
)
@pytest.mark.parametrize("size", [(64, 320), (8, 12)])
def test_attention_in_bands_and_strips(stride, order, like, mode, more, size):
    net = network(ATTENTION.format(stride, order, like, mode, more))
    names = [step.operation for step in Plan(net, *size, NATIVE).steps()]
    assert {"normalize", "unshuffle", "resize"} <= set(names)
    assert "conv 3x3 + logistic + multiply + relu" in names
    assert "multiply" in names, "by one channel"
    assert not {"upsample", "sam", "reorg3d"} & set(names), "nothing runs by itself"
    check_in_little_memory(net, *size)


GLOBAL = """[net]
channels=3
[convolutional]
filters=20
size=3
pad=1
activation=mish
[avgpool]
deviation={}
[convolutional]
filters=20
activation=logistic
[scale_channels]
from=0
activation=relu
[groupnorm]
groups=5
[convolutional]
filters=3
size=3
pad=1
activation=linear
"""


@pytest.mark.parametrize("deviation", [0, 1])
@pytest.mark.parametrize("size", [(70, 90), (3, 2)])
def test_what_needs_the_whole_picture(deviation, size):
    net = network(GLOBAL.format(deviation))
    x = picture(net, *size)
    plan = Plan(net, *size, NATIVE)
    assert "scale" in [step.operation for step in plan.steps()]
    assert relative_error(plan(x), net.forward(x, kernels=NUMPY)) < 1e-5


PRODUCTS = """[net]
channels=3
[convolutional]
filters={0}
size=3
pad=1
activation=linear
[convolutional]
filters={0}
size=3
pad=1
groups={2}
activation={1}
[sam]
from=-2
activation=leaky
slope=0.2
[convolutional]
filters={0}
size=1
activation={1}
[sam]
from=-2
"""


@pytest.mark.parametrize("algorithm", ["auto", "direct", "winograd2", "winograd4"])
@pytest.mark.parametrize("filters", [3, 20, 64])
@pytest.mark.parametrize("activation", ["linear", "relu", "logistic"])
@pytest.mark.parametrize("depthwise", [False, True])
def test_convolutions_multiply(algorithm, filters, activation, depthwise):
    kernels = type(NATIVE)(2, algorithm=algorithm)
    groups = filters if depthwise else 1
    net = network(PRODUCTS.format(filters, activation, groups))
    x = picture(net, 15, 22)
    plan = Plan(net, 15, 22, kernels)
    assert "multiply" not in [step.operation for step in plan.steps()]
    assert relative_error(plan(x), net.forward(x, kernels=NUMPY)) < 3e-5


POOLED = """[net]
channels=3
[convolutional]
filters=6
size=3
pad=1
activation=leaky
[{kind}]
size={size}
stride={stride}
padding={padding}
[convolutional]
filters=4
size=3
pad=1
activation=linear
"""


@pytest.mark.parametrize("kind", ["maxpool", "local_avgpool"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 2, 0), (3, 1, 2), (3, 2, 2), (5, 3, 1), (30, 1, 29), (13, 4, 6)],
)
def test_pooling_works_in_bands(kind, size, stride, padding):
    net = network(POOLED.format(kind=kind, size=size, stride=stride, padding=padding))
    height, width = 150, 1000
    x = picture(net, height, width)
    program = fuse(lower(net, height, width, NATIVE))
    whole = NATIVE.compile(program)
    whole_rows = {step.rows_at_a_time for step in whole.steps() if step.buffer}
    assert max(whole_rows) <= height
    assert relative_error(whole(x), net.forward(x, kernels=NUMPY)) < 1e-5
    seen = set()
    for limit in limits_between(NATIVE, program, (0.5, 0.2, 0.1, 0)):
        plan = NATIVE.compile(program, limit)
        assert max(step.rows_at_a_time for step in plan.steps()) < height
        seen.add((plan.band, len(plan.strips)))
        np.testing.assert_array_equal(plan(x), whole(x))
        single = type(NATIVE)(1).compile(program, limit)
        np.testing.assert_array_equal(single(x), whole(x))
    assert any(strips > 1 for _, strips in seen), seen


def test_threads_give_the_same_bits():
    net = network(FAMILIES["edsr_x2"])
    x = picture(net, 45, 52)
    results = [Plan(net, 45, 52, select("native", threads=n))(x) for n in (1, 2, 3)]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])


def test_a_batch_is_its_pictures():
    net = network(FAMILIES["wdsr_a_x4"])
    x = picture(net, 20, 21, batch=3)
    plan = Plan(net, 20, 21, NATIVE)
    np.testing.assert_array_equal(plan(x)[1:2], plan(x[1:2]))


@settings(deadline=None, max_examples=25)
@given(cfgs(), st.integers(1, 150), st.integers(1, 400), st.integers(1, 4))
def test_the_least_memory_named_is_the_least(text, height, width, threads):
    net = network(text)
    kernels = type(NATIVE)(threads)
    program = fuse(lower(net, height, width, NUMPY))
    if not program.steps:
        return
    low = least(kernels, program)
    plan = kernels.compile(program, low)
    assert plan.memory <= low
    with pytest.raises(MemoryLimitError):
        kernels.compile(program, low - 1000)
    x = picture(net, height, width)
    np.testing.assert_array_equal(plan(x), kernels.compile(program)(x))


def test_a_plan_packs_no_weights_before_it_runs():
    net = network(FAMILIES["edsr_x2"])
    cache = {}
    plan = Plan(net, 40, 40, NATIVE, cache=cache)
    assert sum(step.packed for step in plan.steps()) > 0
    with patch("zoo.plugins.native.packing._native.conv_pack") as pack:
        Plan(net, 50, 50, NATIVE, cache=cache)
        plan(picture(net, 40, 40))
        assert pack.call_count == len(cache)
        plan(picture(net, 40, 40))
        assert pack.call_count == len(cache)


def test_impossible_memory_is_said():
    net = network(FAMILIES["edsr_x2"])
    with pytest.raises(MemoryLimitError, match="allow more memory"):
        Plan(net, 200, 200, NATIVE, memory=10_000)


def test_progress_grows_to_one():
    net = network(FAMILIES["edsr_x2"])
    parts = []
    Plan(net, 40, 40, NATIVE)(picture(net, 40, 40), parts.append)
    assert parts == sorted(parts)
    assert parts[-1] == pytest.approx(1)


def test_a_changed_weight_is_noticed():
    from zoo.api import Model

    net = network(FAMILIES["edsr_x2"])
    model = Model(net, NATIVE)
    image = np.random.default_rng(0).integers(256, size=(8, 8, 3), dtype=np.uint8)
    before = model(image)
    net[1].weights[...] *= 2
    assert (model(image) != before).any()
    np.testing.assert_array_equal(model(image), Model(net, NATIVE)(image))


def test_nan_stays_where_the_layers_leave_it():
    net = network(FAMILIES["edsr_x2"])
    x = picture(net, 30, 30)
    x[0, 15, 15, 1] = np.nan
    expected = net.forward(x, kernels=NUMPY)
    np.testing.assert_array_equal(
        np.isnan(Plan(net, 30, 30, NATIVE)(x)), np.isnan(expected)
    )


PIXELS = "[net]\nchannels=3\nrange={}\ncolor={}\nmean=0.4,0.5,0.6\nstd=0.5,1,2\n" + (
    "denormalize={}\n[convolutional]\nfilters=12\nsize=3\npad=1\nactivation=linear\n"
    "[shuffler]\nscale=2\n"
)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(7, 9, 3), (7, 9), (7, 9, 1), (2, 7, 9, 3)])
@pytest.mark.parametrize(("span", "color", "back"), [(1, "rgb", 1), (255, "bgr", 0)])
def test_pixels_to_pixels_equals_the_way_over_floats(dtype, shape, span, color, back):
    from zoo.api import Model

    net = network(PIXELS.format(span, color, back))
    net[0].weights[...] *= 0.3
    image = np.random.default_rng(0).random(shape)
    if np.dtype(dtype).kind == "u":
        image = image * np.iinfo(dtype).max
    image = image.astype(dtype)
    before = image.copy()
    for as_float in (False, True):
        native = Model(net, NATIVE)(image, as_float=as_float)
        plain = Model(net, NUMPY)(image, as_float=as_float)
        assert native.dtype == plain.dtype
        assert native.shape == plain.shape
        largest = float(np.abs(plain.astype(np.float64)).max())
        difference = np.abs(native.astype(np.float64) - plain.astype(np.float64))
        whole = native.dtype.kind == "u"
        assert difference.max() <= (1 if whole else 1e-5 * largest)
        if whole:
            assert (difference == 0).mean() > 0.99
    np.testing.assert_array_equal(image, before)
