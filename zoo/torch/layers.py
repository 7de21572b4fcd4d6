"""Layers on torch tensors, N x C x H x W, training included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import PluginError
from zoo.layers.activation import Activation
from zoo.layers.base import Layer
from zoo.layers.batchnorm import BatchNorm, Normalization
from zoo.layers.connected import Connected
from zoo.layers.convolutional import Convolutional
from zoo.layers.cost import Cost
from zoo.layers.cross_attention import CrossAttention
from zoo.layers.deconvolutional import Deconvolutional
from zoo.layers.dropout import Dropout
from zoo.layers.dysample import Dysample
from zoo.layers.groupnorm import GroupNorm
from zoo.layers.input import Input
from zoo.layers.layernorm import LayerNorm
from zoo.layers.pad import Pad
from zoo.layers.pooling import PoolLayer
from zoo.layers.reorg3d import Reorg3d
from zoo.layers.route import Route
from zoo.layers.sam import Sam
from zoo.layers.scale_channels import ScaleChannels
from zoo.layers.shortcut import RELU_FLOOR, SUM_FLOOR, Shortcut, overlap
from zoo.layers.shuffler import Shuffler
from zoo.layers.softmax import Softmax
from zoo.layers.transposed_attention import TransposedAttention
from zoo.layers.trim import Trim
from zoo.layers.upsample import Upsample
from zoo.layers.window_attention import WindowAttention
from zoo.shapes import Shape
from zoo.torch.attention import (
    cross_attention,
    transposed_attention,
    window_attention,
)
from zoo.torch.dysample import dysample
from zoo.torch.foreign import Function, Tensors, by_itself
from zoo.torch.functions import (
    activate,
    apply,
    convolve,
    convolve_transposed,
    exact,
    layer_norm,
    to_images,
    to_tensor,
)

__all__ = ["MAKERS", "Function", "Tensors", "function_of"]


def function_of(layer: Layer) -> Function:
    """What computes a layer; its own forward and backward if nothing else does."""
    if layer.is_special:
        return by_itself(layer)
    for kind, make in MAKERS.items():
        # A subclass may compute something else.
        if type(layer) is kind:
            return make(layer)
    if isinstance(layer, PoolLayer) and type(layer).__module__.startswith("zoo."):
        return _lowered(layer)
    return by_itself(layer)


def _lowered(layer: Layer) -> Function:
    """Layers without weights: what they are in a program."""

    def run(tensors: Tensors, training: bool, *inputs: Tensor) -> Tensor:
        operation = layer.lower(*(_shape(x) for x in inputs))
        result = None if operation is None else apply(operation, inputs)
        if result is None:
            raise PluginError(f"{type(layer).__name__} has no counterpart in PyTorch")
        return result

    return run


def _normalized(x: Tensor, tensors: Tensors, layer: Any, training: bool) -> Tensor:
    """Batch normalization, statistics moved while training."""
    x = exact(x)
    normalization: Normalization = layer.normalization
    if training and not layer.frozen:
        axes = (0, 2, 3)
        mean = x.mean(axes)
        variance = x.var(axes, correction=0)
        with torch.no_grad():
            count = x.numel() // x.shape[1]
            unbiased = variance * (count / max(count - 1, 1))
            for name, value in (("mean", mean), ("variance", unbiased)):
                rolling = tensors[f"rolling_{name}"]
                rolling.mul_(normalization.keep).add_(
                    value, alpha=1 - normalization.keep
                )
    else:
        mean, variance = tensors["rolling_mean"], tensors["rolling_variance"]
    if normalization.pjreddie:
        divisor = variance.sqrt() + 1e-6
    else:
        divisor = (variance + normalization.epsilon).sqrt()
    factor = tensors["scales"] / divisor
    y = (x - _column(mean)) * _column(factor)
    biases = tensors.get("biases")
    return y if biases is None else y + _column(biases)


def _column(values: Tensor) -> Tensor:
    return values.reshape(-1, 1, 1)


def _finished(y: Tensor, tensors: Tensors, layer: Any, training: bool) -> Tensor:
    """What follows W x: normalization or biases, and the activation."""
    if layer.batch_normalize:
        y = _normalized(y, tensors, layer, training)
    elif "biases" in tensors:
        y = y + _column(tensors["biases"])
    return activate(y, layer.function)


def _convolutional(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        weights = tensors["weights"].permute(3, 2, 0, 1)
        geometry = layer.geometry(_shape(x))
        if layer.batch_normalize:
            y = convolve(x, weights, None, geometry)
            y = _normalized(y, tensors, layer, training)
        else:
            y = convolve(x, weights, tensors.get("biases"), geometry)
        return activate(y, layer.function)

    return run


def _deconvolutional(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        weights = tensors["weights"].permute(3, 2, 0, 1)
        height, width, _ = layer.output_shape(_shape(x))
        y = convolve_transposed(x, weights, layer.geometry(), (height, width))
        return _finished(y, tensors, layer, training)

    return run


def _connected(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        y = to_images(x).reshape(len(x), -1) @ tensors["weights"].T
        y = y.reshape(len(x), -1, 1, 1)
        return _finished(y, tensors, layer, training)

    return run


def _batchnorm(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        return _normalized(x, tensors, layer, training)

    return run


def _groupnorm(layer: GroupNorm) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        scales, biases = tensors["scales"], tensors["biases"]
        return torch.nn.functional.group_norm(
            x, layer.groups, scales, biases, layer.eps
        )

    return run


def _layernorm(layer: LayerNorm) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        return layer_norm(x, tensors["scales"], tensors["biases"], layer.eps)

    return run


def _activation(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        return activate(x, layer.function, tensors.get("slopes"))

    return run


def _dropout(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        if not training:
            return x
        # The layer's own random numbers: both learners do the same, exactly.
        shape = (x.shape[0], *x.shape[2:], x.shape[1])
        kept = layer.rng.random(shape, np.float32) >= layer.probability
        factor = 1 / (1 - layer.probability) if layer.probability < 1 else 0.0
        mask = torch.from_numpy(kept * np.float32(factor)).to(x.device)
        return x * to_tensor(mask)

    return run


def _softmax(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        images = x.permute(0, 2, 3, 1) if layer.spatial else x
        kept = images.shape[:3] if layer.spatial else images.shape[:1]
        rows = images.reshape(*kept, layer.groups, -1) / layer.temperature
        y = torch.softmax(rows, -1).reshape(images.shape)
        return to_tensor(y) if layer.spatial else y

    return run


def _upsample(layer: Upsample) -> Function:
    if layer.stride > 0:
        return _lowered(layer)

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        cell = -layer.stride
        y = torch.nn.functional.avg_pool2d(x, cell) * cell**2
        return y if layer.scale == 1 else y * layer.scale

    return run


def _shortcut(layer: Shortcut) -> Function:
    def run(tensors: Tensors, training: bool, *inputs: Tensor) -> Tensor:
        inputs = tuple(map(exact, inputs))
        if layer.weighted:
            total = _weighted_sum(layer, tensors["weights"], inputs)
        elif any(x.shape != inputs[0].shape for x in inputs):
            total = _partial_sum(layer, inputs)
        else:
            total = inputs[0] if layer.alpha == 1 else layer.alpha * inputs[0]
            for other in inputs[1:]:
                total = total + (other if layer.beta == 1 else layer.beta * other)
        return activate(total, layer.function)

    return run


def _partial_sum(layer: Shortcut, inputs: tuple[Tensor, ...]) -> Tensor:
    """The sum of inputs of unequal shapes; see :class:`Shortcut`."""
    shapes = tuple(_shape(x) for x in inputs)
    images = [_as_images(x) for x in inputs]
    factors = torch.ones(shapes[0], dtype=images[0].dtype)
    factors[torch.from_numpy(layer.reached(shapes))] = layer.alpha
    total = images[0] * factors.to(images[0].device)
    for x, shape in zip(images[1:], shapes[1:], strict=True):
        target, source = overlap(shapes[0], shape)
        total[target] += layer.beta * x[source]
    return to_tensor(total)


def _weighted_sum(
    layer: Shortcut, weights: Tensor, inputs: tuple[Tensor, ...]
) -> Tensor:
    """The sum with learned weights, of equal shapes or not."""
    factors = _shares(weights, layer.weights_normalization)
    images = [_as_images(x) for x in inputs]
    total = images[0] * factors[0]
    for number, x in enumerate(images[1:], 1):
        target, source = overlap(_shape(inputs[0]), _shape(inputs[number]))
        factor = factors[number]
        if layer.weights_type == "per_channel":
            factor = factor[target[3]]
        total[target] += x[source] * factor
    return to_tensor(total)


def _shares(weights: Tensor, normalization: str) -> Tensor:
    """The p of :class:`Shortcut`: inputs, or inputs x C."""
    if normalization == "none":
        return weights
    if normalization == "softmax":
        raw = torch.exp(weights - weights.max(0).values)
    else:
        raw = torch.where(weights > RELU_FLOOR, weights, RELU_FLOOR)
    return raw / (raw.sum(0) + SUM_FLOOR)


def _as_images(x: Tensor) -> Tensor:
    """A view N x H x W x C."""
    return x.permute(0, 2, 3, 1)


def _cost(layer: Any) -> Function:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        if layer.scale == 1 or not training:
            return x
        # x itself, with a gradient of scale.
        return x + (layer.scale - 1) * (x - x.detach())

    return run


MAKERS: dict[type[Layer], Callable[[Any], Function]] = {
    Activation: _activation,
    BatchNorm: _batchnorm,
    Connected: _connected,
    Convolutional: _convolutional,
    Cost: _cost,
    CrossAttention: cross_attention,
    Deconvolutional: _deconvolutional,
    Dropout: _dropout,
    Dysample: dysample,
    GroupNorm: _groupnorm,
    Input: _lowered,
    LayerNorm: _layernorm,
    Pad: _lowered,
    Reorg3d: _lowered,
    Route: _lowered,
    Sam: _lowered,
    ScaleChannels: _lowered,
    Shortcut: _shortcut,
    Shuffler: _lowered,
    Softmax: _softmax,
    TransposedAttention: transposed_attention,
    Trim: _lowered,
    Upsample: _upsample,
    WindowAttention: window_attention,
}


def _shape(x: Tensor) -> Shape:
    """Of a tensor N x C x H x W."""
    return Shape(x.shape[2], x.shape[3], x.shape[1])
