"""zoo's kernels, on one layer. The variant is the back end's name."""

from __future__ import annotations

import numpy as np

import zoo
from zoo.bench.cases import Case, Data
from zoo.bench.layer_peers.base import Built
from zoo.plugins import select
from zoo.plugins.base import ConvGeometry, Padding, PoolGeometry

__all__ = ["build", "version"]


def version() -> str:
    """Of zoo."""
    return zoo.__version__


def build(
    case: Case, direction: str, arrays: Data, threads: int, variant: str
) -> Built:
    """Prepare a layer."""
    kernels = select(variant or None, threads)
    x, delta = arrays.x, arrays.delta
    match case.kind, direction:
        case "conv", _:
            stride = (case.stride, case.stride)
            pad = case.size // 2
            geometry = ConvGeometry(stride, padding=Padding(pad, pad, pad, pad))
            weights, biases = arrays.weights, arrays.biases
            assert weights is not None

            def run() -> object:
                if delta is None:
                    return kernels.conv2d(x, weights, biases, geometry)
                return kernels.conv2d_backward(x, weights, delta, geometry)

        case "maxpool", _:
            size, stride = (case.size, case.size), (case.stride, case.stride)
            before, after = case.margin
            window = PoolGeometry(size, stride, Padding(before, after, before, after))

            def run() -> object:
                if delta is None:
                    return kernels.max_pool(x, window)
                return kernels.max_pool_backward(x, delta, window)

        case _:

            def run() -> object:
                if delta is None:
                    return kernels.depth_to_space(x, case.size, "crd")
                return kernels.space_to_depth(delta, case.size, "crd")

    def fetch(result: object) -> list[np.ndarray]:
        many = result if isinstance(result, tuple) else (result,)
        return [np.asarray(array) for array in many]

    return Built(run, fetch, kernels.instruction_set)
