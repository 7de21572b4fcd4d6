"""One update of a network's weights, on a back end of kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError, UsageError
from zoo.layers.base import INPUT, Array, Layer
from zoo.net_section import PixelFormat
from zoo.network import Network
from zoo.pixels import prepare, target, white_of
from zoo.plugins import Kernels
from zoo.train.costs import cost_named, gradient_start
from zoo.train.optimizers import OPTIMIZERS
from zoo.train.recipe import Recipe

__all__ = [
    "Learner",
    "LearnerState",
    "NetworkLearner",
    "Outcome",
    "Truth",
    "checked_batch",
    "layers_that_learn",
    "parts_of",
    "random_states",
    "require_pictures",
    "restore_random_states",
    "slots_for",
    "targets",
    "training_arrays",
]

Pixels = NDArray[np.uint8]
Truth = Array | Sequence[Array]

# The luma of zoo.run.pipeline, which gives networks of color=y their pictures.
_LUMA = (0.299, 0.587, 0.114)


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


def targets(network: Network, x: Array, t: Array) -> Truth:
    """The truth for each output, from that for the largest.

    Smaller outputs learn from means over whole cells of pixels (what resizing by
    area gives); a network with one output from t itself.

    Raises
    ------
    ShapeError
        If an output is no whole part of the truth.
    """
    if len(network.outputs) == 1:
        return t
    shapes = network.shapes_for(x)
    found = []
    for index in network.outputs:
        height, width, channels = shapes[index]
        cell = t.shape[1] // height
        if t.shape[1:] != (height * cell, width * cell, channels):
            raise ShapeError(
                f"{network.where(index)} is an output of {shapes[index]}, which is no "
                f"whole part of the {t.shape[1]}x{t.shape[2]}x{t.shape[3]} that it "
                f"should learn"
            )
        cells = t.reshape(len(t), height, cell, width, cell, channels)
        found.append(t if cell == 1 else cells.mean(axis=(2, 4), dtype=t.dtype))
    return found


def checked_batch(network: Network, x: Array, t: Truth) -> tuple[Array, list[Array]]:
    """An input and the truths for its outputs, contiguous, of the weights' type.

    Raises
    ------
    ShapeError
        If the network cannot learn from these arrays.
    """
    truths = [t] if isinstance(t, np.ndarray) else list(t)
    for truth in truths:
        if x.dtype.kind != "f" or truth.dtype.kind not in "fiub":
            raise ShapeError(
                f"learning takes arrays of float32, not input {x.dtype} and truth "
                f"{truth.dtype}"
            )
    shapes = network.shapes_for(x)
    if not len(x):
        raise ShapeError("there is nothing to learn from a batch of no pictures")
    if len(truths) != len(network.outputs):
        raise ShapeError(
            f"{network.source} has {len(network.outputs)} outputs (layers "
            f"{', '.join(map(str, network.outputs))}) and learns from as many truths, "
            f"not {len(truths)}"
        )
    for index, truth in zip(network.outputs, truths, strict=True):
        expected = (len(x), *shapes[index])
        if truth.shape != expected:
            raise ShapeError(
                f"prediction {expected} and truth {truth.shape} differ in shape"
            )
    kinds = [array.dtype for layer in network for array in layer.parameters.values()]
    kind = np.result_type(*kinds) if kinds else np.dtype(np.float32)
    x = np.ascontiguousarray(x, kind)
    return x, [np.ascontiguousarray(truth, kind) for truth in truths]


def parts_of(count: int, parts: int) -> list[slice]:
    """Cut a batch into nearly equal parts, none of them empty."""
    parts = min(parts, count)
    ends = [number * count // parts for number in range(parts + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def slots_for(state: LearnerState, optimizer: str) -> tuple[dict[str, Array], int]:
    """What an optimizer goes on with: its arrays and how many updates it did.

    Nothing of another one's: arrays of one name mean other things there.
    """
    slots = {key.partition("/")[0] for key in state.optimizer}
    is_own = state.optimizer_name == optimizer or (
        not state.optimizer_name and slots <= set(OPTIMIZERS[optimizer].slots)
    )
    return (state.optimizer, state.updates) if is_own else ({}, 0)


def require_pictures(pixels: PixelFormat, source: str = "the network") -> None:
    """Raise UsageError if a network takes no pictures: neither color nor luma."""
    if pixels.channels != 3 and pixels.color != "y":
        raise UsageError(
            f"{source} takes {pixels.channels} channels; training on pictures needs "
            f"three, or one with color=y in [net]"
        )


def training_arrays(
    low: Pixels, high: Pixels, pixels: PixelFormat
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network takes and what it should give, for a batch of patches.

    Parameters
    ----------
    low, high : ndarray, uint8, uint16 or float32, N x P x P x 3, N x rP x rP x 3, RGB
    pixels : PixelFormat
        A network of luma (``color=y``) learns from the luma alone.

    Raises
    ------
    UsageError
        If the network takes no pictures: neither colour nor luma.
    """
    if pixels.color == "y":
        small, large = (np.float32(batch) @ _luma_column() for batch in (low, high))
        white = white_of(high.dtype)
        return prepare(small, pixels, white)[0], target(large, pixels, white)
    require_pictures(pixels)
    return prepare(low, pixels)[0], target(high, pixels)


def _luma_column() -> NDArray[np.float32]:
    return np.array(_LUMA, np.float32)[:, None]


def _add(sums: dict[str, Array], gradients: dict[str, Array]) -> None:
    """Add up gradients by name; the arrays of the sums are nobody else's."""
    for name, gradient in gradients.items():
        if name in sums:
            sums[name] += gradient
        else:
            sums[name] = gradient.copy()


def _copied(arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


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
