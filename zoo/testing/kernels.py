"""Whether a back end computes what NumPy's does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from zoo.activations import ACTIVATIONS
from zoo.network import Network
from zoo.plugins.base import Array, ConvGeometry, Kernels, Padding, PoolGeometry
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

Case = tuple[str, Callable[[Kernels], Any]]


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
    for what, compute in _cases(np.random.default_rng(seed)):
        _compare(f"{kernels.name}: {what}", compute(kernels), compute(truth), tolerance)
    _check_compiled(kernels, truth, tolerance, seed)


def _cases(rng: np.random.Generator) -> Iterator[Case]:
    def values(*shape: int) -> Array:
        array = rng.standard_normal(shape).astype(np.float32)
        array.flags.writeable = False
        return array

    for rows, columns, channels, filters, size, geometry in _CONVOLUTIONS:
        x = values(2, rows, columns, channels)
        weights = values(size, size, channels // geometry.groups, filters)
        biases = values(filters)
        where = f"{size}x{size} convolution of {channels} channels, {geometry}"

        def convolve(
            k: Kernels,
            x: Array = x,
            w: Array = weights,
            b: Array = biases,
            g: ConvGeometry = geometry,
        ) -> Array:
            return k.conv2d(x, w, b, g, "relu")

        yield where, convolve
        shape = convolve(numpy_kernels()).shape
        delta = values(*shape)

        def back(
            k: Kernels,
            x: Array = x,
            w: Array = weights,
            d: Array = delta,
            g: ConvGeometry = geometry,
        ) -> Any:
            return *k.conv2d_backward(x, w, d, g), *k.conv2d_backward_weights(
                x, w, d, g
            )

        yield f"gradient of the {where}", back
        if geometry.pad_mode == "zero":
            yield (
                f"transposed {where}",
                lambda k, d=delta, w=weights, g=geometry, s=(rows, columns): (
                    k.conv2d_transpose(d, w, g, s)
                ),
            )
    x = values(2, 7, 6, 12)
    for geometry_ in _POOLS:
        pooled = values(*numpy_kernels().max_pool(x, geometry_).shape)
        yield f"maximum {geometry_}", lambda k, g=geometry_: k.max_pool(x, g)
        yield f"mean {geometry_}", lambda k, g=geometry_: k.average_pool(x, g)
        yield (
            f"gradient of the maximum {geometry_}",
            lambda k, g=geometry_, d=pooled: k.max_pool_backward(x, d, g),
        )
        yield (
            f"gradient of the mean {geometry_}",
            lambda k, g=geometry_, d=pooled: k.average_pool_backward(x.shape, d, g),
        )
    for order in ("crd", "dcr"):
        yield f"shuffle {order}", lambda k, o=order: k.depth_to_space(x, 2, o)
        wide = values(1, 4, 6, 3)
        yield f"unshuffle {order}", lambda k, o=order, w=wide: k.space_to_depth(w, 2, o)
    slopes, delta = values(12), values(2, 7, 6, 12)
    for name in ACTIVATIONS:
        own = slopes if name == "prelu" else None
        yield name, lambda k, n=name, s=own: k.activate(x, n, s)
        y = numpy_kernels().activate(x, name, own)
        yield (
            f"gradient of {name}",
            lambda k, n=name, s=own, y=y: k.activation_backward(x, y, delta, n, s),
        )
    yield "sum", lambda k: k.add(x, delta, 0.5, -2.0, "relu")
    rows_, weights_, biases_ = values(5, 8), values(7, 8), values(7)
    yield "product of matrices", lambda k: k.dense(rows_, weights_, biases_, "relu")
    out = values(5, 7)
    yield (
        "gradient of the product of matrices",
        lambda k: k.dense_backward(rows_, weights_, out),
    )
    yield "moments of channels", lambda k: k.channel_moments(x)
    yield "sums of channels", lambda k: k.channel_sums(x)
    yield "products of channels", lambda k: k.channel_products(delta, x, slopes)
    yield (
        "normalization",
        lambda k: k.normalize(x, slopes, slopes, slopes, delta, slopes),
    )


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
