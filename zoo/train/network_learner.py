"""Learning by the layers' own backward, on any back end of kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo.layers.base import Array
from zoo.network import Network
from zoo.plugins import Kernels
from zoo.train.batches import (
    Pixels,
    Truth,
    checked_batch,
    parts_of,
    targets,
    training_arrays,
)
from zoo.train.costs import cost_named, gradient_start
from zoo.train.learner import (
    LearnerState,
    Outcome,
    layers_that_learn,
    random_states,
    restore_random_states,
    slots_for,
)
from zoo.train.recipe import Recipe

__all__ = ["NetworkLearner"]


class NetworkLearner:
    """Learns by forward, backward and update of the layers.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    kernels : Kernels
    recipe : Recipe

    Raises
    ------
    UsageError
        If it cannot be trained: see :func:`layers_that_learn`.
    """

    def __init__(self, network: Network, kernels: Kernels, recipe: Recipe) -> None:
        layers_that_learn(network)
        if recipe.precision != "f32":
            raise UsageError(
                f"the back end {kernels.name} trains in float32 alone; for "
                f"train_precision={recipe.precision} give --device cpu or cuda "
                f"(PyTorch), or set it to f32"
            )
        self.network = network
        self.kernels = kernels
        self.cost = cost_named(recipe.cost)
        self.start, self.factor = gradient_start(network, recipe.cost)
        self.optimizer = recipe.make_optimizer()
        self.optimizer.kernels = kernels
        self.recipe = recipe
        self.average: dict[str, Array] = {}

    def step(
        self, low: Pixels, high: Pixels, rate: float, limit: float = math.inf
    ) -> Outcome:
        """Learn from one batch; see :class:`Learner`."""
        x, t = training_arrays(low, high, self.network.pixels)
        return self.learn(x, targets(self.network, x, t), rate, limit)

    def learn(
        self, x: Array, t: Truth, rate: float, limit: float = math.inf
    ) -> Outcome:
        """Learn from any input x and the output t that it should give.

        Parameters
        ----------
        x : ndarray, float32, N x H x W x C
        t : ndarray, float32, the output's shape
            Of a network with several outputs a sequence of them; the loss is the sum
            of the costs of all.
        rate, limit
            See :class:`Learner`.
        """
        x, truths = checked_batch(self.network, x, t)
        statistics = [
            (array, array.copy())
            for layer in self.network.layers
            if not layer.frozen
            for array in layer.statistics.values()
        ]
        outcome = Outcome(math.nan, math.nan, False)
        try:
            outcome = self._learn(x, truths, rate, limit)
        finally:
            self._drop_gradients()
            if not outcome.applied:
                # The forward has moved them, maybe to NaN, which would stay for good.
                for array, before in statistics:
                    array[...] = before
        return outcome

    def _learn(self, x: Array, t: list[Array], rate: float, limit: float) -> Outcome:
        loss = self._loss_and_gradients(x, t, limit)
        if not loss <= limit or not math.isfinite(loss):
            return Outcome(loss, math.nan, False)
        norm = self._norm()
        if not math.isfinite(norm):
            return Outcome(loss, norm, False)
        if 0 < self.recipe.clip_gradient < norm:
            self._scale_gradients(self.recipe.clip_gradient / norm)
        self.optimizer.learning_rate = rate
        self.optimizer.begin_update()
        self.network.update(self.optimizer)
        return Outcome(loss, norm, True)

    def _loss_and_gradients(self, x: Array, t: list[Array], limit: float) -> float:
        """The loss; the layers hold its gradients unless it is a bad one.

        Costs are means over the batch, so those of its parts add up by their sizes,
        and so do the gradients.
        """
        network, loss = self.network, 0.0
        sums: list[dict[str, Array]] = [{} for _ in network.layers]
        parts = parts_of(len(x), self.recipe.subdivisions)
        for part in parts:
            share = (part.stop - part.start) / len(x)
            y = network.forward(x[part], kernels=self.kernels, training=True)
            outputs = [y] if len(t) == 1 else y
            costs = [
                self.cost(y, truth[part]) for y, truth in zip(outputs, t, strict=True)
            ]
            loss += share * sum(cost for cost, _ in costs)
            is_last = part is parts[-1]
            if not math.isfinite(loss) or (is_last and not loss <= limit):
                return loss
            deltas = [delta for _, delta in costs]
            if share * self.factor != 1:
                deltas = [
                    delta * delta.dtype.type(share * self.factor) for delta in deltas
                ]
            if len(t) == 1:
                network.backward_parameters(
                    deltas.pop(), kernels=self.kernels, layer=self.start
                )
            else:
                network.backward_parameters(deltas, kernels=self.kernels)
            if len(parts) > 1:
                for layer, known in zip(network.layers, sums, strict=True):
                    _add(known, layer.gradients)
                    layer.gradients = known if is_last else {}
        return loss

    def update_average(self, share: float) -> None:
        """Move the average of the weights by a share towards the weights."""
        if not self.average:
            self.average = _copied(self.network.tensors)
            return
        for name, array in self.network.tensors.items():
            difference = array - self.average[name]
            difference *= array.dtype.type(share)
            self.average[name] += difference

    def best_weights(self) -> dict[str, Array]:
        """The average if there is one, else the weights."""
        return self.average or self.network.tensors

    def state(self) -> LearnerState:
        """What :meth:`restore` needs."""
        return LearnerState(
            self.network.tensors,
            self.optimizer.state_arrays(),
            self.optimizer.updates,
            self.average,
            random_states(self.network),
            self.recipe.optimizer,
        )

    def restore(self, state: LearnerState) -> None:
        """Continue from a state; its arrays are copied."""
        for name, array in self.network.tensors.items():
            array[...] = state.weights[name]
        self.network.trained = True
        slots, updates = slots_for(state, self.recipe.optimizer)
        self.optimizer.restore(_copied(slots), updates)
        self.average = _copied(state.average) if self.recipe.average else {}
        restore_random_states(self.network, state.random)

    def _gradients(self) -> list[NDArray[Any]]:
        return [
            gradient
            for layer in self.network.layers
            for gradient in layer.gradients.values()
        ]

    def _norm(self) -> float:
        squares = (float(np.vdot(g, g)) for g in self._gradients())
        return math.sqrt(sum(squares))

    def _drop_gradients(self) -> None:
        """Else they lie between the arrays of the next forward, where these lay."""
        for layer in self.network.layers:
            layer.gradients = {}

    def _scale_gradients(self, factor: float) -> None:
        for gradient in self._gradients():
            gradient *= gradient.dtype.type(factor)


def _add(sums: dict[str, Array], gradients: dict[str, Array]) -> None:
    """Add up gradients by name; the arrays of the sums are nobody else's."""
    for name, gradient in gradients.items():
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.copy()


def _copied(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}
