"""Whether an instruction set computes what portable C computes.

Small cases reach every function of its table (``zoo_isa`` of kernels.h), those of
training too: a fault of a compiler or of a processor must cost speed, not results.
All of it takes a few milliseconds, which every process spends that uses the level.
"""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np

from zoo.plugins.native._binding import _native
from zoo.plugins.native.codes import (
    ACTIVATIONS,
    ALGORITHM_CODES,
    LEVELS,
    TILED,
    activation_code,
)
from zoo.shapes import Array

__all__ = ["agrees"]

_DIRECT = ALGORITHM_CODES["direct"]
_UNTILED = tuple(
    code for name, code in ALGORITHM_CODES.items() if name not in ("auto", *TILED)
)
_TOLERANCE = 1e-4  # part of the largest value of a result

_PRELU = activation_code("prelu") or (0, 0.0)
_ONE = (1, 1)
_FRAME = (1, 1, 1, 1)
_BARE = (0, 0, 0, 0)


def agrees(level: int) -> bool:
    """Whether a level computes what portable C computes; warns if not."""
    tiles = LEVELS[level] == "amx"
    try:
        off = _difference(_sample(level, tiles=tiles), _sample(0, tiles=tiles))
        fault = (
            "" if off <= _TOLERANCE else f"results differ by {off:.1e} of their size"
        )
    except ValueError as error:
        fault = str(error)
    if fault:
        warnings.warn(
            f"the native kernels for {LEVELS[level]} fail their test on this "
            f"processor and are not used ({fault}); please report this",
            RuntimeWarning,
            stacklevel=4,
        )
    return not fault


def _difference(results: list[Array], truths: list[Array]) -> float:
    """The largest, as a part of the largest value of a result; NaN if one has any."""
    # Not numpy.testing, whose import and reports take longer than the kernels.
    with np.errstate(invalid="ignore"):
        differences = [
            np.abs(result - truth).max() / np.abs(truth).max()
            for result, truth in zip(results, truths, strict=True)
        ]
    return float(np.max(differences))


def _sample(level: int, *, tiles: bool) -> list[Array]:
    """Results of a level.

    ``tiles``: those of AMX as well. The other levels compute them directly: to
    imitate tiles would take longer than all that a small picture needs.
    """
    cases = _Cases(level)
    cases.convolve()
    cases.map_and_join()
    cases.go_back_through_convolutions()
    cases.go_back_through_the_rest()
    if tiles:
        cases.multiply_tiles()
    return cases.results


