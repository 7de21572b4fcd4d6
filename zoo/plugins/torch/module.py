"""A network as a ``torch.nn.Module``, built from its layers.

Parameters keep zoo's shapes (kh x kw x C/g x K, ...), so that values go to and
fro without rearranging; pictures are N x H x W x C outside and N x C x H x W
inside, in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import PluginError
from zoo.layers.activation import Activation
from zoo.layers.base import Array, Layer
from zoo.layers.batchnorm import BatchNorm, Normalization
from zoo.layers.connected import Connected
from zoo.layers.convolutional import Convolutional
from zoo.layers.cost import Cost
from zoo.layers.deconvolutional import Deconvolutional
from zoo.layers.dropout import Dropout
from zoo.layers.input import Input
from zoo.layers.pad import Pad
from zoo.layers.pooling import PoolLayer
from zoo.layers.route import Route
from zoo.layers.shortcut import Shortcut
from zoo.layers.shuffler import Shuffler
from zoo.layers.softmax import Softmax
from zoo.layers.upsample import Upsample
from zoo.network import INPUT, Network
from zoo.plugins.torch.functions import (
    activate,
    apply,
    convolve,
    convolve_transposed,
    to_images,
    to_tensor,
)
from zoo.shapes import Shape

__all__ = ["NetworkModule"]

Tensors = dict[str, Tensor]


class NetworkModule(torch.nn.Module):
    """Computes what a network computes, from and to N x H x W x C.

    The names of parameters and buffers are those of ``network.tensors`` with "/"
    in place of ".", which PyTorch forbids.

    Parameters
    ----------
    network : Network
        Its values are copied; :meth:`store` copies them back.

    Raises
    ------
    PluginError
        If a layer is unknown to this plugin.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        kinds = network.canonical_kinds
        self._functions: list[Callable[..., Tensor]] = []
        self._last_use = network.last_uses()
        for index, layer in enumerate(network.layers):
            self._functions.append(_function(layer, network.where(index)))
            for name, array in layer.parameters.items():
                value = torch.nn.Parameter(torch.from_numpy(array.copy()))
                self.register_parameter(f"{index}/{kinds[index]}/{name}", value)
            for name, array in layer.statistics.items():
                self.register_buffer(
                    f"{index}/{kinds[index]}/{name}", torch.from_numpy(array.copy())
                )

    def forward(self, x: Tensor) -> Tensor:
        """Run on pictures, N x H x W x C, normalised as [net] says."""
        outputs = {INPUT: to_tensor(x)}
        last = len(self._functions) - 1
        for index, function in enumerate(self._functions):
            sources = self.network.sources[index]
            outputs[index] = function(
                self._tensors_of(index),
                self.training,
                *(outputs[source] for source in sources),
            )
            for source in set(sources):
                if self._last_use[source] == index:
                    del outputs[source]
            if index not in self._last_use and index < last:
                del outputs[index]
        return to_images(outputs[last])

    def _tensors_of(self, index: int) -> Tensors:
        kind = self.network.canonical_kinds[index]
        layer = self.network.layers[index]
        return {name: getattr(self, f"{index}/{kind}/{name}") for name in layer.tensors}

    def named(self) -> Tensors:
        """Parameters, then buffers, by the names of ``network.tensors``."""
        both = [*self.named_parameters(), *self.named_buffers()]
        return {name.replace("/", "."): value for name, value in both}

    def learning(self) -> list[str]:
        """Names, as of :meth:`named`, of the parameters that the output depends on."""
        reached, todo = set(), [len(self._functions) - 1]
        while todo:
            index = todo.pop()
            if index != INPUT and index not in reached:
                reached.add(index)
                todo += self.network.sources[index]
        return [
            name.replace("/", ".")
            for name, _ in self.named_parameters()
            if int(name.partition("/")[0]) in reached
        ]

    @torch.no_grad()
    def load(self, tensors: dict[str, Array]) -> None:
        """Copy values in."""
        for name, value in self.named().items():
            value.copy_(torch.from_numpy(np.ascontiguousarray(tensors[name])))

    def store(self, network: Network | None = None) -> None:
        """Copy values into a network, by default that which it was built from."""
        network = network or self.network
        for name, value in self.named().items():
            network.tensors[name][...] = value.detach().cpu().numpy()
        network.trained = True


# -- layers ----------------------------------------------------------------


def _function(layer: Layer, where: str) -> Callable[..., Tensor]:
    """A function (tensors, training, *inputs) for a layer."""
    for kind, make in _MAKERS.items():
        # A subclass may compute something else.
        if type(layer) is kind:
            return make(layer)
    if isinstance(layer, PoolLayer) and type(layer).__module__.startswith("zoo."):
        return _lowered(layer)
    raise PluginError(
        f"{where} is a layer that the back end torch does not know; "
        f"train it on another back end"
    )


