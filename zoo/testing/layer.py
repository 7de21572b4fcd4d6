"""Whether a layer keeps the rules of :class:`zoo.layers.base.Layer`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.layers.base import Array, Layer
from zoo.plugins.base import Kernels
from zoo.shapes import Shape
from zoo.testing.export import check_export
from zoo.testing.gradients import check_gradients, check_order
from zoo.testing.values import build_randomly, numpy_kernels, random_inputs
from zoo.testing.window import check_window

__all__ = ["check_layer"]

_STEPS = 6


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
    gives what two batches of one give; no output pixel sees more of the input than
    ``window`` says, nor much less; what ``lower`` gives computes the same; the layer
    is written as ONNX, or refused in a sentence; and, unless ``gradient`` is False,
    ``backward`` agrees with finite differences (:func:`check_gradients`), whatever
    other layers of its kind do in between (``check_order``), and the values of
    ``initialize`` let every parameter learn.

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
    kernels = kernels or numpy_kernels()
    name = type(layer).__name__
    expected = layer.output_shape(*shapes)
    fresh = copy.deepcopy(layer)
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
    check_window(layer, shapes, kernels)
    check_export(layer, inputs)
    if gradient:
        check_gradients(layer, inputs, samples=samples, tolerance=tolerance, seed=seed)
        check_order(layer, inputs)
    if gradient and build:
        _check_start(fresh, shapes, seed)
    return output


def _check_start(layer: Layer, shapes: Sequence[Shape], seed: int) -> None:
    """From the values of ``initialize`` a few steps must move every parameter.

    Zeros in series pass no gradient to each other and never learn.
    """
    kernels = numpy_kernels()
    rng = np.random.default_rng(seed + 2)
    layer.build(*shapes)
    layer.initialize(rng)
    if layer.frozen or not layer.parameters:
        return
    start = {name: array.copy() for name, array in layer.parameters.items()}
    inputs = random_inputs(shapes, seed=seed + 2)
    for step in range(1, _STEPS + 1):
        output = layer.forward(*inputs, kernels=kernels, training=True)
        delta = rng.standard_normal(output.shape).astype(np.float32)
        layer.backward(delta, kernels=kernels)
        for name, gradient in layer.gradients.items():
            largest = float(np.abs(gradient).max(initial=0.0))
            if largest > 0:
                rate = np.float32(0.05 / (step * largest))  # no two steps cancel out
                layer.parameters[name] -= rate * gradient
    stuck = [
        name
        for name, array in layer.parameters.items()
        if array.size and np.array_equal(array, start[name])
    ]
    assert not stuck, (
        f"{type(layer).__name__}: {', '.join(stuck)} cannot learn from the values of "
        f"initialize: the gradient stays zero; start from random values"
    )


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
