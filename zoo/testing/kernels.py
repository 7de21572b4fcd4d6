"""Whether a back end computes what NumPy's does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from zoo.activations import ACTIVATIONS
from zoo.network import Network
from zoo.plugins.base import Array, ConvGeometry, Kernels, Padding, PoolGeometry
from zoo.program.resampling import Resampling, transposed
from zoo.testing.values import numpy_kernels

__all__ = ["check_kernels"]

_CONVOLUTIONS = (
    # rows, columns, channels, filters, kernel, geometry
    (7, 9, 3, 5, 3, ConvGeometry(padding=Padding(1, 1, 1, 1))),
    (6, 5, 8, 8, 3, ConvGeometry((2, 1), padding=Padding(1, 0, 2, 1), groups=2)),
    (9, 8, 4, 6, 3, ConvGeometry(dilation=(2, 1), padding=Padding(2, 2, 1, 1))),
    (5, 6, 4, 12, 1, ConvGeometry((3, 2))),
    (5, 5, 6, 6, 5, ConvGeometry(padding=Padding(2, 2, 2, 2), pad_mode="symmetric")),
    (8, 7, 6, 6, 3, ConvGeometry(padding=Padding(1, 1, 1, 1), groups=6)),
    (9, 9, 16, 16, 9, ConvGeometry(padding=Padding(4, 4, 4, 4), pad_mode="reflect")),
    (20, 33, 16, 32, 3, ConvGeometry(padding=Padding(1, 1, 1, 1), pad_mode="edge")),
)
_POOLS = (
    PoolGeometry((2, 2), (2, 2)),
    PoolGeometry((3, 2), (1, 2), Padding(1, 1, 0, 1)),
    PoolGeometry((2, 3), (3, 4), Padding(0, 1, 1, 0)),
)
_NETWORK = """
[net]
channels=3
[convolutional]
filters=8
size=3
pad=1
activation=relu
[convolutional]
filters=8
size=3
pad=1
activation=linear
[shortcut]
from=-2
activation=linear
[maxpool]
size=2
stride=1
[convolutional]
filters=12
size=3
pad=1
activation=linear
[shuffler]
scale=2
"""

Case = tuple[str, tuple[Any, ...]]


def check_kernels(kernels: Kernels, *, tolerance: float = 1e-5, seed: int = 0) -> None:
    """Check that a back end agrees with NumPy's, which is the truth.

    Every operation of :class:`zoo.plugins.Kernels` on arrays of random values, odd
    sizes, strides, groups and paddings, its gradients, and a small network as
    :meth:`~zoo.plugins.Kernels.compile` makes it, with memory to spare and without.
    No operation may write to its arguments.

    Parameters
    ----------
    kernels : Kernels
    tolerance : float
        Largest error, relative to the largest value of each result.
    seed : int
        Of the values.

    Raises
    ------
    AssertionError
        Which operation differs, and by how much.
    """
    truth = numpy_kernels()
    for operation, arguments in _cases(np.random.default_rng(seed)):
        what = f"{kernels.name}: {operation}({', '.join(map(_brief, arguments))})"
        found = getattr(kernels, operation)(*arguments)
        _compare(what, found, getattr(truth, operation)(*arguments), tolerance)
    _check_compiled(kernels, truth, tolerance, seed)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    """What to compute, and the name of the operation and its arguments."""

    def values(*shape: int) -> Array:
        array = rng.standard_normal(shape).astype(np.float32)
        array.flags.writeable = False
        return array

    truth = numpy_kernels()
    for rows, columns, channels, filters, size, geometry in _CONVOLUTIONS:
        x = values(2, rows, columns, channels)
        w = values(size, size, channels // geometry.groups, filters)
        b = values(filters)
        delta = values(*truth.conv2d(x, w, b, geometry).shape)
        yield "conv2d", (x, w, b, geometry, "relu")
        yield "conv2d", (x, w, None, geometry)
        yield "conv2d_backward", (x, w, delta, geometry)
        yield "conv2d_backward_weights", (x, w, delta, geometry)
        if geometry.pad_mode == "zero":
            yield "conv2d_transpose", (delta, w, geometry, (rows, columns))
    x, delta = values(2, 7, 6, 12), values(2, 7, 6, 12)
    for pool in _POOLS:
        pooled = values(*truth.max_pool(x, pool).shape)
        yield "max_pool", (x, pool)
        yield "average_pool", (x, pool)
        yield "max_pool_backward", (x, pooled, pool)
        yield "average_pool_backward", (x.shape, pooled, pool)
    for order in ("crd", "dcr"):
        yield "depth_to_space", (x, 2, order)
        yield "space_to_depth", (values(1, 4, 6, 3), 2, order)
    slopes = values(12)
    for name in ACTIVATIONS:
        own = slopes if ACTIVATIONS[name].needs_slopes else None
        yield "activate", (x, name, own)
        y = truth.activate(x, name, own)
        yield "activation_backward", (x, y, delta, name, own)
    for name in ("leaky(0.3)", "leaky(-0.5)", "clip(-0.5,0.25)"):
        yield "activate", (x, name)
        yield "activation_backward", (x, truth.activate(x, name), delta, name)
    yield "add", (x, delta, 0.5, -2.0, "relu")
    for other in (delta, values(2, 7, 6, 1), values(2, 1, 1, 12)):
        yield "multiply", (x, other, "logistic")
    yield "deviation", (x,)
    yield "normalize_pixels", (x, slopes, values(12), 1e-2)
    taps = Resampling("bicubic").taps(7, 9)
    yield "resample", (x, 1, taps)
    yield "resample", (values(2, 9, 6, 12), 1, transposed(taps, 7))
    rows_, matrix = values(5, 8), values(7, 8)
    yield "dense", (rows_, matrix, values(7), "relu")
    yield "dense_backward", (rows_, matrix, values(5, 7))
    yield "channel_moments", (x,)
    yield "channel_sums", (x,)
    yield "channel_products", (delta, x, slopes)
    yield "normalize", (x, slopes, slopes, slopes, delta, slopes)


def _brief(argument: Any) -> str:
    if isinstance(argument, np.ndarray):
        return "x".join(map(str, argument.shape))
    return str(argument)


def _check_compiled(
    kernels: Kernels, truth: Kernels, tolerance: float, seed: int
) -> None:
    from zoo.engine import Plan

    network = Network.parse(_NETWORK).initialize(seed)
    x = np.random.default_rng(seed).random((1, 40, 31, 3), np.float32)
    expected = network.forward(x, kernels=truth)
    for memory in (None, 2_000_000):
        plan = Plan(network, 40, 31, kernels, memory=memory)
        what = f"{kernels.name}: a compiled network, memory {memory}"
        _compare(what, plan(x), expected, 10 * tolerance)


def _compare(what: str, found: Any, wanted: Any, tolerance: float) -> None:
    if wanted is None or isinstance(wanted, tuple):
        parts = wanted or ()
        assert isinstance(found, type(wanted)) and len(found or ()) == len(parts), (
            f"{what}: gives {type(found).__name__}, NumPy's {type(wanted).__name__}"
        )
        for one, other in zip(found or (), parts, strict=True):
            _compare(what, one, other, tolerance)
        return
    assert found.shape == wanted.shape, f"{what}: {found.shape}, not {wanted.shape}"
    assert found.dtype == wanted.dtype, f"{what}: {found.dtype}, not {wanted.dtype}"
    scale = float(np.abs(wanted[np.isfinite(wanted)]).max(initial=1.0))
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=tolerance * scale, err_msg=what
    )
