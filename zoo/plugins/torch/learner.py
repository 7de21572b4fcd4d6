"""Training a network's module: autograd, and the project's own optimizers.

All parameters lie in one long tensor, and so do their gradients, so that an
update, the norm and the moving average are a few operations whatever the number
of layers. Checkpoints are those of :class:`zoo.train.learner.NetworkLearner`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.layers.base import Array
from zoo.network import Network
from zoo.plugins.torch.module import NetworkModule
from zoo.train.costs import SECRET, cost_named, gradient_start, plain_name
from zoo.train.learner import (
    LearnerState,
    Outcome,
    layers_that_learn,
    random_states,
    restore_random_states,
    training_arrays,
)
from zoo.train.recipe import Recipe

__all__ = ["TorchLearner"]

_ALL = "all"


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
        cost_named(recipe.cost)
        gradient_start(network, recipe.cost)  # autograd only needs that there is one
        self.cost = _COSTS[plain_name(recipe.cost)]
        self.optimizer = recipe.make_optimizer()
        self.clip = recipe.clip_gradient
        self.module = NetworkModule(network).to(device).train()
        self._lay_out()
        self.average: Tensor | None = None

    def _lay_out(self) -> None:
        """Move all tensors into one, and gradients into another.

        What learns comes first. Parameters that the output does not depend on do
        not: the learner of the layers leaves them alone as well.
        """
        values = self.module.named()
        layers = {str(index) for index in layers_that_learn(self.network)}
        self.learning = [
            name.replace("/", ".")
            for name, _ in self.module.named_parameters()
            if name.partition("/")[0] in layers
        ]
        names = [
            *self.learning,
            *(name for name in values if name not in self.learning),
        ]
        self.flat = torch.cat([values[name].detach().reshape(-1) for name in names])
        size = sum(values[name].numel() for name in self.learning)
        self.trained = self.flat[:size]
        self.gradient = torch.zeros_like(self.trained)
        start = 0
        for name in names:
            value = values[name]
            part = slice(start, start + value.numel())
            value.data = self.flat[part].view(value.shape)
            if start < size:
                value.grad = self.gradient[part].view(value.shape)
            start = part.stop
        self.shapes = {name: tuple(values[name].shape) for name in names}

    def step(
        self,
        low: NDArray[np.uint8],
        high: NDArray[np.uint8],
        rate: float,
        limit: float = math.inf,
    ) -> Outcome:
        """Learn from one batch of patches."""
        x, t = training_arrays(low, high, self.network.pixels)
        return self.learn(x, t, rate, limit)

    def learn(
        self, x: Array, t: Array, rate: float, limit: float = math.inf
    ) -> Outcome:
        """Learn from any input x and the output t that it should give."""
        y = self.module(torch.from_numpy(x).to(self.device))
        cost = self.cost(y, torch.from_numpy(t).to(self.device))
        self.gradient.zero_()
        cost.backward()
        with torch.no_grad():
            figures = torch.stack([cost.detach(), torch.linalg.norm(self.gradient)])
            loss, norm = figures.tolist()
            if not loss <= limit or not math.isfinite(loss):
                return Outcome(loss, math.nan, False)
            if not math.isfinite(norm):
                return Outcome(loss, norm, False)
            if 0 < self.clip < norm:
                self.gradient.mul_(self.clip / norm)
            self.optimizer.learning_rate = rate
            self.optimizer.begin_update()
            # The optimizers' formulas hold for tensors as for arrays.
            trained: Any = self.trained
            gradient: Any = self.gradient
            self.optimizer.step(_ALL, trained, gradient)
        return Outcome(loss, norm, True)

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
            slot = key.partition("/")[0]
            value: Any = tensor
            for name, array in self._named(value).items():
                slots[f"{slot}/{_parameter(name)}"] = array
        return LearnerState(
            self._named(self.flat),
            slots,
            self.optimizer.updates,
            {} if self.average is None else self._named(self.average),
            random_states(self.network),
        )

    @torch.no_grad()
    def restore(self, state: LearnerState) -> None:
        """Continue from a state of this learner or of that of the layers."""
        self.flat.copy_(self._joined(state.weights))
        self.average = self._joined(state.average) if state.average else None
        slots: dict[str, dict[str, Array]] = {}
        for key, array in state.optimizer.items():
            slot, _, name = key.partition("/")
            slots.setdefault(slot, {})[name] = array
        joined: Any = {
            f"{slot}/{_ALL}": self._joined(
                {name: self._slot(arrays, name) for name in self.learning}
            )
            for slot, arrays in slots.items()
        }
        self.optimizer.restore(joined, state.updates)
        restore_random_states(self.network, state.random)

    def _slot(self, arrays: dict[str, Array], name: str) -> Array:
        """An optimizer's array for a parameter; zeros if it was never updated."""
        found = arrays.get(_parameter(name))
        return np.zeros(self.shapes[name], np.float32) if found is None else found

    def _named(self, flat: Tensor) -> dict[str, Array]:
        """Cut one tensor into arrays; it may hold the parameters alone."""
        array = flat.detach().cpu().numpy()
        found, start = {}, 0
        for name, shape in self.shapes.items():
            size = math.prod(shape)
            if start + size > len(array):
                break
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


def _parameter(name: str) -> str:
    """``5.convolutional.weights`` as optimizers call it: ``5.weights``."""
    index, _, rest = name.partition(".")
    return f"{index}.{rest.partition('.')[2]}"


# -- costs -----------------------------------------------------------------


def _charbonnier(y: Tensor, t: Tensor) -> Tensor:
    return torch.sqrt((y - t).square() + 1e-3**2).mean()


def _logcosh(y: Tensor, t: Tensor) -> Tensor:
    size = (y - t).abs()
    return (size + torch.log1p(torch.exp(-2 * size)) - math.log(2)).mean()


def _hellinger(y: Tensor, t: Tensor) -> Tensor:
    tiny = torch.finfo(y.dtype).tiny
    return 0.5 * (y.clamp(min=tiny).sqrt() - t.clamp(min=0).sqrt()).square().mean()


def _masked(y: Tensor, t: Tensor) -> Tensor:
    return torch.where(t == SECRET, 0, y - t).square().mean()


def _softmax(y: Tensor, t: Tensor) -> Tensor:
    rows = y.numel() // y.shape[-1]
    return -(t * y.clamp(min=torch.finfo(y.dtype).tiny).log()).sum() / rows


_COSTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": torch.nn.functional.mse_loss,
    "mae": torch.nn.functional.l1_loss,
    "smooth": torch.nn.functional.smooth_l1_loss,
    "logcosh": _logcosh,
    "charbonnier": _charbonnier,
    "hellinger": _hellinger,
    "hinge": lambda y, t: torch.relu(1 - t * y).mean(),
    "wgan": lambda y, t: (-t * y).mean(),
    "masked": _masked,
    "seg": torch.nn.functional.mse_loss,
    "softmax": _softmax,
    "logistic": torch.nn.functional.binary_cross_entropy,
}
