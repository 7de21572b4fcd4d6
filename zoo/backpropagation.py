"""Gradients from layer to layer, against the order of the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.layers.base import INPUT, Array, Layer
from zoo.plugins import Kernels

__all__ = ["Backpropagation"]


class Backpropagation:
    """The way back through the layers of a network.

    Parameters
    ----------
    layers, sources, owners, stop
        Those of :class:`zoo.network.Network`.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        sources: Sequence[tuple[int, ...]],
        owners: dict[int, int],
        stop: int,
    ) -> None:
        self.layers, self.sources = layers, sources
        self.owners, self.stop = owners, stop

    def run(
        self, deltas: dict[int, Array], kernels: Kernels, *, for_input: bool
    ) -> None:
        """Give every layer its gradients.

        Parameters
        ----------
        deltas : dict of int to ndarray
            Gradients of the cost with respect to the outputs of some layers, which
            are taken out on the way; that of the input is left in it.
        kernels : Kernels
        for_input : bool
            Whether the gradient with respect to the input is wanted. If not, what
            the forward kept is dropped, layer by layer.
        """
        wanted = self._wanted(for_input)
        own: set[int] = set()  # sources whose gradient is nobody else's array
        for index in reversed(range(max(deltas) + 1)):
            if index not in deltas:
                pass
            elif any(wanted[source] for source in self.sources[index]):
                self._back_through(index, deltas, own, wanted, kernels)
            elif wanted[index]:
                self.layers[index].backward_parameters(
                    deltas.pop(index), kernels=kernels
                )
            if self.layers[index].frozen:
                self.layers[index].gradients = {}
            if not for_input:
                self.layers[index].forget()
        self._gather_shared()

    def _gather_shared(self) -> None:
        """Add the gradients of layers that share parameters to those of the owner."""
        for index, owner in self.owners.items():
            gradients = self.layers[owner].gradients
            for name, gradient in self.layers[index].gradients.items():
                known = gradients.get(name)
                gradients[name] = gradient if known is None else known + gradient
            self.layers[index].gradients = {}

    def _back_through(
        self,
        index: int,
        deltas: dict[int, Array],
        own: set[int],
        wanted: dict[int, bool],
        kernels: Kernels,
    ) -> None:
        """Take the gradient of a layer from deltas, and add those of its sources."""
        delta = deltas.pop(index)
        gradients = self.layers[index].backward(delta, kernels=kernels)
        for source, gradient in zip(self.sources[index], gradients, strict=True):
            if not wanted[source]:
                continue
            others = [delta, *(g for g in gradients if g is not gradient)]
            is_new = sum(g is gradient for g in gradients) == 1 and not any(
                np.may_share_memory(gradient, other) for other in others
            )
            _add_gradient(deltas, own, source, gradient, is_new, kernels)

    def _wanted(self, for_input: bool) -> dict[int, bool]:
        """Whether the gradient by the output of each layer is of use to anybody."""
        wanted = {INPUT: for_input}
        for index, layer in enumerate(self.layers):
            wanted[index] = index > self.stop and (
                (bool(layer.parameters) and not layer.frozen)
                or any(wanted[source] for source in self.sources[index])
            )
        return wanted


def _add_gradient(
    deltas: dict[int, Array],
    own: set[int],
    source: int,
    gradient: Array,
    is_new: bool,
    kernels: Kernels,
) -> None:
    """Add to the gradient of a source, in place where an array is nobody else's."""
    known = deltas.get(source)
    if known is None:
        deltas[source] = gradient
        if is_new:
            own.add(source)
        return
    alike = known.dtype == gradient.dtype and known.shape == gradient.shape
    if alike and source in own and known.flags.writeable:
        kernels.accumulate(known, gradient)
    elif alike and is_new and gradient.flags.writeable:
        kernels.accumulate(gradient, known)
        deltas[source] = gradient
    else:
        deltas[source] = known + gradient
    own.add(source)
