"""Which numbers each kind of ncnn's layers takes from the ``.bin``, and in what shape.

Sources: ``load_model`` of the layers of Tencent/ncnn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ReaderError
from zoo.parsers._ncnn.numbers import NcnnNumbers
from zoo.parsers._ncnn.param import NcnnLayer

__all__ = ["is_placed", "take_tensors"]

# Elements of the widest layer that is believed; more cannot be in a file anyway.
_MOST: Final = 1 << 40


class _Part(NamedTuple):
    """One array of a layer: its name, its shape, whether a tag stands before it."""

    role: str
    shape: tuple[int, ...]
    tagged: bool = False


def _convolution(layer: NcnnLayer) -> Iterator[_Part]:
    """O x I/g x kh x kw; for ncnn's deconvolutions, too (PyTorch's are I x O)."""
    if layer.integer(28 if "Deconvolution" in layer.op else 19):
        return  # its weights are another input
    _refuse_integers(layer)
    filters, size = layer.integer(0), layer.integer(6)
    kernel = _kernel(layer)
    group = layer.integer(7, 1) if "DepthWise" in layer.op else 1
    per_filter = filters * prod(kernel)
    if min(filters, group, *kernel) < 1 or size < 1 or size % per_filter:
        raise layer.error(
            f"{size} weights do not fill {filters} filters of {kernel[0]}x{kernel[1]}"
        )
    if filters % group:
        raise layer.error(f"{filters} filters are not {group} groups")
    yield _Part("weight", (filters, size // per_filter, *kernel), True)
    if layer.integer(5):
        yield _Part("bias", (filters,))


def _kernel(layer: NcnnLayer) -> tuple[int, int]:
    width = layer.integer(1)
    return layer.integer(11, width), width


def _inner_product(layer: NcnnLayer) -> Iterator[_Part]:
    _refuse_integers(layer)
    filters, size = layer.integer(0), layer.integer(2)
    if filters < 1 or size < 1 or size % filters:
        raise layer.error(f"{size} weights do not fill {filters} outputs")
    yield _Part("weight", (filters, size // filters), True)
    if layer.integer(1):
        yield _Part("bias", (filters,))


def _refuse_integers(layer: NcnnLayer) -> None:
    if layer.integer(8):
        raise ReaderError(
            f"{layer.where}: {layer.op} {layer.name[:80]!r} computes with 8-bit "
            f"integers, which zoo does not; give the float16 or float32 model"
        )


def _memory(layer: NcnnLayer) -> Iterator[_Part]:
    width, height, channels, depth = (layer.integer(key) for key in (0, 1, 2, 11))
    if min(width, height, channels, depth) < 0:
        raise layer.error("a length is negative")
    shape = tuple(side for side in (channels, depth, height, width) if side)
    # 21: 1 floats without a tag, 0 weights with one.
    yield _Part("data", shape, layer.integer(21, 1) == 0)


def _batchnorm(layer: NcnnLayer) -> Iterator[_Part]:
    channels = (layer.integer(0),)
    for role in ("slope", "mean", "variance", "bias"):
        yield _Part(role, channels)


def _scale(layer: NcnnLayer) -> Iterator[_Part]:
    size = layer.integer(0)
    if size == -233:  # the factor is the second input
        return
    yield _Part("scale", (size,))
    if layer.integer(1):
        yield _Part("bias", (size,))


def _padding(layer: NcnnLayer) -> Iterator[_Part]:
    if layer.integer(6):
        yield _Part("values", (layer.integer(6),))


def _affine(size: int, flag: int) -> Callable[[NcnnLayer], Iterator[_Part]]:
    """Factors and offsets of a normalization, if ``flag`` says so."""

    def parts(layer: NcnnLayer) -> Iterator[_Part]:
        if layer.integer(flag, 1):
            yield _Part("gamma", (layer.integer(size),))
            yield _Part("beta", (layer.integer(size),))

    return parts


def _floats(role: str, key: int = 0) -> Callable[[NcnnLayer], Iterator[_Part]]:
    """So many floats as parameter ``key`` says."""

    def parts(layer: NcnnLayer) -> Iterator[_Part]:
        yield _Part(role, (layer.integer(key),))

    return parts


_PARTS: Final[dict[str, Callable[[NcnnLayer], Iterator[_Part]]]] = {
    "Convolution": _convolution,
    "ConvolutionDepthWise": _convolution,
    "Deconvolution": _convolution,
    "DeconvolutionDepthWise": _convolution,
    "InnerProduct": _inner_product,
    "MemoryData": _memory,
    "BatchNorm": _batchnorm,
    "Scale": _scale,
    "Padding": _padding,
    "PReLU": _floats("slope"),
    "Bias": _floats("bias"),
    "InstanceNorm": _affine(0, 2),
    "GroupNorm": _affine(1, 3),
    "LayerNorm": _affine(0, 2),
    "Normalize": _floats("scale", 3),
}

# Layers that take numbers in ways that are not known here: what comes after them in
# the file cannot be found.
_UNKNOWN: Final = frozenset(
    [
        "Convolution1D",
        "ConvolutionDepthWise1D",
        "Convolution3D",
        "ConvolutionDepthWise3D",
        "Deconvolution1D",
        "DeconvolutionDepthWise1D",
        "Deconvolution3D",
        "DeconvolutionDepthWise3D",
        "DeformableConv2D",
        "Embed",
        "GRU",
        "Gemm",
        "LSTM",
        "MultiHeadAttention",
        "Quantize",
        "Requantize",
        "Dequantize",
        "RMSNorm",
        "RNN",
        "Statistics",
        "YoloDetectionOutput",
    ]
)


def is_placed(layer: NcnnLayer) -> bool:
    """Whether it is known how many numbers a layer takes."""
    return layer.op not in _UNKNOWN


def take_tensors(layer: NcnnLayer, numbers: NcnnNumbers) -> dict[str, NDArray[Any]]:
    """Take a layer's arrays, by their roles: "weight", "bias", ...

    Raises
    ------
    ReaderError
        If its parameters make no sense or the file ends.
    """
    found: dict[str, NDArray[np.float32]] = {}
    parts = _PARTS.get(layer.op)
    for role, shape, tagged in parts(layer) if parts else ():
        count = prod(shape)
        if min(shape, default=0) < 0 or count > _MOST:
            raise layer.error(f"its {role} would be of shape {shape}")
        take = numbers.weights if tagged else numbers.floats
        found[role] = take(count, f"{role} of {layer.name[:80]!r}").reshape(shape)
    return found