def _bfloat16(x: Array) -> Array:
    """The bfloat16 below each value in size, as float32."""
    return (x.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


class _Cases:
    """The cases, in an order that is the same for every level.

    Attributes
    ----------
    results : list of ndarray
        What was computed so far.
    """

    def __init__(self, level: int) -> None:
        self.results: list[Array] = []
        self._level = level
        self._drawn = 0
        self._x = self._values(1, 9, 11, 19)

    def _values(self, *shape: int) -> Array:
        """From -1 to 1, by a hash of their number: numpy.random is slow to import."""
        count = math.prod(shape)
        n = np.arange(self._drawn, self._drawn + count, dtype=np.uint32)
        self._drawn += count
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            n = (n ^ n >> shift) * np.uint32(factor)
        n ^= n >> 16
        return (n * 2.0**-31 - 1).astype(np.float32).reshape(shape)

    def _result(self, *shape: int, dtype: type = np.float32) -> Array:
        """An array to be written to, which is compared."""
        empty = np.nan if np.dtype(dtype).kind == "f" else -9
        self.results.append(np.full(shape, empty, dtype))
        return self.results[-1]

    # -- forward -----------------------------------------------------------

    def convolve(self) -> None:
        """By every algorithm for floats, by those of special shapes, and densely."""
        biases = self._values(35)
        for algorithm in _UNTILED:
            _native.conv2d(
                *(self._level, 1, self._x, self._values(3, 3, 19, 35), biases),
                *(_ONE, _ONE, _FRAME, 0, 1, algorithm, 1, 0.0),
                self._result(1, 9, 11, 35),
            )
        # Few filters, a channel per group, and few channels.
        for channels, filters, groups in ((19, 3, 1), (19, 19, 19), (3, 35, 1)):
            x = np.ascontiguousarray(self._x[..., :channels])
            _native.conv2d(
                *(self._level, 1, x),
                *(self._values(3, 3, channels // groups, filters), None),
                *((2, 2), _ONE, _BARE, 0, groups, _DIRECT, 0, 0.0),
                self._result(1, 4, 5, filters),
            )
        for rows in (19, 3):
            _native.dense(
                *(self._level, 1, self._values(rows, 43), self._values(35, 43), biases),
                *(0, 0.0, self._result(rows, 35)),
            )

    def map_and_join(self) -> None:
        """What computes value by value, pools and enlarges."""
        line = _line()
        for kind in range(len(ACTIVATIONS)):
            out = self._result(*line.shape)
            _native.activate(self._level, 1, kind, 0.1, None, line, out)
        slopes, out = self._values(19), self._result(99, 19)
        rows = self._x.reshape(99, 19)
        _native.activate(self._level, 1, *_PRELU, slopes, rows, out)
        out = self._result(1, 5, 7, 19)
        _native.pool(self._level, 1, False, self._x, (5, 5), _ONE, _BARE, out)
        flat = self._x.ravel()
        _native.blend(
            *(self._level, 1, 1, 0.0, 0.5, -2.0, flat, flat[::-1].copy()),
            self._result(flat.size),
        )
        starts, places = np.array([0, 2, 5]), np.array([0, 3, 8, 1, 2])
        weights = self._values(5)
        for wide in (11 * 19, 19):
            _native.resample(
                *(self._level, 1, starts, places, weights),
                *(self._x[:, :, : wide // 19].reshape(1, 9, -1).copy(),),
                self._result(1, 2, wide),
            )
        pixels = self._x[0]
        for channels in (19, 1):
            other = self._values(9, 11, channels)
            _native.multiply(
                *(self._level, 1, 1, 0.0, pixels, other, self._result(9, 11, 19))
            )
        _native.normalize_pixels(
            *(self._level, 1, rows, slopes, self._values(19), 1e-6),
            self._result(99, 19),
        )

    def multiply_tiles(self) -> None:
        """By the algorithms of AMX."""
        for name, filters, stride in itertools.product(TILED, (35, 48), (1, 2)):
            wide, weights = self._values(1, 5, 37, 40), self._values(3, 3, 40, filters)
            if name == "amx1":  # products of bfloat16 are exact, as others are
                wide, weights = _bfloat16(wide), _bfloat16(weights)
            algorithm = name if LEVELS[self._level] == "amx" else "direct"
            _native.conv2d(
                *(self._level, 1, wide, weights, None, (stride, stride), _ONE, _FRAME),
                *(0, 1, ALGORITHM_CODES[algorithm], 1, 0.0),
                self._result(1, -(-5 // stride), -(-37 // stride), filters),
            )

    # -- backward ----------------------------------------------------------

    def go_back_through_convolutions(self) -> None:
        """By every algorithm for floats, and by those of special shapes."""
        plain = [(19, 35, 1, algorithm) for algorithm in _UNTILED]
        special = [
            (c, k, g, _DIRECT) for c, k, g in ((19, 3, 1), (19, 19, 19), (3, 35, 1))
        ]
        for channels, filters, groups, algorithm in plain + special:
            x = np.ascontiguousarray(self._x[..., :channels])
            _native.conv2d_gradient(
                *(self._level, 1, x, self._values(1, 9, 11, filters)),
                *(_ONE, _ONE, _FRAME, 0, groups, algorithm),
                self._result(3, 3, channels // groups, filters),
                self._result(filters),
            )

    def go_back_through_the_rest(self) -> None:
        """Activations, pooling, batch normalization and an update."""
        level, line = self._level, _line()
        delta, f = self._values(*line.shape), np.empty_like(line)
        for kind in range(len(ACTIVATIONS)):
            _native.activate(0, 1, kind, 0.1, None, line, f)
            out = self._result(*line.shape)
            _native.activation_gradient(
                *(level, 1, kind, 0.1, None, line, f, delta, out)
            )
        delta = self._values(1, 5, 7, 19)
        window = (5, 5), _ONE, _BARE
        out = self._result(*self._x.shape)
        _native.average_pool_gradient(level, 1, delta, *window, out)
        largest = self._result(*delta.shape)
        places = self._result(*delta.shape, dtype=np.int32)
        _native.max_pool_places(level, 1, self._x, *window, largest, places)
        out = self._result(*self._x.shape)
        _native.max_pool_gradient(level, 1, places, delta, *window, out)
        rows, delta = self._x.reshape(99, 19), self._values(99, 19)
        slopes, out = self._values(19), self._result(99, 19)
        _native.activation_gradient(
            *(level, 1, *_PRELU, slopes, rows, rows, delta, out)
        )
        _native.slopes_gradient(level, 1, rows, delta, self._result(19))
        _native.column_sums(level, 1, delta, self._result(19))
        mean, factor, offset, share = self._values(4, 19)
        _native.channel_sums(
            *(level, 1, rows, mean, delta, factor),
            *(self._result(19, dtype=np.float64), self._result(19, dtype=np.float64)),
        )
        _native.normalize(
            *(level, 1, rows, mean, factor, offset, None, None, self._result(99, 19))
        )
        _native.normalize(
            *(level, 1, rows, mean, factor, offset, delta, share, self._result(99, 19))
        )
        parameter, m, v = (self._result(211) for _ in range(3))
        parameter[:], m[:], v[:] = 0, line, np.square(line)
        _native.adam(
            *(level, 1, 1.0, 0.9, 0.999, 1e-8, 2.0, parameter, m, v),
            np.ascontiguousarray(delta.ravel()[:211]),
        )


def _line() -> Array:
    """Arguments of activations."""
    return np.linspace(-6, 6, 211, dtype=np.float32).reshape(1, -1)