def _lowered(layer: Layer) -> Callable[..., Tensor]:
    """Layers without weights: what they are in a program."""

    def run(tensors: Tensors, training: bool, *inputs: Tensor) -> Tensor:
        operation = layer.lower(*(_shape(x) for x in inputs))
        result = None if operation is None else apply(operation, inputs)
        if result is None:
            raise PluginError(f"{type(layer).__name__} has no counterpart in PyTorch")
        return result

    return run


def _normalized(
    x: Tensor, tensors: Tensors, normalization: Normalization, training: bool
) -> Tensor:
    """Batch normalization, statistics moved while training."""
    if training:
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


def _convolutional(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        weights = tensors["weights"].permute(3, 2, 0, 1)
        geometry = layer.geometry(_shape(x))
        if layer.batch_normalize:
            y = convolve(x, weights, None, geometry)
            y = _normalized(y, tensors, layer.normalization, training)
        else:
            y = convolve(x, weights, tensors.get("biases"), geometry)
        return activate(y, layer.activation)

    return run


def _deconvolutional(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        weights = tensors["weights"].permute(3, 2, 0, 1)
        height, width, _ = layer.output_shape(_shape(x))
        y = convolve_transposed(x, weights, layer.geometry(), (height, width))
        if layer.batch_normalize:
            y = _normalized(y, tensors, layer.normalization, training)
        elif "biases" in tensors:
            y = y + _column(tensors["biases"])
        return activate(y, layer.activation)

    return run


def _connected(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        y = to_images(x).reshape(len(x), -1) @ tensors["weights"].T
        y = y.reshape(len(x), -1, 1, 1)
        if layer.batch_normalize:
            y = _normalized(y, tensors, layer.normalization, training)
        elif "biases" in tensors:
            y = y + _column(tensors["biases"])
        return activate(y, layer.activation)

    return run


def _batchnorm(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        return _normalized(x, tensors, layer.normalization, training)

    return run


def _activation(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        if layer.activation == "leaky":
            return torch.where(x > 0, x, layer.slope * x)
        return activate(x, layer.activation, tensors.get("slopes"))

    return run


def _dropout(layer: Any) -> Callable[..., Tensor]:
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


def _softmax(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        images = x.permute(0, 2, 3, 1) if layer.spatial else x
        kept = images.shape[:3] if layer.spatial else images.shape[:1]
        rows = images.reshape(*kept, layer.groups, -1) / layer.temperature
        y = torch.softmax(rows, -1).reshape(images.shape)
        return to_tensor(y) if layer.spatial else y

    return run


def _upsample(layer: Any) -> Callable[..., Tensor]:
    if layer.stride > 0 and layer.mode == "nearest":
        return _lowered(layer)

    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        if layer.stride < 0:
            cell = -layer.stride
            y = torch.nn.functional.avg_pool2d(x, cell) * cell**2
        elif layer.mode == "bicubic" and layer.a != -0.75:
            raise PluginError(
                f"PyTorch's bicubic has a=-0.75, not {layer.a}; "
                f"train on another back end"
            )
        else:
            y = torch.nn.functional.interpolate(
                x, scale_factor=layer.stride, mode=layer.mode, align_corners=False
            )
        return y if layer.scale == 1 else y * layer.scale

    return run


def _shortcut(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, *inputs: Tensor) -> Tensor:
        if layer.weighted or any(x.shape != inputs[0].shape for x in inputs):
            raise PluginError(
                "the back end torch knows no [shortcut] with learned weights or "
                "inputs of unequal shapes; train it on another back end"
            )
        total = inputs[0] if layer.alpha == 1 else layer.alpha * inputs[0]
        for other in inputs[1:]:
            total = total + (other if layer.beta == 1 else layer.beta * other)
        return activate(total, layer.activation)

    return run


def _cost(layer: Any) -> Callable[..., Tensor]:
    def run(tensors: Tensors, training: bool, x: Tensor) -> Tensor:
        if layer.scale == 1 or not training:
            return x
        # x itself, with a gradient of scale.
        return x + (layer.scale - 1) * (x - x.detach())

    return run


_MAKERS: dict[type[Layer], Callable[[Any], Callable[..., Tensor]]] = {
    Activation: _activation,
    BatchNorm: _batchnorm,
    Connected: _connected,
    Convolutional: _convolutional,
    Cost: _cost,
    Deconvolutional: _deconvolutional,
    Dropout: _dropout,
    Input: _lowered,
    Pad: _lowered,
    Route: _lowered,
    Shortcut: _shortcut,
    Shuffler: _lowered,
    Softmax: _softmax,
    Upsample: _upsample,
}


def _shape(x: Tensor) -> Shape:
    """Of a tensor N x C x H x W."""
    return Shape(x.shape[2], x.shape[3], x.shape[1])
