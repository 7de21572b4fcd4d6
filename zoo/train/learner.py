"""What a learner is: one update of a network's weights, and a state to go on from."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from zoo.errors import UsageError
from zoo.layers.base import INPUT, Array, Layer
from zoo.network import Network
from zoo.train.batches import Pixels
from zoo.train.optimizers import OPTIMIZERS

__all__ = [
    "Learner",
    "LearnerState",
    "Outcome",
    "layers_that_learn",
    "random_states",
    "restore_random_states",
    "slots_for",
]


class Outcome(NamedTuple):
    """What one update came to.

    ``loss`` is the cost before the update, ``norm`` that of the whole gradient
    before clipping. When one of them is not finite, or the loss is above the
    limit, ``applied`` is False and neither weights nor statistics changed.
    """

    loss: float
    norm: float
    applied: bool


@dataclass
class LearnerState:
    """Everything a learner must know to continue exactly.

    Attributes
    ----------
    weights : dict of str to ndarray
        All tensors of the network.
    optimizer : dict of str to ndarray
        ``slot/parameter`` to array.
    updates : int
        Updates that the optimizer has applied.
    average : dict of str to ndarray
        Moving average of the tensors, or empty.
    random : dict of str to object
        States of the layers' own random numbers, plain values for JSON.
    optimizer_name : str
        Whose arrays ``optimizer`` holds; "" where that is not known.
    """

    weights: dict[str, Array]
    optimizer: dict[str, Array]
    updates: int
    average: dict[str, Array] = field(default_factory=dict)
    random: dict[str, Any] = field(default_factory=dict)
    optimizer_name: str = ""


class Learner(Protocol):
    """What the training loop needs; a back end may bring its own.

    See :meth:`zoo.plugins.base.Kernels.learner`.
    """

    def step(
        self, low: Pixels, high: Pixels, rate: float, limit: float = math.inf
    ) -> Outcome:
        """Learn from one batch of patches at a learning rate.

        Parameters
        ----------
        low, high : ndarray, uint8, N x P x P x 3 and N x rP x rP x 3
        rate : float
        limit : float
            The largest loss to learn from.
        """

    def update_average(self, share: float) -> None:
        """Move the average of the weights by a share towards the weights."""

    def best_weights(self) -> dict[str, Array]:
        """The average if there is one, else the weights; by name, to be read only."""

    def state(self) -> LearnerState:
        """What :meth:`restore` needs; to be read only, valid until the next step."""

    def restore(self, state: LearnerState) -> None:
        """Continue from a state.

        The optimizer starts afresh if the state is that of another one, and an
        average is dropped that the recipe does not ask for.
        """


def layers_that_learn(network: Network) -> list[int]:
    """Indices of the layers with parameters that training changes.

    Those that the output depends on and that are not frozen.

    Raises
    ------
    UsageError
        If a gradient must pass a layer that has no ``backward``, or all layers are
        frozen.
    """
    reached: set[int] = set()
    todo = [*network.outputs]
    while todo:
        index = todo.pop()
        if index != INPUT and index not in reached:
            reached.add(index)
            todo += network.sources[index]
    wanted = {INPUT: False}
    for index, layer in enumerate(network):
        passes = any(wanted[source] for source in network.sources[index])
        learns = bool(layer.parameters) and not layer.frozen
        wanted[index] = index > network.stop and (passes or learns)
        made = type(layer)
        if (
            index in reached
            and wanted[index]
            and made.backward is Layer.backward
            and (passes or made.backward_parameters is Layer.backward_parameters)
        ):
            raise UsageError(
                f"{network.where(index)} has no gradient (no method backward), so "
                f"that nothing can be learned through it"
            )
    with_parameters = [index for index in sorted(reached) if network[index].parameters]
    learning = [index for index in with_parameters if not network[index].frozen]
    if with_parameters and not learning:
        raise UsageError(
            f"nothing of {network.source} can learn: dont_update or stopbackward "
            f"holds every layer with weights"
        )
    return learning


def slots_for(state: LearnerState, optimizer: str) -> tuple[dict[str, Array], int]:
    """What an optimizer goes on with: its arrays and how many updates it did.

    Nothing of another one's: arrays of one name mean other things there.
    """
    slots = {key.partition("/")[0] for key in state.optimizer}
    is_own = state.optimizer_name == optimizer or (
        not state.optimizer_name and slots <= set(OPTIMIZERS[optimizer].slots)
    )
    return (state.optimizer, state.updates) if is_own else ({}, 0)


def random_states(network: Network) -> dict[str, Any]:
    """States of the layers' random numbers (dropout) by layer index, for JSON."""
    return {
        str(index): generator.bit_generator.state
        for index, generator in _generators(network).items()
    }


def restore_random_states(network: Network, states: dict[str, Any]) -> None:
    """Undo :func:`random_states`."""
    generators = _generators(network)
    for index, state in states.items():
        if int(index) in generators:
            generators[int(index)].bit_generator.state = state


def _generators(network: Network) -> dict[int, np.random.Generator]:
    """What the layers draw from: their attribute ``rng``, where they have one."""
    found = {
        index: getattr(layer, "rng", None) for index, layer in enumerate(network.layers)
    }
    return {
        index: generator
        for index, generator in found.items()
        if isinstance(generator, np.random.Generator)
    }
