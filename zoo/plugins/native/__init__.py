"""The native back end: C kernels behind Cython.

What C does not cover (float64, activations across channels, empty arrays) goes to
the NumPy back end, from which this one inherits. Results are the same bits for
every number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import PluginError, ShapeError, UsageError
from zoo.plugins.base import (
    Array,
    ConvGeometry,
    PoolGeometry,
    Precision,
    ShuffleOrder,
    Taps,
)
from zoo.plugins.numpy import NumpyKernels
from zoo.plugins.numpy.convolution import output_shape
from zoo.plugins.program import Cache, Compiled, Program

try:
    # The form with "from" would blame a circular import for a missing file.
    import zoo.plugins.native._native as _native  # noqa: PLR0402
except ImportError as error:
    raise PluginError(
        "the native kernels were not compiled (no C compiler when zoo was installed); "
        "install a C compiler and run `pip install -e .` in a checkout, or "
        f"`pip install --force-reinstall --no-cache-dir cfgzoo` ({error})"
    ) from error

_BINDING = 4  # of _native.pyx
if getattr(_native, "BINDING", None) != _BINDING:
    raise PluginError(
        "the native kernels were compiled for another version of zoo; compile them "
        "again: `pip install -e .` in a checkout, or "
        "`pip install --force-reinstall --no-cache-dir cfgzoo`"
    )

from zoo.plugins.native.codes import (
    ACTIVATION_CODES,
    ALGORITHM_CODES,
    ALGORITHMS,
    AUTO_CODES,
    CODE_NAMES,
    TILED,
    Algorithm,
    geometry_codes,
    plain,
)
from zoo.plugins.native.compiler import NativePlan
from zoo.plugins.native.gradients import by_input
from zoo.plugins.native.isa import LEVELS, choose, has_tiles, why_not

__all__ = ["ALGORITHMS", "Algorithm", "NativeKernels"]


class NativeKernels(NumpyKernels):
    """Kernels in C; see :class:`zoo.plugins.base.Kernels`.

    Parameters
    ----------
    threads : int, optional
        As for every back end.
    isa : {"portable", "avx2", "avx512", "amx"}, optional
        Instruction set; else ``ZOO_ISA``, else the best that there is.
    algorithm : str, optional
        One of :data:`ALGORITHMS`, for every convolution that it can do; others
        are done as "auto" would. Those in ``codes.TILED`` need AMX.

    Raises
    ------
    PluginError
        If this processor does not have the instruction set asked for, or not the
        one that the algorithm needs.
    UsageError
        If there is no instruction set or algorithm of that name.
    """

    name = "native"

    def __init__(
        self,
        threads: int | None = None,
        isa: str | None = None,
        algorithm: Algorithm = "auto",
    ) -> None:
        super().__init__(threads)
        if algorithm not in ALGORITHM_CODES:
            raise UsageError(
                f"there is no algorithm {algorithm!r}; give one of "
                f"{', '.join(ALGORITHMS)}"
            )
        self.algorithm = algorithm
        self.level = choose(isa)
        """Number of the instruction set: an index of ``LEVELS``."""
        if algorithm in TILED and not has_tiles(self.level):
            raise PluginError(
                f"the algorithm {algorithm!r} needs AMX, and the instruction set here "
                f"is {LEVELS[self.level]}; take another algorithm"
            )

    @property
    def isa(self) -> str:
        """Name of the instruction set, as ``ZOO_ISA`` takes it."""
        return LEVELS[self.level]

    @property
    def instruction_set(self) -> str:
        """ "portable C", "AVX2+FMA", "AVX-512"."""
        return str(_native.describe(self.level)[0])

    @property
    def unused_instruction_sets(self) -> dict[str, str]:
        """Higher levels that the processor has, and why they are not used."""
        return why_not(self.level)

    def compile(
        self,
        program: Program,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
    ) -> Compiled | None:
        if not program.steps:
            return None
        return NativePlan(program, self, memory, cache, precision)

    # -- convolution -------------------------------------------------------

    def conv2d(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        geometry: ConvGeometry,
        activation: str = "linear",
    ) -> Array:
        code = ACTIVATION_CODES.get(activation)
        if not _computable(x, weights, biases) or activation == "prelu":
            return super().conv2d(x, weights, biases, geometry, activation)
        shape = output_shape(x.shape, weights.shape, geometry)
        _check_length("biases", biases, weights.shape[3])
        out = np.empty(shape, np.float32)
        _native.conv2d(
            *(self.level, self.threads, plain(x), plain(weights), plain(biases)),
            *geometry_codes(geometry),
            self.algorithm_code(x.shape, weights.shape, geometry),
            *(code or (0, 0.0)),
            out,
        )
        return out if code else self.activate(out, activation)

    def chosen_algorithm(
        self,
        x_shape: Sequence[int],
        weights_shape: Sequence[int],
        geometry: ConvGeometry,
    ) -> str:
        """Name of the algorithm that :meth:`conv2d` uses for these shapes.

        One of :data:`ALGORITHMS` but "auto", or what "direct" comes down to:
        "dot" for few filters, "depthwise" for one channel per group.
        """
        return CODE_NAMES[self.algorithm_code(x_shape, weights_shape, geometry)]

    def algorithm_code(
        self,
        x_shape: Sequence[int],
        weights_shape: Sequence[int],
        geometry: ConvGeometry,
        *,
        packed: bool = False,
        precision: Precision = "f32",
    ) -> int:
        """Number of the algorithm for these shapes, an index of ``CODE_NAMES``.

        ``packed`` says that packed weights will be used many times, so that the
        time to pack them does not count.
        """
        auto = AUTO_CODES[precision]
        wanted = auto if self.algorithm == "auto" else ALGORITHM_CODES[self.algorithm]
        shapes = tuple(x_shape), tuple(weights_shape), *geometry_codes(geometry)
        code = int(_native.conv_algorithm(self.level, *shapes, wanted, packed))
        if code < 0:  # the one asked for cannot do this
            code = int(_native.conv_algorithm(self.level, *shapes, auto, packed))
        return code

    def dense(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        activation: str = "linear",
    ) -> Array:
        code = ACTIVATION_CODES.get(activation)
        if not _computable(x, weights, biases) or activation == "prelu":
            return super().dense(x, weights, biases, activation)
        if x.ndim != 2 or weights.ndim != 2 or x.shape[1] != weights.shape[1]:
            raise ShapeError(
                f"weights of shape {weights.shape} cannot take inputs {x.shape}"
            )
        _check_length("biases", biases, weights.shape[0])
        out = np.empty((x.shape[0], weights.shape[0]), np.float32)
        _native.dense(
            *(self.level, self.threads, plain(x), plain(weights), plain(biases)),
            *(code or (0, 0.0)),
            out,
        )
        return out if code else self.activate(out, activation)

    # -- pooling and shuffling ---------------------------------------------

    def max_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        pooled = self._pool(x, geometry, mean=False)
        return super().max_pool(x, geometry) if pooled is None else pooled

    def average_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        pooled = self._pool(x, geometry, mean=True)
        return super().average_pool(x, geometry) if pooled is None else pooled

    def _pool(self, x: Array, geometry: PoolGeometry, *, mean: bool) -> Array | None:
        """What C gives; None for what C does not cover."""
        shape = _pool_output(x.shape, geometry)
        if shape is None or not _computable(x):
            return None
        out = np.empty(shape, np.float32)
        size, stride, padding = (tuple(map(int, part)) for part in geometry)
        _native.pool(
            self.level, self.threads, mean, plain(x), size, stride, padding, out
        )
        return out

    def depth_to_space(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, depth = x.shape
        if not _computable(x) or scale < 1 or depth % (scale * scale):
            return super().depth_to_space(x, scale, order)
        shape = (batch, height * scale, width * scale, depth // (scale * scale))
        out = np.empty(shape, np.float32)
        _native.shuffle(self.threads, True, scale, order == "dcr", plain(x), out)
        return out

    def space_to_depth(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, channels = x.shape
        if not _computable(x) or scale < 1 or height % scale or width % scale:
            return super().space_to_depth(x, scale, order)
        shape = (batch, height // scale, width // scale, channels * scale * scale)
        out = np.empty(shape, np.float32)
        _native.shuffle(self.threads, False, scale, order == "dcr", plain(x), out)
        return out

    # -- backward ----------------------------------------------------------

    def conv2d_backward(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array, Array]:
        if not _computable(x, weights, delta):
            return super().conv2d_backward(x, weights, delta, geometry)
        others = self.conv2d_backward_weights(x, weights, delta, geometry)  # checks
        by_x = by_input(self, delta, weights, geometry, (x.shape[1], x.shape[2]))
        return by_x, *others

    def conv2d_backward_weights(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array]:
        if not _computable(x, weights, delta):
            return super().conv2d_backward_weights(x, weights, delta, geometry)
        shape = output_shape(x.shape, weights.shape, geometry)
        if delta.shape != shape:
            raise ShapeError(f"the gradient has shape {delta.shape}, not {shape}")
        by_weights = np.empty(weights.shape, np.float32)
        by_biases = np.empty(shape[3], np.float32)
        _native.conv2d_gradient(
            *(self.level, self.threads, plain(x), plain(delta)),
            *geometry_codes(geometry),
            *(ALGORITHM_CODES[self.algorithm], by_weights, by_biases),
        )
        return by_weights, by_biases

    def conv2d_transpose(
        self,
        x: Array,
        weights: Array,
        geometry: ConvGeometry,
        size: tuple[int, int],
    ) -> Array:
        if not _computable(x, weights):
            return super().conv2d_transpose(x, weights, geometry, size)
        image = (len(x), *size, weights.shape[2] * geometry.groups)
        if x.shape != output_shape(image, weights.shape, geometry):
            return super().conv2d_transpose(x, weights, geometry, size)  # says why
        return by_input(self, x, weights, geometry, size)

    def activation_backward(
        self,
        x: Array,
        y: Array,
        delta: Array,
        name: str,
        slopes: Array | None = None,
    ) -> tuple[Array, Array | None]:
        code = ACTIVATION_CODES.get(name)
        if (
            code is None
            or not _computable(x, y, delta)
            or not x.shape == y.shape == delta.shape
            or (name == "prelu" and slopes is None)
        ):
            return super().activation_backward(x, y, delta, name, slopes)
        before, after, change = _rows(x), _rows(y), _rows(delta)
        each = by_slopes = None
        if name == "prelu":
            _check_length("slopes", slopes, change.shape[1])
            each = plain(slopes)
            by_slopes = np.empty(change.shape[1], np.float32)
            _native.slopes_gradient(self.level, self.threads, before, change, by_slopes)
        out = np.empty_like(change)
        _native.activation_gradient(
            *(self.level, self.threads, *code, each, before, after, change, out)
        )
        return out.reshape(delta.shape), by_slopes

    def dense_backward(
        self, x: Array, weights: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        if not _computable(x, weights, delta):
            return super().dense_backward(x, weights, delta)
        if x.ndim != 2 or delta.shape != (len(x), len(weights)):
            raise ShapeError(
                f"the gradient has shape {delta.shape}, not {(len(x), len(weights))}"
            )
        # Both are products with the transpose of a matrix, as dense is.
        by_x = self.dense(delta, weights.T, None)
        by_weights = self.dense(np.ascontiguousarray(delta.T), x.T, None)
        by_biases = np.empty(len(weights), np.float32)
        _native.column_sums(self.level, self.threads, plain(delta), by_biases)
        return by_x, by_weights, by_biases

    def max_pool_backward(
        self, x: Array, delta: Array, geometry: PoolGeometry
    ) -> Array:
        shape = _pool_output(x.shape, geometry)
        if shape is None or not _computable(x, delta) or delta.shape != shape:
            return super().max_pool_backward(x, delta, geometry)
        return self._pool_backward(x, delta, geometry, np.empty_like(x), mean=False)

    def average_pool_backward(
        self, shape: tuple[int, ...], delta: Array, geometry: PoolGeometry
    ) -> Array:
        pooled = _pool_output(shape, geometry)
        if pooled is None or not _computable(delta) or delta.shape != pooled:
            return super().average_pool_backward(shape, delta, geometry)
        out = np.empty(shape, np.float32)
        return self._pool_backward(out, delta, geometry, out, mean=True)

    def _pool_backward(
        self, x: Array, delta: Array, geometry: PoolGeometry, out: Array, *, mean: bool
    ) -> Array:
        size, stride, padding = (tuple(map(int, part)) for part in geometry)
        _native.pool_gradient(
            *(self.level, self.threads, mean, plain(x), plain(delta)),
            *(size, stride, padding, out),
        )
        return out

    # -- moving values -----------------------------------------------------

    def copy_channels(
        self, x: Array, first: int, out: Array, to_first: int, width: int
    ) -> None:
        fits = _computable(x, out) and out.flags.c_contiguous and width > 0
        if not fits or x.shape[:-1] != out.shape[:-1]:
            super().copy_channels(x, first, out, to_first, width)
            return
        results = out.reshape(-1, out.shape[-1])  # a view, for it is written to
        _native.copy_channels(self.threads, _rows(x), first, results, to_first, width)

    def resample(self, x: Array, axis: int, taps: Taps) -> Array | None:
        if not _computable(x) or not any(taps):
            return None
        counts = [len(some) for some in taps]
        pairs = [pair for some in taps for pair in some]
        shape = (math.prod(x.shape[:axis]), x.shape[axis], -1)
        rows = plain(x).reshape(shape)
        out = np.empty((shape[0], len(taps), rows.shape[2]), np.float32)
        _native.resample(
            *(self.level, self.threads, np.cumsum([0, *counts], dtype=np.int64)),
            np.array([place for place, _ in pairs], np.int64),
            np.array([weight for _, weight in pairs], np.float32),
            *(rows, out),
        )
        return out.reshape(*x.shape[:axis], len(taps), *x.shape[axis + 1 :])

    # -- batch normalization and updates -----------------------------------

    def accumulate(self, total: Array, more: Array) -> None:
        if not _computable(total, more) or not total.flags.c_contiguous:
            super().accumulate(total, more)
            return
        a, b = total.reshape(-1), plain(more).reshape(-1)
        _native.blend(self.level, self.threads, 0, 0.0, 1.0, 1.0, a, b, a)

    def channel_sums(self, x: Array) -> Array:
        if not _computable(x):
            return super().channel_sums(x)
        out = np.empty(x.shape[-1], np.float32)
        _native.column_sums(self.level, self.threads, _rows(x), out)
        return out

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        if not _computable(x):
            return super().channel_moments(x)
        rows = _rows(x)
        # Around the first pixel, so that a large mean costs no precision.
        around, _ = self._products(rows, rows[0], rows, rows[0])
        mean = (rows[0] + around / len(rows)).astype(np.float32)
        rest, squares = self._products(rows, mean, rows, mean)
        variance = squares / len(rows) - np.square(rest / len(rows))
        return mean, np.where(variance < 0, 0, variance).astype(np.float32)

    def channel_products(
        self, delta: Array, x: Array, mean: Array
    ) -> tuple[Array, Array]:
        if not _computable(delta, x, mean) or delta.shape != x.shape:
            return super().channel_products(delta, x, mean)
        zero = np.zeros_like(mean)
        sums, products = self._products(_rows(delta), zero, _rows(x), mean)
        return sums.astype(np.float32), products.astype(np.float32)

    def _products(self, a: Array, shift: Array, b: Array, mean: Array) -> Any:
        """Sums of a - shift and of (a - shift) (b - mean) by column, in float64."""
        sums, products = np.empty(a.shape[1]), np.empty(a.shape[1])
        _native.channel_sums(
            *(self.level, self.threads, a, plain(shift), b, plain(mean)),
            *(sums, products),
        )
        return sums, products

    def normalize(
        self,
        x: Array,
        mean: Array,
        factor: Array,
        offset: Array,
        delta: Array | None = None,
        share: Array | None = None,
    ) -> Array:
        if not _computable(x, mean, factor, offset, delta, share):
            return super().normalize(x, mean, factor, offset, delta, share)
        rows = _rows(x)
        changes = None if delta is None else _rows(delta)
        out = np.empty_like(rows)
        _native.normalize(
            *(self.level, self.threads, rows, plain(mean), plain(factor)),
            *(plain(offset), changes, plain(share), out),
        )
        return out.reshape(x.shape)

    def adam(
        self,
        parameter: Array,
        gradient: Array,
        m: Array,
        v: Array,
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        updates: int,
    ) -> bool:
        arrays = (parameter, m, v, gradient)
        if not _computable(*arrays) or not all(a.flags.c_contiguous for a in arrays):
            return False
        _native.adam(
            *(self.level, self.threads, rate / (1 - betas[0] ** updates), *betas),
            *(epsilon, 1 / (1 - betas[1] ** updates)),
            *(array.reshape(-1) for array in arrays),
        )
        return True

    # -- value by value ----------------------------------------------------

    def activate(self, x: Array, name: str, slopes: Array | None = None) -> Array:
        code = ACTIVATION_CODES.get(name)
        if code is None or not _computable(x) or (name == "prelu" and slopes is None):
            return super().activate(x, name, slopes)
        rows = _rows(x)
        out = np.empty_like(rows)
        each = None
        if name == "prelu":
            _check_length("slopes", slopes, rows.shape[1])
            each = plain(slopes)
        _native.activate(self.level, self.threads, *code, each, rows, out)
        return out.reshape(x.shape)

    def add(
        self,
        a: Array,
        b: Array,
        alpha: float = 1.0,
        beta: float = 1.0,
        activation: str = "linear",
    ) -> Array:
        code = ACTIVATION_CODES.get(activation)
        if not code or not _computable(a, b) or a.shape != b.shape:
            return super().add(a, b, alpha, beta, activation)
        left, right = plain(a), plain(b)
        out = np.empty(a.shape, np.float32)
        _native.blend(
            *(self.level, self.threads, *code, alpha, beta),
            *(left.reshape(-1), right.reshape(-1), out.reshape(-1)),
        )
        return out


def _computable(*arrays: Array | None) -> bool:
    """Whether C can take the arrays: none empty, all float32."""
    return all(
        array is None or (array.dtype == np.float32 and array.size > 0)
        for array in arrays
    )


def _rows(x: Array) -> Array:
    """Pixels x channels; of an array that C can take as it is, a view."""
    return plain(x).reshape(-1, x.shape[-1] if x.ndim else 1)


def _check_length(what: str, array: Array | None, length: int) -> None:
    if array is not None and array.shape != (length,):
        raise ShapeError(f"{what} have shape {array.shape}, not ({length},)")


def _pool_output(
    x: tuple[int, ...], geometry: PoolGeometry
) -> tuple[int, int, int, int] | None:
    """Shape of a pooling's result; None where there is none."""
    rows, columns = (
        (
            x[1 + axis]
            + geometry.padding[2 * axis]
            + geometry.padding[2 * axis + 1]
            - geometry.size[axis]
        )
        // geometry.stride[axis]
        + 1
        for axis in (0, 1)
    )
    return (x[0], rows, columns, x[3]) if min(rows, columns) >= 1 else None
