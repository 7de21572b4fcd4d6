"""The NumPy back end: pure Python, every operation, the truth for the others.

Matrix products run in NumPy's BLAS, which takes its thread count from the
environment when it is loaded (``OMP_NUM_THREADS``, ``OPENBLAS_NUM_THREADS``);
the rest runs on one thread. float64 works as well as float32.
"""

from __future__ import annotations

import numpy as np

from zoo.activations import activation as find_activation
from zoo.errors import ShapeError
from zoo.plugins.base import (
    Array,
    ConvGeometry,
    Kernels,
    PoolGeometry,
    ShuffleOrder,
)
from zoo.plugins.numpy import convolution, pooling

__all__ = ["NumpyKernels"]

# Elements that an activation handles at a time, so that what it makes on the
# way stays in the cache.
_CHUNK = 1 << 16


class NumpyKernels(Kernels):
    """Kernels in NumPy; see :class:`zoo.plugins.base.Kernels`."""

    name = "numpy"

    @property
    def instruction_set(self) -> str:
        """``NumPy``, and in brackets the BLAS it was built with, where it says so."""
        blas = _blas_name()
        return f"NumPy ({blas})" if blas else "NumPy"

    def conv2d(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        geometry: ConvGeometry,
        activation: str = "linear",
    ) -> Array:
        return convolution.conv2d(x, weights, biases, geometry, activation)

    def conv2d_transpose(
        self,
        x: Array,
        weights: Array,
        geometry: ConvGeometry,
        size: tuple[int, int],
    ) -> Array:
        return convolution.conv2d_transpose(x, weights, geometry, size)

    def conv2d_backward(
        self, x: Array, weights: Array, delta: Array, geometry: ConvGeometry
    ) -> tuple[Array, Array, Array]:
        return convolution.conv2d_backward(x, weights, delta, geometry)

    def dense(
        self,
        x: Array,
        weights: Array,
        biases: Array | None,
        activation: str = "linear",
    ) -> Array:
        out = x @ weights.T
        if biases is not None:
            out += biases
        return find_activation(activation)(out)

    def dense_backward(
        self, x: Array, weights: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        return delta @ weights, delta.T @ x, delta.sum(axis=0)

    def max_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        return pooling.max_pool(x, geometry)

    def max_pool_backward(
        self, x: Array, delta: Array, geometry: PoolGeometry
    ) -> Array:
        return pooling.max_pool_backward(x, delta, geometry)

    def average_pool(self, x: Array, geometry: PoolGeometry) -> Array:
        return pooling.average_pool(x, geometry)

    def average_pool_backward(
        self, shape: tuple[int, ...], delta: Array, geometry: PoolGeometry
    ) -> Array:
        return pooling.average_pool_backward(shape, delta, geometry)

    def depth_to_space(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, depth = x.shape
        channels, rest = divmod(depth, scale * scale)
        if rest or not channels:
            raise ShapeError(
                f"pixel shuffle by {scale} needs a multiple of {scale * scale} "
                f"channels, not {depth}"
            )
        if order == "crd":
            split = x.reshape(batch, height, width, channels, scale, scale)
            moved = split.transpose(0, 1, 4, 2, 5, 3)
        else:
            split = x.reshape(batch, height, width, scale, scale, channels)
            moved = split.transpose(0, 1, 3, 2, 4, 5)
        shape = (batch, height * scale, width * scale, channels)
        return np.ascontiguousarray(moved).reshape(shape)

    def space_to_depth(self, x: Array, scale: int, order: ShuffleOrder) -> Array:
        batch, height, width, channels = x.shape
        if height % scale or width % scale:
            raise ShapeError(
                f"space to depth by {scale} needs sizes that {scale} divides, "
                f"not {height}x{width}"
            )
        height, width = height // scale, width // scale
        split = x.reshape(batch, height, scale, width, scale, channels)
        axes = (0, 1, 3, 5, 2, 4) if order == "crd" else (0, 1, 3, 2, 4, 5)
        shape = (batch, height, width, channels * scale * scale)
        return np.ascontiguousarray(split.transpose(axes)).reshape(shape)

    def activate(self, x: Array, name: str, slopes: Array | None = None) -> Array:
        function = find_activation(name)
        out = np.empty(x.shape, x.dtype)
        pixels, results = (array.reshape(-1, x.shape[-1]) for array in (x, out))
        step = max(1, _CHUNK // max(1, x.shape[-1]))
        for first in range(0, len(pixels), step):
            results[first : first + step] = function(
                pixels[first : first + step], slopes
            )
        return out

    def activation_backward(
        self,
        x: Array,
        y: Array,
        delta: Array,
        name: str,
        slopes: Array | None = None,
    ) -> tuple[Array, Array | None]:
        return find_activation(name).backward(x, y, delta, slopes)

    def add(
        self,
        a: Array,
        b: Array,
        alpha: float = 1.0,
        beta: float = 1.0,
        activation: str = "linear",
    ) -> Array:
        if a.shape != b.shape:
            raise ShapeError(f"cannot add arrays of shapes {a.shape} and {b.shape}")
        left = a if alpha == 1 else alpha * a
        right = b if beta == 1 else beta * b
        out = np.add(left, right)
        return out if activation == "linear" else self.activate(out, activation)


def _blas_name() -> str:
    """Name of NumPy's BLAS, or "" for a NumPy too old to tell (before 1.26)."""
    try:
        config = np.show_config(mode="dicts")
        return str(config["Build Dependencies"]["blas"]["name"])
    except (TypeError, KeyError):
        return ""
