"""Bands of rows: everything is there when it is read, and nothing is done twice."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import cfgs, network

from zoo.engine.lowering import lower
from zoo.plugins import select
from zoo.program.fusion import fuse
from zoo.program.operations import Axis
from zoo.program.schedule import _Planner, plan_bands

NUMPY = select("numpy")
ADD_BAND = _Planner.add_band


def replay(program, schedule):
    """Do the tasks on rings of row numbers; raise if a row is not there."""
    heights = [shape.height for shape in program.shapes]
    rings = {value: {} for value in schedule.rows}
    rings[0] = dict(enumerate(range(heights[0])))
    size = {
        value: heights[value] if value == program.output else max(1, rows)
        for value, rows in schedule.rows.items()
    }
    size[0] = heights[0]
    done = dict.fromkeys(schedule.rows, 0)
    for position, start, stop in schedule.tasks:
        step = program.steps[position]
        assert start == done[step.output] < stop <= heights[step.output]
        assert stop - start <= size[step.output]  # threads write them in any order
        for index, value in enumerate(step.inputs):
            if step.operation.streams:
                axis, _ = step.operation.axes(index)
                low, high = axis.needs(start, stop, heights[value])
            else:
                low, high = 0, heights[value]
            for row in range(low, high):
                assert rings[value].get(row % size[value]) == row
        for row in range(start, stop):
            rings[step.output][row % size[step.output]] = row
        done[step.output] = stop
    assert done[program.output] == heights[program.output]


@given(cfgs(), st.integers(1, 40), st.integers(1, 60), st.sampled_from((1, 2, 4, 6)))
def test_every_row_is_there_when_it_is_read(text, height, band, unit):
    program = fuse(lower(network(text), height, 9, NUMPY))
    if not program.steps:
        return
    schedule = plan_bands(program, band, lambda position: unit)
    replay(program, schedule)
    for position, start, _ in schedule.tasks:
        if program.steps[position].operation.streams:
            assert start % unit == 0


@given(cfgs(), st.integers(100, 400), st.integers(1, 24), st.sampled_from((1, 2, 4, 6)))
def test_bands_that_repeat_are_those_worked_out(text, height, band, unit):
    program = fuse(lower(network(text), height, 9, NUMPY))
    if not program.steps:
        return
    schedule = plan_bands(program, band, lambda position: unit)
    replay(program, schedule)
    planner = _Planner(program, band, lambda position: unit)
    total = program.shapes[program.output].height
    for start in range(0, total, band):
        planner.add_band(min(start + band, total))
    assert schedule.rows == planner.whole_groups()
    np.testing.assert_array_equal(schedule.tasks, planner.tasks)


@st.composite
def strided(draw: st.DrawFn) -> str:
    """Text of a chain of windows and strides, with rows that nobody reads."""
    lines = ["[net]", "channels=3", "height=900", "width=700"]
    for _ in range(draw(st.integers(1, 4))):
        size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        if draw(st.booleans()):
            lines += ["[convolutional]", "filters=3", "activation=linear"]
        else:
            lines += ["[maxpool]", "padding=0"]
        lines += [f"size={size}", f"stride={stride}"]
    return "\n".join(lines)


@given(strided(), st.integers(1, 12), st.sampled_from((1, 2, 4, 6)))
def test_rows_that_nobody_reads_have_a_place_too(text, band, unit):
    program = fuse(lower(network(text), 900, 700, NUMPY))
    replay(program, plan_bands(program, band, lambda position: unit))


def test_a_tall_picture_is_planned_at_once():
    text = "[net]\nchannels=3\n" + 40 * (
        "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n"
    )
    program = fuse(lower(network(text), 1_000_000, 8, NUMPY))
    with patch.object(_Planner, "add_band", autospec=True) as band:
        band.side_effect = ADD_BAND
        schedule = plan_bands(program, 8, lambda position: 4)
    assert band.call_count < 100
    assert schedule.tasks[-1][2] == 1_000_000


def test_rings_stay_small():
    """A chain of 3x3 convolutions keeps a band and a few rows of each."""
    text = "[net]\nchannels=4\n" + 6 * (
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
    )
    program = fuse(lower(network(text), 1000, 8, NUMPY))
    schedule = plan_bands(program, 8, lambda position: 4)
    assert max(schedule.rows.values()) <= 8 + 2 + 4


def test_the_replay_notices_a_ring_that_is_too_small():
    text = "[net]\nchannels=4\n" + 3 * (
        "[convolutional]\nfilters=4\nsize=3\npad=1\nactivation=linear\n"
    )
    program = fuse(lower(network(text), 50, 8, NUMPY))
    schedule = plan_bands(program, 4)
    value = next(v for v, rows in schedule.rows.items() if rows > 2)
    schedule.rows[value] -= 1
    with pytest.raises(AssertionError):
        replay(program, schedule)


def test_the_planner_refuses_rings_that_a_task_overflows():
    text = "[net]\nchannels=4\n" + 3 * (
        "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n"
    )
    program = fuse(lower(network(text), 50, 8, NUMPY))
    with (
        patch.object(
            _Planner, "whole_groups", lambda self: dict.fromkeys(self.kept, 1)
        ),
        pytest.raises(AssertionError, match="its ring holds 1"),
    ):
        plan_bands(program, 4)


@given(
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 6),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(("zero", "edge", "symmetric", "reflect")),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(1, 20),
)
def test_needs_is_the_span_of_all_taps(
    size, stride, before, dilation, scale, mode, length, start, count
):
    axis = Axis(size, stride, before, dilation, scale, mode)
    taps = [
        (o // scale) * stride - before + t * dilation
        for o in range(start, start + count)
        for t in range(size)
    ]
    if mode == "edge":
        taps = [min(max(t, 0), length - 1) for t in taps]
    elif mode == "symmetric":
        folded = [t % (2 * length) for t in taps]
        taps = [t if t < length else 2 * length - 1 - t for t in folded]
    elif mode == "reflect":
        mirrored = np.pad(np.arange(length), 200, mode="reflect")
        taps = [int(mirrored[200 + t]) for t in taps]
    inside = [t for t in taps if 0 <= t < length]
    low, high = axis.needs(start, start + count, length)
    if inside:
        assert low <= min(inside)
        assert high > max(inside)
    if dilation == 1 and inside and stride <= size:
        assert (low, high) == (min(inside), max(inside) + 1)
