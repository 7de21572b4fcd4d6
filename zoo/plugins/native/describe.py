"""What C is told of a plan: values, steps, pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.plugins.native import codes
from zoo.plugins.native._binding import _native
from zoo.plugins.native.arena import Arena
from zoo.plugins.native.arrays import flat_taps, plain
from zoo.plugins.native.packing import PackedConvolution
from zoo.program.compiled import PixelMap
from zoo.program.operations import (
    Activate,
    Add,
    Affine,
    Attend,
    BlockMoments,
    Concat,
    Conv,
    Load,
    Multiply,
    Normalize,
    Pad,
    Pool,
    Repeat,
    Resize,
    Scale,
    Shuffle,
    Store,
    Unshuffle,
)
from zoo.program.resampling import times
from zoo.program.schedule import Schedule, most_rows
from zoo.program.strips import Strip
from zoo.shapes import Array

__all__ = ["describe", "set_pixels"]


_ATTEND_BLOCK = 64  # ZOO_ATTEND_BLOCK


def describe(
    strip: Strip,
    arena: Arena,
    schedule: Schedule,
    convolutions: Mapping[int, PackedConvolution],
    level: int,
) -> Any:
    """Tell C everything about the values and steps of a strip.

    Parameters
    ----------
    strip : Strip
    arena : Arena
        How many rows each value keeps.
    schedule : Schedule
    convolutions : mapping of int to PackedConvolution
        By position of the step.
    level : int
        Number of the instruction set.

    Returns
    -------
    _native.Engine
        Still without memory and pictures.
    """
    program = strip.program
    engine = _native.Engine(level, len(program.shapes), max(1, len(program.steps)))
    for value, shape in enumerate(program.shapes):
        kept = arena.rows[value], arena.pixel(value), arena.shifts[value]
        engine.set_value(value, *shape, *kept)
    for position, most in enumerate(most_rows(schedule, len(program.steps))):
        _describe_step(engine, strip, position, most, convolutions.get(position))
    return engine


def _describe_step(
    engine: Any,
    strip: Strip,
    position: int,
    most_rows: int,
    found: PackedConvolution | None,
) -> None:
    step = strip.program.steps[position]
    operation, inputs, output = step.operation, step.inputs, step.output
    skips = strip.skips[position]
    one = (position, inputs[0], skips[0], output)
    match operation:
        case Conv():
            assert found is not None
            e = operation.epilogue
            activation, slope = _code(e.activation)
            engine.set_conv(
                *(position, inputs, skips, output, most_rows),
                strip.widths[position][0],
                *(found.weights, found.packed, plain(operation.biases)),
                *codes.geometry_codes(operation.geometry),
                *(found.code, activation, slope, plain(e.slopes)),
                *(e.alpha, e.beta, *_code(e.last)),
                *(e.product, operation.shuffle),
            )
        case Pool():
            size, stride, padding = (
                tuple(map(int, part)) for part in operation.geometry
            )
            mean = operation.mode == "average"
            width = strip.widths[position][0]
            engine.set_pool(*one, most_rows, width, mean, size, stride, padding)
        case Shuffle():
            engine.set_shuffle(*one, operation.scale, operation.order == "dcr")
        case Repeat():
            engine.set_repeat(*one, operation.scale, operation.factor)
        case Pad():
            mode = codes.PAD_CODES[operation.mode]
            engine.set_pad(*one, tuple(map(int, operation.padding)), mode)
        case Activate():
            first, *then = codes.activation_steps(operation.name)
            slopes = plain(operation.slopes)
            engine.set_activate(*one, *first, slopes, *chain(*then))
        case Add():
            kind = _code(operation.activation)
            factors = operation.alpha, operation.beta
            engine.set_add(position, inputs, skips, output, *factors, *kind)
        case Multiply() | Scale():
            kind = _code(operation.activation)
            is_map = isinstance(operation, Scale)
            describe_product = engine.set_scale if is_map else engine.set_multiply
            describe_product(position, inputs, skips, output, *kind)
        case Affine():
            engine.set_affine(position, inputs, skips, output)
        case Normalize():
            factors = plain(operation.scales), plain(operation.biases)
            engine.set_normalize(*one, *factors, operation.epsilon)
        case BlockMoments():
            width = strip.widths[position][0]
            engine.set_moments(*one, width, *operation.size)
        case Attend():
            extent, width = operation.extent, strip.widths[position][0]
            depth = strip.program.shapes[output].channels // operation.heads
            engine.set_attend(
                *(*one, width, operation.heads, extent, operation.before),
                *(operation.origin, _padded(operation.biases), 1 / math.sqrt(depth)),
            )
        case Unshuffle():
            engine.set_unshuffle(*one, operation.scale, operation.order == "dcr")
        case Resize():
            rows = operation.method.taps(operation.length[0], operation.size[0])
            columns = times(
                operation.column_taps(strip.program.shapes[output].width),
                operation.factor,
            )
            width = strip.widths[position][0]
            engine.set_resize(*one, width, flat_taps(rows), flat_taps(columns))
        case Concat():
            engine.set_concat(position, inputs, skips, output, operation.slices)
        case Load():
            engine.set_load(position, inputs[0], output)
        case Store():
            engine.set_store(*one)


def _padded(biases: Array | None) -> Array | None:
    """Biases of pairs with queries (the last axis) in whole blocks."""
    if biases is None:
        return None
    more = -biases.shape[2] % _ATTEND_BLOCK
    return plain(np.pad(biases, ((0, 0), (0, 0), (0, more))))


def _code(name: str) -> tuple[int, float]:
    """Number and slope of an activation that C knows."""
    code = codes.activation_code(name)
    assert code is not None
    return code


def set_pixels(
    describe: Callable[..., None],
    value: int,
    pixels: NDArray[Any],
    how: PixelMap,
    first: int = 0,
) -> list[Any]:
    """Tell C where pixels are, from row ``first``; returns what must stay alive."""
    mean, std = (
        None if numbers is None else np.array(numbers, np.float32)
        for numbers in (how.mean, how.std)
    )
    describe(
        *(value, pixels.ctypes.data, first, pixels.shape, _strides(pixels)),
        *(codes.PIXEL_CODES[pixels.dtype.name], how.reverse, how.scale, mean, std),
    )
    return [pixels, mean, std]


def _strides(pixels: NDArray[Any]) -> tuple[int, int, int]:
    """Bytes between neighbors; NumPy leaves any number for an axis of one."""
    height, width, channels = pixels.shape
    pixel = pixels.itemsize * channels
    return (
        pixels.strides[0] if height > 1 else pixel * width,
        pixels.strides[1] if width > 1 else pixel,
        pixels.strides[2] if channels > 1 else pixels.itemsize,
    )
