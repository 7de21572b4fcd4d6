"""The field of every layer, worked out in one pass, is that of going back from it."""

from __future__ import annotations

import math
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.layers.base import INPUT, Window
from zoo.receptive_field import receptive_field, receptive_fields


def graph(windows, sources):
    """What the module needs of a network."""
    layers = [SimpleNamespace(window=lambda pair=pair: pair) for pair in windows]
    return SimpleNamespace(layers=layers, sources=sources)


def going_back(network, last, axis):
    """The definition: what each layer must deliver for one pixel of the last."""
    needed = {last: 1}
    for index in range(last, INPUT, -1):
        if index not in needed:
            continue
        outputs, window = needed.pop(index), network.layers[index].window()[axis]
        if math.isinf(outputs) or math.isinf(window.size):
            inputs = math.inf
        else:
            steps = -(-(outputs - 1) * window.stride // window.scale)
            inputs = steps + math.ceil(window.size)
        for source in network.sources[index]:
            needed[source] = max(needed.get(source, 0), inputs)
    return None if math.isinf(needed[INPUT]) else needed[INPUT]


SIZES = st.sampled_from((1, 1, 2, 3, 3, 4.5, 5))


@st.composite
def graphs(draw, sizes=SIZES, most=5):
    windows, sources = [], []
    for index in range(draw(st.integers(1, most))):
        windows.append(
            tuple(
                Window(
                    draw(sizes),
                    draw(st.sampled_from((1, 1, 2, 3))),
                    draw(st.sampled_from((1, 1, 2, 4))),
                )
                for _ in range(2)
            )
        )
        back = st.integers(INPUT, index - 1)
        skips = draw(st.lists(back, max_size=1))
        sources.append((index - 1, *skips))
    return graph(windows, sources)


@given(graphs())
def test_one_pass_is_going_back_from_every_layer(network):
    for index, field in enumerate(receptive_fields(network)):
        for axis in (0, 1):
            assert field[axis] == going_back(network, index, axis)
        assert receptive_field(network, index) == field


@given(graphs(st.sampled_from((1, 3, math.inf))))
def test_layers_that_see_everything(network):
    for index, field in enumerate(receptive_fields(network)):
        for axis in (0, 1):
            assert field[axis] == going_back(network, index, axis)


@settings(max_examples=25)
@given(graphs(most=40))
def test_many_paths_are_never_underestimated(network):
    for index, field in enumerate(receptive_fields(network)):
        for axis in (0, 1):
            exact = going_back(network, index, axis)
            assert exact <= field[axis] <= 3 * exact + 3


def test_the_work_grows_with_the_depth():
    window = Window(3, 1, 1), Window(3, 1, 1)
    deep = 20_000
    sources = [(i - 1,) if i % 2 else (i - 1, max(INPUT, i - 3)) for i in range(deep)]
    network = graph([window] * deep, sources)
    assert receptive_fields(network)[-1] == (2 * deep + 1, 2 * deep + 1)
