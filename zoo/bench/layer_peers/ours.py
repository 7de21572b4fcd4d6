"""zoo's kernels, on one layer. The variant is the back end's name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import zoo
from zoo.bench.cases import Data, LayerCase
from zoo.bench.layer_peers.base import Built
from zoo.plugins import Kernels, select
from zoo.plugins.base import Array, ConvGeometry, Padding, PoolGeometry

__all__ = ["backward", "build", "conv_geometry", "forward", "version"]


def version() -> str:
    """Of zoo."""
    return zoo.__version__


def build(
    case: LayerCase, direction: str, arrays: Data, threads: int, variant: str
) -> Built:
    """Prepare a layer."""
    kernels = select(variant or None, threads)
    call = (forward if direction == "forward" else backward)(kernels, case, arrays)
    return Built(call, _fetch, kernels.instruction_set)


def forward(kernels: Kernels, case: LayerCase, arrays: Data) -> Callable[[], Array]:
    """What computes a case with a back end."""
    x, other = arrays.x, arrays.other
    match case.kind:
        case "conv":
            weights, biases = arrays.weights, arrays.biases
            assert weights is not None
            geometry = conv_geometry(case)
            return lambda: kernels.conv2d(x, weights, biases, geometry)
        case "maxpool":
            window = _window(case)
            return lambda: kernels.max_pool(x, window)
        case "shuffle":
            return lambda: kernels.depth_to_space(x, case.size, "crd")
        case "add":
            assert other is not None
            return lambda: kernels.add(x, other)
        case name:
            return lambda: kernels.activate(x, name)


def backward(kernels: Kernels, case: LayerCase, arrays: Data) -> Callable[[], object]:
    """What computes the gradients of one of :data:`zoo.bench.cases.CASES`."""
    x, delta = arrays.x, arrays.delta
    assert delta is not None
    match case.kind:
        case "conv":
            weights, geometry = arrays.weights, conv_geometry(case)
            assert weights is not None
            return lambda: kernels.conv2d_backward(x, weights, delta, geometry)
        case "maxpool":
            window = _window(case)
            _, places = kernels.max_pool_places(x, window)
            if places is None:
                return lambda: kernels.max_pool_backward(x, delta, window)
            return lambda: kernels.max_pool_backward_at(places, x.shape, delta, window)
        case _:
            return lambda: kernels.space_to_depth(delta, case.size, "crd")


def conv_geometry(case: LayerCase) -> ConvGeometry:
    """How the convolution of a case moves over the image."""
    pad = case.size // 2
    sides = Padding(pad, pad, pad, pad)
    return ConvGeometry((case.stride, case.stride), padding=sides, groups=case.groups)


def _window(case: LayerCase) -> PoolGeometry:
    size, stride = (case.size, case.size), (case.stride, case.stride)
    before, after = case.margin
    return PoolGeometry(size, stride, Padding(before, after, before, after))


def _fetch(result: object) -> list[np.ndarray]:
    many = result if isinstance(result, tuple) else (result,)
    return [np.asarray(array) for array in many]
