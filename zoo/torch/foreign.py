"""Layers that PyTorch has no operations for: their own forward and backward.

They compute on the CPU, on NumPy's kernels. On a GPU their inputs and gradients
cross to main memory and back in every update.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.layers.base import Layer
from zoo.plugins.numpy import NumpyKernels
from zoo.torch.functions import to_images, to_tensor

__all__ = ["Function", "Tensors", "by_itself"]

Tensors = dict[str, Tensor]
Function = Callable[..., Tensor]
"""Takes a layer's tensors by name, whether it trains, and its inputs."""


def by_itself(layer: Layer) -> Function:
    """A function that calls the layer.

    ``Layer.lower`` is not asked: it stands for the forward of inference, and a layer
    may do something else in training.
    """

    def run(tensors: Tensors, training: bool, *inputs: Tensor) -> Tensor:
        parameters = [tensors[name] for name in layer.parameters]
        for name, array in layer.statistics.items():
            array[...] = _array(tensors[name])
        apply: Any = _Call.apply
        result: Tensor = apply(layer, training, len(inputs), *inputs, *parameters)
        if training:
            with torch.no_grad():
                for name, array in layer.statistics.items():
                    tensors[name].copy_(torch.from_numpy(array))
        return result

    return run


class _Call(torch.autograd.Function):
    """A layer's forward, and its backward when PyTorch comes to it."""

    @staticmethod
    def forward(
        ctx: Any, layer: Layer, training: bool, count: int, *tensors: Tensor
    ) -> Tensor:
        for name, value in zip(layer.parameters, tensors[count:], strict=True):
            layer.parameters[name][...] = _array(value)
        ctx.layer, ctx.count = layer, count
        images = (_array(to_images(x)) for x in tensors[:count])
        y = layer.forward(*images, kernels=_kernels(), training=training)
        return to_tensor(_tensor(y, tensors[0]))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, delta: Tensor) -> tuple[Any, ...]:
        layer: Layer = ctx.layer
        array = _array(to_images(delta))
        _, _, _, *wanted = ctx.needs_input_grad
        by_inputs: list[Tensor | None] = [None] * ctx.count
        if any(wanted[: ctx.count]):
            found = layer.backward(array, kernels=_kernels())
            by_inputs = [to_tensor(_tensor(each, delta)) for each in found]
        else:
            layer.backward_parameters(array, kernels=_kernels())
        by_parameters = [
            _tensor(layer.gradients[name], delta) if name in layer.gradients else None
            for name in layer.parameters
        ]
        layer.gradients = {}
        layer.forget()
        return None, None, None, *by_inputs, *by_parameters


def _kernels() -> NumpyKernels:
    return NumpyKernels(torch.get_num_threads())


def _array(x: Tensor) -> NDArray[Any]:
    """In main memory; the tensor's own where it lies there."""
    array: NDArray[Any] = x.detach().cpu().numpy()
    return array


def _tensor(array: NDArray[Any], like: Tensor) -> Tensor:
    """A copy, for PyTorch may add to it: layers may return what they were given."""
    return torch.from_numpy(np.array(array, order="C")).to(like.device, like.dtype)
