"""The back end itself: what running needs of C; see training.py for training."""

from __future__ import annotations

import math
from collections.abc import Sequence

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
from zoo.plugins.native._binding import _native
from zoo.plugins.native.arrays import (
    as_rows,
    check_length,
    computable,
    flat_taps,
    plain,
    pool_output,
)
from zoo.plugins.native.codes import (
    ALGORITHM_CODES,
    ALGORITHMS,
    CODE_NAMES,
    LEVELS,
    TILED,
    Algorithm,
    activation_code,
    activation_steps,
    geometry_codes,
)
from zoo.plugins.native.compiler import NativePlan
from zoo.plugins.native.isa import choose, has_tiles, why_not
from zoo.plugins.native.recycled import empty
from zoo.plugins.native.target import Target
from zoo.plugins.native.training import TrainingKernels
from zoo.plugins.numpy.convolution import output_shape
from zoo.program.compiled import Cache, Compiled, CompiledPart
from zoo.program.geometry import Window
from zoo.program.program import Program

__all__ = ["NativeKernels"]


class NativeKernels(TrainingKernels):
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
        if algorithm in TILED and not has_tiles(self.level):
            raise PluginError(
                f"the algorithm {algorithm!r} needs AMX, and the instruction set here "
                f"is {LEVELS[self.level]}; take another algorithm"
            )

    def __reduce__(self) -> tuple[type, tuple[int, str, str]]:
        # The same instruction set in another process, or an error there: results of
        # two differ in the last bit.
        return type(self), (self.threads, self.isa, self.algorithm)

    @property
    def target(self) -> Target:
        """What convolutions are compiled for."""
        return Target(self.level, self.algorithm, self.threads)

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
        return NativePlan(program, self, self.target, memory, cache, precision)

    def compile_part(
        self,
        program: Program,
        window: Window,
        memory: int | None = None,
        cache: Cache | None = None,
        precision: Precision = "f32",
    ) -> CompiledPart | None:
        if not program.steps:
            return None
        return NativePlan(program, self, self.target, memory, cache, precision, window)

    # -- convolution -------------------------------------------------------

    def conv2d(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        geometry: ConvGeometry,
        activation: str = "linear",
    ) -> Array:
        code = activation_code(activation)
        if not computable(x, weights, biases) or activation == "prelu":
            return super().conv2d(x, weights, biases, geometry, activation)
        shape = output_shape(x.shape, weights.shape, geometry)
        check_length("biases", biases, weights.shape[3])
        out = empty(shape)
        _native.conv2d(
            *(self.level, self.threads, plain(x), plain(weights), plain(biases)),
            *geometry_codes(geometry),
            self.target.algorithm_code(x.shape, weights.shape, geometry),
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
        return CODE_NAMES[self.target.algorithm_code(x_shape, weights_shape, geometry)]

    def dense(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        activation: str = "linear",
    ) -> Array:
        code = activation_code(activation)
        if not computable(x, weights, biases) or activation == "prelu":
            return super().dense(x, weights, biases, activation)
        if x.ndim != 2 or weights.ndim != 2 or x.shape[1] != weights.shape[1]:
            raise ShapeError(
                f"weights of shape {weights.shape} cannot take inputs {x.shape}"
            )
        check_length("biases", biases, weights.shape[0])
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
        shape = pool_output(x.shape, geometry)
        if shape is None or not computable(x):
            return None
        out = empty(shape)
        size, stride, padding = (tuple(map(int, part)) for part in geometry)
        _native.pool(
            self.level, self.threads, mean, plain(x), size, stride, padding, out
        )
        return out

    def depth_to_space(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, depth = x.shape
        if not computable(x) or scale < 1 or depth % (scale * scale):
            return super().depth_to_space(x, scale, order)
        shape = (batch, height * scale, width * scale, depth // (scale * scale))
        out = empty(shape)
        _native.shuffle(self.threads, True, scale, order == "dcr", plain(x), out)
        return out

    def space_to_depth(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, channels = x.shape
        if not computable(x) or scale < 1 or height % scale or width % scale:
            return super().space_to_depth(x, scale, order)
        shape = (batch, height // scale, width // scale, channels * scale * scale)
        out = empty(shape)
        _native.shuffle(self.threads, False, scale, order == "dcr", plain(x), out)
        return out

    # -- moving values -----------------------------------------------------

    def copy_channels(
        self, x: Array, first: int, out: Array, to_first: int, width: int
    ) -> None:
        fits = computable(x, out) and out.flags.c_contiguous and width > 0
        if not fits or x.shape[:-1] != out.shape[:-1]:
            super().copy_channels(x, first, out, to_first, width)
            return
        results = out.reshape(-1, out.shape[-1])  # a view, for it is written to
        _native.copy_channels(self.threads, as_rows(x), first, results, to_first, width)

    def resample(self, x: Array, axis: int, taps: Taps) -> Array:
        if not computable(x) or not any(taps):
            return super().resample(x, axis, taps)
        shape = (math.prod(x.shape[:axis]), x.shape[axis], -1)
        rows = plain(x).reshape(shape)
        out = empty((shape[0], len(taps), rows.shape[2]))
        _native.resample(
            *(self.level, self.threads, *flat_taps(taps), rows, out),
        )
        return out.reshape(*x.shape[:axis], len(taps), *x.shape[axis + 1 :])

    # -- value by value ----------------------------------------------------

    def activate(self, x: Array, name: str, slopes: Array | None = None) -> Array:
        steps = activation_steps(name)
        if not steps or not computable(x) or (name == "prelu" and slopes is None):
            return super().activate(x, name, slopes)
        rows = as_rows(x)
        out = empty(rows.shape)
        each = None
        if name == "prelu":
            check_length("slopes", slopes, rows.shape[1])
            each = plain(slopes)
        for code in steps:
            _native.activate(self.level, self.threads, *code, each, rows, out)
            rows = out
        return out.reshape(x.shape)

    def multiply(self, a: Array, b: Array, activation: str = "linear") -> Array:
        if math.prod(a.shape) < math.prod(b.shape):
            a, b = b, a
        code = activation_code(activation)
        fits = all(
            own in (1, whole) for whole, own in zip(a.shape, b.shape, strict=True)
        )
        if a.ndim != 4 or not (code and computable(a, b) and fits):
            return super().multiply(a, b, activation)
        out = empty(a.shape)
        left, right = plain(a), np.broadcast_to(plain(b), (len(a), *b.shape[1:]))
        for one, other, result in zip(left, right, out, strict=True):
            _native.multiply(self.level, self.threads, *code, one, other, result)
        return out

    def deviation(self, x: Array) -> Array:
        if not computable(x):
            return super().deviation(x)
        variances = [self.channel_moments(image)[1] for image in x]
        return np.sqrt(np.stack(variances))[:, None, None]

    def normalize_pixels(
        self, x: Array, scales: Array, biases: Array, epsilon: float
    ) -> Array:
        if not computable(x, scales, biases):
            return super().normalize_pixels(x, scales, biases, epsilon)
        rows = as_rows(x)
        check_length("scales", scales, rows.shape[1])
        check_length("biases", biases, rows.shape[1])
        out = empty(rows.shape)
        _native.normalize_pixels(
            *(self.level, self.threads, rows, plain(scales), plain(biases)),
            *(epsilon, out),
        )
        return out.reshape(x.shape)

    def add(
        self,
        a: Array,
        b: Array,
        alpha: float = 1.0,
        beta: float = 1.0,
        activation: str = "linear",
    ) -> Array:
        code = activation_code(activation)
        if not code or not computable(a, b) or a.shape != b.shape:
            return super().add(a, b, alpha, beta, activation)
        left, right = plain(a), plain(b)
        out = empty(a.shape)
        _native.blend(
            *(self.level, self.threads, *code, alpha, beta),
            *(left.reshape(-1), right.reshape(-1), out.reshape(-1)),
        )
        return out
