"""Conformance checks that authors of layers run in their own tests.

::

    from zoo.shapes import Shape
    from zoo.testing import check_layer

    def test_blur():
        check_layer(Blur(radius=2), [Shape(7, 6, 3)])

Every failure is an AssertionError that says which rule was broken.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.layers.base import Array, Layer
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = [
    "build_randomly",
    "check_gradients",
    "check_layer",
    "numeric_gradient",
    "random_inputs",
]


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


def check_layer(
    layer: Layer,
    shapes: Sequence[Shape],
    *,
    kernels: Kernels | None = None,
    inputs: Sequence[Array] | None = None,
    gradient: bool = True,
    build: bool = True,
    samples: int = 60,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> Array:
    """Check that a layer keeps the rules of :class:`zoo.layers.base.Layer`.

    The shape rule equals what ``forward`` returns; float32 in gives float32 out;
    inputs are not written to; inference does not change the layer; a batch of two
    gives what two batches of one give; and, unless ``gradient`` is False,
    ``backward`` agrees with finite differences (:func:`check_gradients`).

    Parameters
    ----------
    layer : Layer
        Fresh from its constructor; on return it is built and has random values.
    shapes : sequence of Shape
        Of its inputs.
    kernels : Kernels, optional
        The back end; NumPy by default. Gradients always use NumPy, in float64.
    inputs : sequence of ndarray, optional
        float32, batch x H x W x C; by default :func:`random_inputs`.
    gradient : bool
        Whether to check ``backward``.
    build : bool
        Whether to build the layer and fill it with random values; False for a
        layer that already holds the values to test with.
    samples : int
        How many values of each array to differentiate by.
    tolerance : float
        Of gradients, relative to the largest one.
    seed : int
        Of everything random.

    Returns
    -------
    ndarray, float32
        What ``forward`` gave, for further checks.

    Raises
    ------
    AssertionError
        Which rule is broken, and how.
    """
    kernels = kernels or _numpy_kernels()
    name = type(layer).__name__
    expected = layer.output_shape(*shapes)
    if build:
        build_randomly(layer, shapes, seed=seed)
    for kind, table, wanted in (
        ("parameters", layer.parameters, layer.parameter_shapes(*shapes)),
        ("statistics", layer.statistics, layer.statistics_shapes(*shapes)),
    ):
        found = {key: tensor.shape for key, tensor in table.items()}
        assert found == wanted, f"{name}: {kind} are {found}, its rule says {wanted}"
        assert list(found) == list(wanted), f"{name}: {kind} are out of order"

    if inputs is None:
        inputs = random_inputs(shapes, seed=seed)
    copies = [array.copy() for array in inputs]
    inputs = [array.view() for array in inputs]
    for array in inputs:
        array.flags.writeable = False
    before = _snapshot(layer)
    output = layer.forward(*inputs, kernels=kernels)
    assert output.shape == (len(inputs[0]), *expected), (
        f"{name}: output_shape says {expected}, forward gives {output.shape[1:]}"
    )
    assert output.dtype == np.float32, f"{name}: float32 became {output.dtype}"
    for number, (array, saved) in enumerate(zip(inputs, copies, strict=True)):
        assert np.array_equal(array, saved, equal_nan=True), (
            f"{name}: forward changed input {number}"
        )
    changed = _differences(before, _snapshot(layer))
    assert not changed, f"{name}: inference changed {', '.join(changed)}"

    single = [
        layer.forward(*(array[i : i + 1] for array in inputs), kernels=kernels)
        for i in range(len(inputs[0]))
    ]
    np.testing.assert_allclose(
        np.concatenate(single),
        output,
        rtol=1e-4,
        atol=1e-5,
        err_msg=f"{name}: a batch differs from its images one at a time",
    )
    if gradient:
        check_gradients(layer, inputs, samples=samples, tolerance=tolerance, seed=seed)
    return output


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
    kernels = _numpy_kernels()
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
    assert list(trained.gradients) == list(layer.parameters), (
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


def _numpy_kernels() -> Kernels:
    from zoo.plugins.numpy import NumpyKernels

    return NumpyKernels(threads=1)


def _in_precision(layer: Layer, dtype: type[np.floating[Any]]) -> Layer:
    """A copy of a layer with parameters and statistics of another dtype."""
    result = copy.deepcopy(layer)
    for table in (result.parameters, result.statistics):
        for key, tensor in table.items():
            table[key] = tensor.astype(dtype)
    result.gradients = {}
    return result


def _snapshot(layer: Layer) -> dict[str, Any]:
    return copy.deepcopy(vars(layer))


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of attributes whose values differ."""
    return [
        name
        for name in sorted({*before, *after})
        if name not in before
        or name not in after
        or not _same(before[name], after[name])
    ]


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.random.Generator):
        return _same(a.bit_generator.state, b.bit_generator.state)
    if type(a).__eq__ is object.__eq__:
        return _same(getattr(a, "__dict__", {}), getattr(b, "__dict__", {}))
    return bool(a == b)
