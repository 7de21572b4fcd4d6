"""What training needs of C: gradients, batch normalization and updates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.plugins.base import Array, ConvGeometry, PoolGeometry
from zoo.plugins.native._binding import _native
from zoo.plugins.native.arrays import (
    as_rows,
    check_length,
    computable,
    plain,
    pool_output,
)
from zoo.plugins.native.codes import (
    ALGORITHM_CODES,
    Algorithm,
    activation_code,
    geometry_codes,
)
from zoo.plugins.native.conv_input_gradient import by_input
from zoo.plugins.native.recycled import empty
from zoo.plugins.numpy import NumpyKernels
from zoo.plugins.numpy.convolution import output_shape

__all__ = ["TrainingKernels"]


class TrainingKernels(NumpyKernels):
    """The half of :class:`zoo.plugins.native.NativeKernels` that goes back."""

    level: int
    """Number of the instruction set: an index of ``LEVELS``."""
    algorithm: Algorithm
    """For every convolution that it can do."""

    # -- gradients ---------------------------------------------------------

    def conv2d_backward(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array, Array]:
        if not computable(x, weights, delta):
            return super().conv2d_backward(x, weights, delta, geometry)
        others = self.conv2d_backward_weights(x, weights, delta, geometry)  # checks
        by_x = by_input(self, delta, weights, geometry, (x.shape[1], x.shape[2]))
        return by_x, *others

    def conv2d_backward_weights(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array]:
        if not computable(x, weights, delta):
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
        if not computable(x, weights):
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
        code = activation_code(name)
        if (
            code is None
            or not computable(x, y, delta)
            or not x.shape == y.shape == delta.shape
            or (name == "prelu" and slopes is None)
        ):
            return super().activation_backward(x, y, delta, name, slopes)
        before, after, change = as_rows(x), as_rows(y), as_rows(delta)
        each = by_slopes = None
        if name == "prelu":
            check_length("slopes", slopes, change.shape[1])
            each = plain(slopes)
            by_slopes = np.empty(change.shape[1], np.float32)
            _native.slopes_gradient(self.level, self.threads, before, change, by_slopes)
        out = empty(change.shape)
        _native.activation_gradient(
            *(self.level, self.threads, *code, each, before, after, change, out)
        )
        return out.reshape(delta.shape), by_slopes

    def dense_backward(
        self, x: Array, weights: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        if not computable(x, weights, delta):
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

    def max_pool_places(
        self, x: Array, geometry: PoolGeometry
    ) -> tuple[Array, NDArray[np.int32] | None]:
        shape = pool_output(x.shape, geometry)
        if shape is None or not computable(x):
            return super().max_pool_places(x, geometry)
        y, places = empty(shape), empty(shape, np.int32)
        _native.max_pool_places(
            self.level, self.threads, plain(x), *_window(geometry), y, places
        )
        return y, places

    def max_pool_backward_at(
        self,
        places: NDArray[np.int32],
        shape: tuple[int, ...],
        delta: Array,
        geometry: PoolGeometry,
    ) -> Array:
        if not computable(delta) or delta.shape != pool_output(shape, geometry):
            return super().max_pool_backward_at(places, shape, delta, geometry)
        out = empty(shape)
        _native.max_pool_gradient(
            *(self.level, self.threads, places, plain(delta)),
            *(*_window(geometry), out),
        )
        return out

    def max_pool_backward(
        self, x: Array, delta: Array, geometry: PoolGeometry
    ) -> Array:
        if not computable(x, delta) or delta.shape != pool_output(x.shape, geometry):
            return super().max_pool_backward(x, delta, geometry)
        _, places = self.max_pool_places(x, geometry)
        assert places is not None
        return self.max_pool_backward_at(places, x.shape, delta, geometry)

    def average_pool_backward(
        self, shape: tuple[int, ...], delta: Array, geometry: PoolGeometry
    ) -> Array:
        pooled = pool_output(shape, geometry)
        if pooled is None or not computable(delta) or delta.shape != pooled:
            return super().average_pool_backward(shape, delta, geometry)
        out = empty(shape)
        _native.average_pool_gradient(
            self.level, self.threads, plain(delta), *_window(geometry), out
        )
        return out

    # -- batch normalization and updates -----------------------------------

    def accumulate(self, total: Array, more: Array) -> None:
        if not computable(total, more) or not total.flags.c_contiguous:
            super().accumulate(total, more)
            return
        a, b = total.reshape(-1), plain(more).reshape(-1)
        _native.blend(self.level, self.threads, 0, 0.0, 1.0, 1.0, a, b, a)

    def channel_sums(self, x: Array) -> Array:
        if not computable(x):
            return super().channel_sums(x)
        out = np.empty(x.shape[-1], np.float32)
        _native.column_sums(self.level, self.threads, as_rows(x), out)
        return out

    def channel_moments(self, x: Array) -> tuple[Array, Array]:
        if not computable(x):
            return super().channel_moments(x)
        rows = as_rows(x)
        # Around the first pixel, so that a large mean costs no precision.
        around, _ = self._products(rows, rows[0], rows, rows[0])
        mean = (rows[0] + around / len(rows)).astype(np.float32)
        rest, squares = self._products(rows, mean, rows, mean)
        variance = squares / len(rows) - np.square(rest / len(rows))
        return mean, np.where(variance < 0, 0, variance).astype(np.float32)

    def channel_products(
        self, delta: Array, x: Array, mean: Array
    ) -> tuple[Array, Array]:
        if not computable(delta, x, mean) or delta.shape != x.shape:
            return super().channel_products(delta, x, mean)
        zero = np.zeros_like(mean)
        sums, products = self._products(as_rows(delta), zero, as_rows(x), mean)
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
        if not computable(x, mean, factor, offset, delta, share):
            return super().normalize(x, mean, factor, offset, delta, share)
        rows = as_rows(x)
        changes = None if delta is None else as_rows(delta)
        out = empty(rows.shape)
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
        if not computable(*arrays) or not all(a.flags.c_contiguous for a in arrays):
            return False
        _native.adam(
            *(self.level, self.threads, rate / (1 - betas[0] ** updates), *betas),
            *(epsilon, 1 / (1 - betas[1] ** updates)),
            *(array.reshape(-1) for array in arrays),
        )
        return True


def _window(geometry: PoolGeometry) -> tuple[tuple[int, ...], ...]:
    """Size, stride and padding as the binding takes them."""
    return tuple(tuple(map(int, part)) for part in geometry)
