"""Training a network's module: autograd, and the project's own costs and optimizers.

All parameters lie in one long tensor, and so do their gradients, so that an
update, the norm and the moving average are a few operations whatever the number
of layers. Checkpoints are those of :class:`zoo.train.network_learner.NetworkLearner`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.layers.base import Array
from zoo.network import Network
from zoo.torch.module import NetworkModule
from zoo.train.batches import Truth, checked_batch, parts_of, targets, training_arrays
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

__all__ = ["TorchLearner"]


class _Group(NamedTuple):
    """Parameters that lie side by side and learn at one rate."""

    names: list[str]
    part: slice
    factor: float


class TorchLearner:
    """Learns on a device of PyTorch; see :class:`zoo.train.learner.Learner`.

    Parameters
    ----------
    network : Network
        Gives structure and first weights. Only layers of third parties change, which
        compute by themselves: their arrays then hold what was learned.
    recipe : Recipe
    device : torch.device

    Raises
    ------
    UsageError
        If the network or the cost cannot be trained.
    """

    def __init__(self, network: Network, recipe: Recipe, device: torch.device) -> None:
        self.network = network
        self.device = device
        self.cost = cost_named(recipe.cost)
        self.start, self.factor = gradient_start(network, recipe.cost)
        self.optimizer = recipe.make_optimizer()
        self.recipe = recipe
        self.module = NetworkModule(network).to(device).train()
        self._lay_out()
        self.average: Tensor | None = None

    def _lay_out(self) -> None:
        """Move all tensors into one, and gradients into another.

        What learns comes first, by the factor of the learning rate, then the
        statistics that training moves, then what it leaves alone: the frozen layers,
        and the parameters that the output does not depend on.
        """
        values = self.module.named()
        layers = layers_that_learn(self.network)
        parameters = [name for name, _ in self._named_parameters()]
        self.learning = sorted(
            (name for name in parameters if _index(name) in layers), key=self._factor
        )
        moving = [
            name
            for name in values
            if name not in parameters and not self.network[_index(name)].frozen
        ]
        first = {*self.learning, *moving}
        names = [
            *self.learning,
            *moving,
            *(name for name in values if name not in first),
        ]
        self.flat = torch.cat([values[name].detach().reshape(-1) for name in names])
        size = sum(values[name].numel() for name in self.learning)
        moved = sum(values[name].numel() for name in moving)
        self.trained = self.flat[:size]
        self.statistics = self.flat[size : size + moved]
        self.gradient = torch.zeros_like(self.trained)
        start = 0
        for name in names:
            value = values[name]
            part = slice(start, start + value.numel())
            value.data = self.flat[part].view(value.shape)
            if start < size:
                value.grad = self.gradient[part].view(value.shape)
            else:
                value.requires_grad_(False)
            start = part.stop
        self.shapes = {name: tuple(values[name].shape) for name in names}
        self.groups: dict[str, _Group] = {}
        start = 0
        for factor, group in groupby(self.learning, self._factor):
            members = list(group)
            stop = start + sum(values[name].numel() for name in members)
            self.groups[str(factor)] = _Group(members, slice(start, stop), factor)
            start = stop

    def _named_parameters(self) -> list[tuple[str, Tensor]]:
        return [
            (self.module.tensor_names[name], value)
            for name, value in self.module.named_parameters()
        ]

    def _factor(self, name: str) -> float:
        return self.network[_index(name)].rate_factor

    def step(
        self,
        low: NDArray[np.uint8],
        high: NDArray[np.uint8],
        rate: float,
        limit: float = math.inf,
    ) -> Outcome:
        """Learn from one batch of patches."""
        x, t = training_arrays(low, high, self.network.pixels)
        return self.learn(x, targets(self.network, x, t), rate, limit)

    def learn(
        self, x: Array, t: Truth, rate: float, limit: float = math.inf
    ) -> Outcome:
        """Learn from any input x and the output t that it should give."""
        x, truths = checked_batch(self.network, x, t)
        statistics = self.statistics.clone()
        outcome = Outcome(math.nan, math.nan, False)
        try:
            outcome = self._learn(x, truths, rate, limit)
        finally:
            if not outcome.applied:
                # The forward has moved them, maybe to NaN, which would stay for good.
                self.statistics.copy_(statistics)
        return outcome

    def _learn(self, x: Array, t: list[Array], rate: float, limit: float) -> Outcome:
        cost = self._cost_and_gradient(x, t)
        with torch.no_grad():
            figures = torch.stack([cost, torch.linalg.norm(self.gradient)])
            loss, norm = figures.tolist()
            if not loss <= limit or not math.isfinite(loss):
                return Outcome(loss, math.nan, False)
            if not math.isfinite(norm):
                return Outcome(loss, norm, False)
            if 0 < self.recipe.clip_gradient < norm:
                self.gradient.mul_(self.recipe.clip_gradient / norm)
            self.optimizer.learning_rate = rate
            self.optimizer.begin_update()
            for name, group in self.groups.items():
                # The optimizers' formulas hold for tensors as for arrays.
                trained: Any = self.trained[group.part]
                gradient: Any = self.gradient[group.part]
                self.optimizer.step(name, trained, gradient, group.factor)
        return Outcome(loss, norm, True)

    def _cost_and_gradient(self, x: Array, t: list[Array]) -> Tensor:
        """The cost; PyTorch adds up the gradients of the parts of the batch."""
        self.gradient.zero_()
        total = torch.zeros((), device=self.device)
        for part in parts_of(len(x), self.recipe.subdivisions):
            outputs = self.network.outputs
            entries = (self.start,) if len(outputs) == 1 else outputs
            with self._mixed():
                made = self.module.run(self._tensor(x[part]), (*outputs, *entries))
            made = [y.float() for y in made]
            with torch.no_grad():
                costs = [
                    self.cost(y, self._tensor(truth[part]))
                    for y, truth in zip(made[: len(outputs)], t, strict=True)
                ]
            share = (part.stop - part.start) / len(x)
            torch.autograd.backward(
                made[len(outputs) :],
                [delta * (self.factor * share) for _, delta in costs],
            )
            for cost, _ in costs:
                total += cost * share
        return total

    def _mixed(self) -> Any:
        """PyTorch's choice of what is computed in bfloat16, if the recipe has it."""
        enabled = self.recipe.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def _tensor(self, array: Array) -> Tensor:
        """On the device; PyTorch wants arrays that it may write to."""
        writable = np.require(array, np.float32, ["C", "W"])
        return torch.from_numpy(writable).to(self.device)

    def update_average(self, share: float) -> None:
        """Move the average of the weights by a share towards the weights."""
        if self.average is None:
            self.average = self.flat.clone()
        else:
            self.average.add_(self.flat - self.average, alpha=share)

    def best_weights(self) -> dict[str, Array]:
        """The average if there is one, else the weights."""
        return self._named(self.flat if self.average is None else self.average)

    def state(self) -> LearnerState:
        """What :meth:`restore` needs."""
        slots: dict[str, Array] = {}
        for key, tensor in self.optimizer.state_arrays().items():
            slot, _, group = key.partition("/")
            value: Any = tensor
            for name, array in self._named(value, self.groups[group].names).items():
                slots[f"{slot}/{_parameter(name)}"] = array
        return LearnerState(
            self._named(self.flat),
            slots,
            self.optimizer.updates,
            {} if self.average is None else self._named(self.average),
            random_states(self.network),
            self.recipe.optimizer,
        )

    @torch.no_grad()
    def restore(self, state: LearnerState) -> None:
        """Continue from a state of this learner or of that of the layers."""
        self.flat.copy_(self._joined(state.weights))
        keeps_average = self.recipe.average and state.average
        self.average = self._joined(state.average) if keeps_average else None
        known, updates = slots_for(state, self.recipe.optimizer)
        slots: dict[str, dict[str, Array]] = {}
        for key, array in known.items():
            slot, _, name = key.partition("/")
            slots.setdefault(slot, {})[name] = array
        joined: Any = {
            f"{slot}/{key}": self._joined(
                {name: self._slot(arrays, name) for name in group.names}
            )
            for slot, arrays in slots.items()
            for key, group in self.groups.items()
        }
        self.optimizer.restore(joined, updates)
        restore_random_states(self.network, state.random)

    def _slot(self, arrays: dict[str, Array], name: str) -> Array:
        """An optimizer's array for a parameter; zeros if it was never updated."""
        found = arrays.get(_parameter(name))
        return np.zeros(self.shapes[name], np.float32) if found is None else found

    def _named(
        self, flat: Tensor, names: Iterable[str] | None = None
    ) -> dict[str, Array]:
        """Cut one tensor into arrays, by default for all names."""
        array = flat.detach().cpu().numpy()
        found, start = {}, 0
        for name in self.shapes if names is None else names:
            shape = self.shapes[name]
            size = math.prod(shape)
            found[name] = array[start : start + size].reshape(shape)
            start += size
        return found

    def _joined(self, arrays: dict[str, Array]) -> Tensor:
        """Undo :meth:`_named`."""
        parts = [
            np.asarray(arrays[name], np.float32).reshape(-1)
            for name in self.shapes
            if name in arrays
        ]
        return torch.from_numpy(np.concatenate(parts)).to(self.device)


def _index(name: str) -> int:
    """Of the layer of ``5.convolutional.weights``."""
    return int(name.partition(".")[0])


def _parameter(name: str) -> str:
    """``5.convolutional.weights`` as optimizers call it: ``5.weights``."""
    index, _, rest = name.partition(".")
    return f"{index}.{rest.partition('.')[2]}"
