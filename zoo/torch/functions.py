"""The operations of a program on torch tensors, N x C x H x W.

They are differentiable by PyTorch, and equal :mod:`zoo.plugins.interpret` to
rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zoo.activations import activation
from zoo.errors import PluginError
from zoo.plugins.base import (
    ConvGeometry,
    Padding,
    PadMode,
    PoolGeometry,
    ShuffleOrder,
    Taps,
)
from zoo.program.operations import (
    Activate,
    Add,
    Concat,
    Conv,
    Identity,
    Multiply,
    Normalize,
    NormalizeGroups,
    Operation,
    Pad,
    Pool,
    Repeat,
    Resize,
    Scale,
    Shuffle,
    Unshuffle,
)

__all__ = [
    "activate",
    "apply",
    "apply_conv",
    "convolve",
    "convolve_transposed",
    "exact",
    "layer_norm",
    "pad",
    "pool",
    "shuffle",
    "to_images",
    "to_tensor",
]

_EPSILON = 1e-4  # Darknet's, in the denominators of normalize_channels*


def to_tensor(x: Tensor) -> Tensor:
    """N x H x W x C as N x C x H x W, in the same memory."""
    return x.permute(0, 3, 1, 2)


def to_images(x: Tensor) -> Tensor:
    """N x C x H x W as N x H x W x C, contiguous."""
    return x.permute(0, 2, 3, 1).contiguous()


def exact(x: Tensor) -> Tensor:
    """What mixed precision left in bfloat16 as float32, for sums that would lose it."""
    return x.float() if x.dtype == torch.bfloat16 else x


def apply(operation: Operation, inputs: Sequence[Tensor]) -> Tensor | None:
    """Compute an operation without weights; None for the others."""
    x = inputs[0]
    match operation:
        case Identity():
            return x
        case Activate():
            slopes = operation.slopes
            return activate(
                x,
                operation.name,
                None if slopes is None else torch.from_numpy(slopes).to(x.device),
            )
        case Add():
            total = _sum(x, operation.alpha, inputs[1], operation.beta)
            return activate(total, operation.activation)
        case Concat():
            parts = [
                part[:, start:stop]
                for part, (start, stop) in zip(inputs, operation.slices, strict=True)
            ]
            return torch.cat(parts, 1)
        case Multiply() | Scale():
            return activate(x * inputs[1], operation.activation)
        case Normalize():
            scales, biases = (
                torch.as_tensor(array).to(x.device)
                for array in (operation.scales, operation.biases)
            )
            return layer_norm(x, scales, biases, operation.epsilon)
        case NormalizeGroups():
            scales, biases = (
                torch.as_tensor(array).to(x.device)
                for array in (operation.scales, operation.biases)
            )
            return functional.group_norm(
                x, operation.groups, scales, biases, operation.epsilon
            )
        case Unshuffle():
            return unshuffle(x, operation.scale, operation.order)
        case Pool():
            return pool(x, operation.mode, operation.geometry)
        case Pad():
            return pad(x, operation.padding, operation.mode)
        case Repeat():
            scale = float(operation.scale)
            # "nearest" rounds the place down before it is exact: wrong by 41.
            larger = functional.interpolate(x, scale_factor=scale, mode="nearest-exact")
            return _times(larger, operation.factor)
        case Resize():
            return resize(x, operation)
        case Shuffle():
            return shuffle(x, operation.scale, operation.order)
    return None


def apply_conv(
    conv: Conv,
    inputs: Sequence[Tensor],
    weights: Tensor,
    biases: Tensor | None,
    slopes: Tensor | None,
) -> Tensor:
    """A convolution, its epilogue and its shuffle; weights K x C/g x kh x kw."""
    epilogue = conv.epilogue
    y = convolve(inputs[0], weights, biases, conv.geometry)
    y = activate(y, epilogue.activation, slopes)
    if epilogue.residual:
        y = (
            y * inputs[1]
            if epilogue.product
            else _sum(y, epilogue.alpha, inputs[1], epilogue.beta)
        )
        y = activate(y, epilogue.last)
    return y if conv.shuffle == 1 else shuffle(y, conv.shuffle, conv.order)


def _times(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else factor * x


def _sum(a: Tensor, alpha: float, b: Tensor, beta: float) -> Tensor:
    """alpha a + beta b, in one pass where one of them is 1."""
    if beta == 1:
        return torch.add(b, a, alpha=alpha)
    return torch.add(_times(a, alpha), b, alpha=beta)


# -- windows ---------------------------------------------------------------


def convolve(
    x: Tensor, weights: Tensor, biases: Tensor | None, geometry: ConvGeometry
) -> Tensor:
    """Convolution with weights K x C/g x kh x kw."""
    stride, dilation, padding, mode, groups = geometry
    top, bottom, left, right = padding
    if mode != "zero" or top != bottom or left != right:
        x = pad(x, padding, mode)
        top = left = 0
    return functional.conv2d(x, weights, biases, stride, (top, left), dilation, groups)


def convolve_transposed(
    x: Tensor, weights: Tensor, geometry: ConvGeometry, size: tuple[int, int]
) -> Tensor:
    """The transpose of :func:`convolve` with weights C x K/g x kh x kw.

    ``size`` is the height and width of the result.
    """
    whole = functional.conv_transpose2d(
        x, weights, None, geometry.stride, 0, 0, geometry.groups, geometry.dilation
    )
    top, left = geometry.padding.top, geometry.padding.left
    below = max(0, top + size[0] - whole.shape[2])
    beside = max(0, left + size[1] - whole.shape[3])
    if below or beside:
        whole = functional.pad(whole, (0, beside, 0, below))
    return whole[:, :, top : top + size[0], left : left + size[1]]


def pad(x: Tensor, padding: Padding, mode: PadMode) -> Tensor:
    """Rows and columns around an image."""
    top, bottom, left, right = padding
    if not any(padding):
        return x
    sides = (left, right, top, bottom)
    if mode == "zero":
        return functional.pad(x, sides)
    if mode == "reflect" and max(padding) < min(x.shape[2:]):
        return functional.pad(x, sides, mode="reflect")
    # One row mirrored at the border is the border.
    if mode == "edge" or (mode == "symmetric" and max(padding) == 1):
        return functional.pad(x, sides, mode="replicate")
    for axis, ends in ((2, (top, bottom)), (3, (left, right))):
        if any(ends):
            cells = np.pad(np.arange(x.shape[axis]), ends, mode=mode)
            x = x.index_select(axis, torch.from_numpy(cells).to(x.device))
    return x


def pool(x: Tensor, mode: str, geometry: PoolGeometry) -> Tensor:
    """Largest value or mean of each window, over cells inside the image."""
    if mode == "deviation":
        return deviation(x)
    size, stride, (top, bottom, left, right) = geometry
    sides = (left, right, top, bottom)
    if mode == "max":
        padded = functional.pad(x, sides, value=-math.inf)
        return functional.max_pool2d(padded, size, stride)
    mean = functional.avg_pool2d(functional.pad(x, sides), size, stride)
    if not any(sides):
        return mean
    inside = functional.pad(x.new_ones(1, 1, *x.shape[2:]), sides)
    return mean / functional.avg_pool2d(inside, size, stride)


def resize(x: Tensor, operation: Resize) -> Tensor:
    """Another size by a fixed filter."""
    method, size = operation.method, operation.size
    if method.mode == "bilinear" or (method.mode == "bicubic" and method.a == -0.75):
        y = functional.interpolate(
            x, size=size, mode=method.mode, align_corners=method.align_corners
        )
    else:
        y = x
        for axis in (0, 1):
            taps = method.taps(operation.length[axis], size[axis])
            y = _weighted(y, 2 + axis, taps)
    return _times(y, operation.factor)


def _weighted(x: Tensor, axis: int, taps: Taps) -> Tensor:
    """Sums of weighted neighbors along an axis."""
    total: Tensor | None = None
    shape = [1] * x.ndim
    shape[axis] = -1
    for number in range(max(map(len, taps))):
        # Where there are fewer taps than elsewhere, the first once more, times 0.
        some = [
            each[number] if number < len(each) else (each[0][0], 0) for each in taps
        ]
        places = torch.tensor([place for place, _ in some], device=x.device)
        weights = x.new_tensor([weight for _, weight in some]).reshape(shape)
        part = x.index_select(axis, places) * weights
        total = part if total is None else total + part
    assert total is not None
    return total


def deviation(x: Tensor) -> Tensor:
    """Standard deviation of the picture; its gradient is 0 where it is 0 itself."""
    variance = x.var((2, 3), correction=0, keepdim=True)
    varies = variance > 0
    return torch.where(varies, torch.where(varies, variance, 1).sqrt(), 0)


def layer_norm(x: Tensor, scales: Tensor, biases: Tensor, epsilon: float) -> Tensor:
    """Every pixel normalized by its own channels."""
    images = x.permute(0, 2, 3, 1)
    y = functional.layer_norm(images, images.shape[3:], scales, biases, epsilon)
    return to_tensor(y)


def unshuffle(x: Tensor, scale: int, order: ShuffleOrder) -> Tensor:
    """Space to depth."""
    if order == "crd":
        return functional.pixel_unshuffle(x, scale)
    batch, channels, height, width = x.shape
    height, width = height // scale, width // scale
    split = x.reshape(batch, channels, height, scale, width, scale)
    moved = split.permute(0, 3, 5, 1, 2, 4)
    return moved.reshape(batch, channels * scale * scale, height, width)


def shuffle(x: Tensor, scale: int, order: ShuffleOrder) -> Tensor:
    """Depth to space."""
    if order == "crd":
        return functional.pixel_shuffle(x, scale)
    batch, depth, height, width = x.shape
    channels = depth // (scale * scale)
    split = x.reshape(batch, scale, scale, channels, height, width)
    moved = split.permute(0, 3, 4, 1, 5, 2)
    return moved.reshape(batch, channels, height * scale, width * scale)


# -- activations -----------------------------------------------------------


def activate(x: Tensor, name: str, slopes: Tensor | None = None) -> Tensor:
    """An activation of :mod:`zoo.activations`; ``slopes`` (C) for prelu.

    Raises
    ------
    PluginError
        If this plugin does not know it.
    """
    if name == "prelu":
        if slopes is None:
            raise PluginError("the activation prelu needs slopes")
        return functional.prelu(x, slopes)
    row = activation(name)
    try:
        return _ACTIVATIONS[row.name](x, *row.numbers)
    except KeyError:
        raise PluginError(
            f"the back end torch does not know the activation {name}; "
            f"use another back end"
        ) from None


def _plse(x: Tensor) -> Tensor:
    outer = torch.where(x < 0, 0.01 * (x + 4), 0.01 * (x - 4) + 1)
    return torch.where(x.abs() > 4, outer, 0.125 * x + 0.5)


def _stair(x: Tensor) -> Tensor:
    whole, half = torch.floor(x), torch.floor(x / 2)
    return torch.where(torch.remainder(whole, 2) == 0, half, (x - whole) + half)


def _lhtan(x: Tensor) -> Tensor:
    inner = torch.where(x > 1, 0.001 * (x - 1) + 1, x)
    return torch.where(x < 0, 0.001 * x, inner)


def _hard_mish(x: Tensor) -> Tensor:
    curved = x.clamp(-2, 0)
    return torch.where(x > 0, x, (0.5 * curved + 1) * curved)


def _share(values: Tensor, epsilon: Tensor | float = _EPSILON) -> Tensor:
    return values / (epsilon + values.sum(1, keepdim=True))


def _channel_softmax(x: Tensor) -> Tensor:
    # Multiplied through by e^-m against overflow; m drops out of the quotient.
    m = x.amax(1, keepdim=True).clamp(min=0).detach()
    return _share(torch.exp(x - m), _EPSILON * torch.exp(-m))


def _channel_softmax_maximum(x: Tensor) -> Tensor:
    return _share(torch.exp(x - x.max(1, keepdim=True).values))


def _selu(x: Tensor) -> Tensor:
    below = 1.0507 * 1.6732 * torch.expm1(x.clamp(max=0))
    return torch.where(x >= 0, 1.0507 * x, below)


def _gelu(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


_ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "linear": lambda x: x,
    "logistic": torch.sigmoid,
    "loggy": lambda x: torch.tanh(0.5 * x),
    "relu": torch.relu,
    "relu6": functional.relu6,
    "elu": functional.elu,
    "relie": lambda x: functional.leaky_relu(x, 0.01),
    "ramp": lambda x: torch.relu(x) + 0.1 * x,
    "tanh": torch.tanh,
    "plse": _plse,
    "leaky": functional.leaky_relu,
    "revleaky": functional.leaky_relu,
    "stair": _stair,
    "hardtan": functional.hardtanh,
    "lhtan": _lhtan,
    "selu": _selu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "elliot": lambda x: 0.5 * functional.softsign(x) + 0.5,
    "symmelliot": functional.softsign,
    "swish": functional.silu,
    "silu": functional.silu,
    "mish": functional.mish,
    "gelu": _gelu,
    "gelu_erf": functional.gelu,
    "clip": torch.clamp,
    "hard_mish": _hard_mish,
    "normalize_channels": lambda x: _share(torch.relu(x)),
    "normalize_channels_softmax": _channel_softmax,
    "normalize_channels_softmax_maxval": _channel_softmax_maximum,
}
