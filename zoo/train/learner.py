"""One update of a network's weights, on a back end of kernels."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.layers.base import Array
from zoo.network import Network
from zoo.pixels import prepare, target
from zoo.plugins import Kernels
from zoo.train.costs import cost_named
from zoo.train.recipe import Recipe

__all__ = ["Learner", "NetworkLearner", "Outcome"]


class Outcome(NamedTuple):
    """What one update came to.

    ``loss`` is the cost before the update, ``norm`` that of the whole gradient
    before clipping. When one of them is not finite, ``applied`` is False and
    nothing was changed.
    """

    loss: float
    norm: float
    applied: bool


class Learner(Protocol):
    """What the training loop needs; the torch plugin has another one."""

    def step(
        self, low: NDArray[np.uint8], high: NDArray[np.uint8], rate: float
    ) -> Outcome:
        """Learn from one batch of patches at a learning rate."""

    def weights(self) -> dict[str, Array]:
        """Copies of all tensors of the network, by name."""

    def state(self) -> tuple[dict[str, Array], int]:
        """Arrays of the optimizer, and the number of updates it has seen."""

    def restore(
        self, weights: dict[str, Array], arrays: dict[str, Array], updates: int
    ) -> None:
        """Continue from what :meth:`weights` and :meth:`state` returned."""


class NetworkLearner:
    """Learns by forward, backward and update of the layers.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    kernels : Kernels
    recipe : Recipe
    """

    def __init__(self, network: Network, kernels: Kernels, recipe: Recipe) -> None:
        self.network = network
        self.kernels = kernels
        self.cost = cost_named(recipe.cost)
        self.optimizer = recipe.make_optimizer()
        self.clip = recipe.clip_gradient

    def step(
        self, low: NDArray[np.uint8], high: NDArray[np.uint8], rate: float
    ) -> Outcome:
        """Learn from one batch; see :class:`Learner`."""
        x, _ = prepare(low, self.network.pixels)
        t = target(high, self.network.pixels)
        y = self.network.forward(x, kernels=self.kernels, training=True)
        loss, delta = self.cost(y, t)
        if not np.isfinite(loss):
            return Outcome(loss, float("nan"), False)
        self.network.backward(delta, kernels=self.kernels)
        norm = self._norm()
        if not np.isfinite(norm):
            return Outcome(loss, norm, False)
        if 0 < self.clip < norm:
            self._scale_gradients(self.clip / norm)
        self.optimizer.learning_rate = rate
        self.optimizer.begin_update()
        self.network.update(self.optimizer)
        return Outcome(loss, norm, True)

    def weights(self) -> dict[str, Array]:
        """Copies of all tensors of the network, by name."""
        return {name: array.copy() for name, array in self.network.tensors.items()}

    def state(self) -> tuple[dict[str, Array], int]:
        """Arrays of the optimizer, and the number of updates it has seen."""
        return self.optimizer.state_arrays(), self.optimizer.updates

    def restore(
        self, weights: dict[str, Array], arrays: dict[str, Array], updates: int
    ) -> None:
        """Continue from what :meth:`weights` and :meth:`state` returned."""
        for name, array in self.network.tensors.items():
            array[...] = weights[name]
        self.network.trained = True
        self.optimizer.restore(arrays, updates)

    def _gradients(self) -> list[NDArray[Any]]:
        return [
            gradient
            for layer in self.network.layers
            for gradient in layer.gradients.values()
        ]

    def _norm(self) -> float:
        squares = (float(np.vdot(g, g)) for g in self._gradients())
        return float(np.sqrt(sum(squares)))

    def _scale_gradients(self, factor: float) -> None:
        for gradient in self._gradients():
            gradient *= gradient.dtype.type(factor)
