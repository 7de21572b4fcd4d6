"""A network as a ``torch.nn.Module``, built from its layers.

Parameters keep zoo's shapes (kh x kw x C/g x K, ...), so that values go to and
fro without rearranging; pictures are N x H x W x C outside and N x C x H x W
inside, in the same memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.layers.base import INPUT, Array
from zoo.network import Network
from zoo.torch.functions import to_images, to_tensor
from zoo.torch.layers import Function, Tensors, function_of

__all__ = ["NetworkModule"]


class NetworkModule(torch.nn.Module):
    """Computes what a network computes, from and to N x H x W x C.

    The names of parameters and buffers are those of ``network.tensors`` with "/"
    in place of ".", which PyTorch forbids; ``tensor_names`` leads back.

    Parameters
    ----------
    network : Network
        Its values are copied; :meth:`store` copies them back. Layers of third
        parties compute in its arrays, into which the module's values are then put.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        kinds = network.canonical_kinds
        self._functions: list[Function] = []
        self.tensor_names: dict[str, str] = {}
        self._last_use = network.last_uses()
        for index, layer in enumerate(network.layers):
            self._functions.append(function_of(layer))
            if index in network.owners:
                continue
            for name, array in layer.tensors.items():
                tensor_name = f"{index}.{kinds[index]}.{name}"
                key = tensor_name.replace(".", "/")
                self.tensor_names[key] = tensor_name
                value = torch.from_numpy(array.copy())
                if name in layer.parameters:
                    self.register_parameter(key, torch.nn.Parameter(value))
                else:
                    self.register_buffer(key, value)

    def forward(self, x: Tensor) -> Any:
        """Run on pictures, N x H x W x C, normalised as [net] says.

        Of a network with several outputs, a tuple of them.
        """
        found = self.run(x, self.network.outputs)
        return found[0] if len(found) == 1 else tuple(found)

    def run(self, x: Tensor, kept: Sequence[int]) -> list[Tensor]:
        """As :meth:`forward`: the outputs of these layers; -1 is the input."""
        outputs = {INPUT: to_tensor(x)}
        found = {INPUT: outputs[INPUT]}
        for index, function in enumerate(self._functions):
            sources = self.network.sources[index]
            is_below = index <= self.network.stop
            y = function(
                self._tensors_of(index),
                self.training and not is_below,
                *(outputs[source] for source in sources),
            )
            outputs[index] = y.detach() if self.training and is_below else y
            del y
            if index in kept:
                found[index] = outputs[index]
            for source in set(sources):
                if self._last_use[source] == index:
                    del outputs[source]
        images = {index: to_images(found[index]) for index in kept}
        return [images[index] for index in kept]

    def _tensors_of(self, index: int) -> Tensors:
        index = self.network.owners.get(index, index)
        kind = self.network.canonical_kinds[index]
        layer = self.network.layers[index]
        prefix = f"{index}.{kind}.".replace(".", "/")
        return {name: getattr(self, prefix + name) for name in layer.tensors}

    def named(self) -> Tensors:
        """Parameters, then buffers, by the names of ``network.tensors``."""
        both = [*self.named_parameters(), *self.named_buffers()]
        return {self.tensor_names[name]: value for name, value in both}

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
