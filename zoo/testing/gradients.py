"""Gradients held against finite differences."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.layers.base import Array, Layer
from zoo.testing.values import numpy_kernels

__all__ = ["check_gradients", "check_order", "numeric_gradient"]


def numeric_gradient(
    function: Callable[[], float],
    array: Array,
    *,
    step: float = 1e-6,
    samples: int | None = None,
    seed: int = 0,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Gradient of a function by central differences, (f(a+h) - f(a-h)) / 2h.

    Parameters
    ----------
    function : callable
        Computes the cost from the present values of ``array``.
    array : ndarray, float64
        Changed in place, one value at a time, and restored.
    step : float
        The h above.
    samples : int, optional
        Differentiate by this many values, drawn at random; by all if None.
    seed : int
        Of that draw.

    Returns
    -------
    indices : ndarray of int
        Flat indices (C order) into ``array``.
    gradient : ndarray, float64
        Derivatives by those values.
    """
    if array.dtype != np.float64:
        raise TypeError(f"finite differences need float64, not {array.dtype}")
    indices: NDArray[np.intp] = np.arange(array.size, dtype=np.intp)
    if samples is not None and samples < array.size:
        rng = np.random.default_rng(seed)
        indices = np.sort(rng.choice(array.size, samples, replace=False))
    gradient = np.empty(len(indices), np.float64)
    for position, index in enumerate(indices):
        where = np.unravel_index(index, array.shape)
        saved = array[where]
        array[where] = saved + step
        above = function()
        array[where] = saved - step
        below = function()
        array[where] = saved
        gradient[position] = (above - below) / (2 * step)
    return indices, gradient


def check_gradients(
    layer: Layer,
    inputs: Sequence[Array],
    *,
    samples: int = 60,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Compare ``backward`` with central differences, in float64.

    The cost is the sum of the output times random values. Works for layers with
    random states or running statistics: each evaluation starts from a copy.

    Parameters
    ----------
    layer : Layer
        Built and filled with values; not changed.
    inputs : sequence of ndarray, N x H x W x C
        Where to differentiate; away from kinks such as ties of a maximum.
    samples, tolerance, seed
        As in :func:`check_layer`.

    Raises
    ------
    AssertionError
        Naming the input or parameter whose gradient is wrong, misshapen, of
        another dtype or missing, or that ``backward`` wrote to its argument.
    """
    kernels = numpy_kernels()
    name = type(layer).__name__
    layer = _in_precision(layer, np.float64)
    values = [np.array(array, np.float64) for array in inputs]

    rng = np.random.default_rng(seed + 1)
    trained = copy.deepcopy(layer)
    output = trained.forward(*values, kernels=kernels, training=True)
    assert output.dtype == np.float64, f"{name}: float64 became {output.dtype}"
    delta = rng.standard_normal(output.shape)
    delta.flags.writeable = False
    results = trained.backward(delta, kernels=kernels)
    assert isinstance(results, tuple) and len(results) == len(values), (
        f"{name}: backward must return a tuple of {len(values)} arrays"
    )
    assert set(trained.gradients) == set(layer.parameters), (
        f"{name}: gradients of {list(trained.gradients)} "
        f"for parameters {list(layer.parameters)}"
    )

    def cost() -> float:
        result = copy.deepcopy(layer).forward(*values, kernels=kernels, training=True)
        return float(np.sum(result * delta))

    checks: list[tuple[str, Array, Array]] = [
        (f"input {number}", array, gradient)
        for number, (array, gradient) in enumerate(zip(values, results, strict=True))
    ]
    checks += [
        (key, layer.parameters[key], gradient)
        for key, gradient in trained.gradients.items()
    ]
    for label, array, gradient in checks:
        assert gradient.shape == array.shape, (
            f"{name}: gradient of {label} is {gradient.shape}, not {array.shape}"
        )
        assert gradient.dtype == np.float64, (
            f"{name}: gradient of {label} is {gradient.dtype}, not float64"
        )
        indices, numeric = numeric_gradient(cost, array, samples=samples, seed=seed)
        found = gradient.ravel()[indices]
        scale = max(float(np.max(np.abs(numeric), initial=0.0)), 1.0)
        worst = float(np.max(np.abs(found - numeric), initial=0.0)) / scale
        assert worst <= tolerance, (
            f"{name}: gradient of {label} is off by {worst:.2e} of its scale"
        )

    single = _in_precision(layer, np.float32)
    single.forward(
        *(v.astype(np.float32) for v in values), kernels=kernels, training=True
    )
    for gradient in (
        *single.backward(delta.astype(np.float32), kernels=kernels),
        *single.gradients.values(),
    ):
        assert gradient.dtype == np.float32, (
            f"{name}: a gradient is {gradient.dtype} in float32 training"
        )


def check_order(layer: Layer, inputs: Sequence[Array]) -> None:
    """Check that layers of one kind may be taken back in any order.

    Two copies go forward one after the other and back in either order: each must give
    the gradients that it gives alone. What a forward saved belongs to its layer.

    Parameters
    ----------
    layer : Layer
        Built and filled with values; not changed.
    inputs : sequence of ndarray, float32, N x H x W x C

    Raises
    ------
    AssertionError
        If a gradient depends on what the other copy did.
    """
    kernels = numpy_kernels()
    given = [list(inputs), [array[::-1] * np.float32(0.5) for array in inputs]]
    output = copy.deepcopy(layer).forward(*inputs, kernels=kernels)
    rng = np.random.default_rng(3)
    delta = rng.standard_normal(output.shape).astype(np.float32)

    def gradients(order: Sequence[int]) -> dict[tuple[int, int | str], Array]:
        """Both go forward, those in ``order`` back."""
        pair = [copy.deepcopy(layer), copy.deepcopy(layer)]
        for one, values in zip(pair, given, strict=True):
            if len(order) > 1 or one is pair[order[0]]:
                one.forward(*values, kernels=kernels, training=True)
        found: dict[tuple[int, int | str], Array] = {}
        for which in order:
            results = pair[which].backward(delta, kernels=kernels)
            found |= {(which, number): each for number, each in enumerate(results)}
            found |= {(which, key): g for key, g in pair[which].gradients.items()}
        return found

    alone = gradients([0]) | gradients([1])
    for order in ([0, 1], [1, 0]):
        for place, gradient in gradients(order).items():
            assert np.array_equal(gradient, alone[place], equal_nan=True), (
                f"{type(layer).__name__}: backward gives other gradients where another "
                f"layer of its kind went forward in between; what forward saves must "
                f"belong to the layer"
            )


def _in_precision(layer: Layer, dtype: type[np.floating[Any]]) -> Layer:
    """A copy of a layer with parameters and statistics of another dtype."""
    result = copy.deepcopy(layer)
    for table in (result.parameters, result.statistics):
        for key, tensor in table.items():
            table[key] = tensor.astype(dtype)
    result.gradients = {}
    return result
