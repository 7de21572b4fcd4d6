"""Random values to test with, and the back end that is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.layers.base import Array, Layer
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["build_randomly", "numpy_kernels", "random_inputs"]


def random_inputs(
    shapes: Sequence[Shape],
    *,
    batch: int = 2,
    seed: int = 0,
    dtype: type[np.floating[Any]] = np.float32,
) -> list[Array]:
    """Standard normal arrays, batch x H x W x C, one per shape; the same per seed."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((batch, *shape)).astype(dtype) for shape in shapes]


def build_randomly(layer: Layer, shapes: Sequence[Shape], *, seed: int = 0) -> None:
    """Build a layer and give every parameter and statistic a value of its own.

    Values are those of ``initialize`` plus noise; statistics stay positive where
    ``initialize`` left them positive or zero, as variances must.
    """
    rng = np.random.default_rng(seed)
    layer.build(*shapes)
    layer.initialize(rng)
    for parameter in layer.parameters.values():
        parameter += 0.3 * rng.standard_normal(parameter.shape).astype(np.float32)
    for statistic in layer.statistics.values():
        statistic += rng.uniform(0.1, 0.6, statistic.shape).astype(np.float32)


def numpy_kernels() -> Kernels:
    """NumPy on one thread."""
    from zoo.plugins.numpy import NumpyKernels

    return NumpyKernels(threads=1)
