"""What recurrent layers share: parts, steps, and the way back through time.

A batch of N pictures is ``time_steps`` steps of N / time_steps sequences, the first
picture of every sequence first, as in Darknet. Every sequence starts from zeros.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["STEPS_KEY", "Recurrent", "Tape"]

STEPS_KEY = Key(
    "time_steps",
    "int",
    1,
    "pictures of a batch in a row that are one sequence; [net]'s if absent",
    minimum=1,
)


class Tape:
    """What the parts of a layer kept at each step, in order, for the way back."""

    def __init__(self) -> None:
        self._kept: list[tuple[str, Any]] = []

    def record(self, name: str, saved: Any) -> None:
        """Remember what a part kept."""
        self._kept.append((name, saved))

    def replay(self, name: str) -> Any:
        """What the part kept last, which is forgotten here."""
        found, saved = self._kept.pop()
        assert found == name, f"{name} goes back and {found} went last"
        return saved


class Recurrent(Layer):
    """Base of layers that see one picture of a sequence after the other.

    A subclass makes its :attr:`parts` (layers of the usual kinds, by name) in its
    constructor and says which input each has (:meth:`part_inputs`), what one step does
    (:meth:`step`), and the way back through one (:meth:`step_back`). The tensor
    ``weights`` of the part ``wf`` is called ``wf_weights`` here.
    """

    mixes_batch: ClassVar[bool] = True

    time_steps: int
    dialect: str
    parts: dict[str, Layer]

    # -- for subclasses ----------------------------------------------------

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        """Input shape of each part, for an input of the layer."""
        raise NotImplementedError

    def first_state(self, x: Array) -> dict[str, Array]:
        """The state before the first step, for the first pictures x."""
        raise NotImplementedError

    def step(
        self,
        x: Array,
        state: dict[str, Array],
        run: _Runner,
    ) -> tuple[Array, dict[str, Array], Any]:
        """One step: the output, the next state, and what :meth:`step_back` needs.

        ``run(name, x)`` gives what a part makes of x.
        """
        raise NotImplementedError

    def step_back(
        self, delta: Array, state: dict[str, Array], kept: Any, back: _Backer
    ) -> tuple[Array, dict[str, Array]]:
        """Gradients by x and by the state before, from those by output and state after.

        ``back(name, delta)`` gives the gradient by what a part took; calls come in the
        opposite order of :meth:`step`'s.
        """
        raise NotImplementedError

    # -- structure ---------------------------------------------------------

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        given = self.part_inputs(inputs[0])
        return {
            f"{name}_{tensor}": shape
            for name, part in self.parts.items()
            for tensor, shape in part.parameter_shapes(given[name]).items()
        }

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        given = self.part_inputs(inputs[0])
        return {
            f"{name}_{tensor}": shape
            for name, part in self.parts.items()
            for tensor, shape in part.statistics_shapes(given[name]).items()
        }

    def operations(self, *inputs: Shape) -> int:
        """Of one picture: what the parts do at one step."""
        given = self.part_inputs(inputs[0])
        return sum(part.operations(given[name]) for name, part in self.parts.items())

    def window(self) -> tuple[Window, Window]:
        """Everything: infinite."""
        return Window(math.inf), Window(math.inf)

    def build(self, *inputs: Shape) -> None:
        super().build(*inputs)
        self._hand_out()

    def initialize(self, rng: np.random.Generator) -> None:
        """As the parts do it."""
        self._hand_out()
        for part in self.parts.values():
            part.initialize(rng)

    def _hand_out(self) -> None:
        """Give the parts their arrays, which others may have replaced."""
        for name, part in self.parts.items():
            prefix = f"{name}_"
            for own, mine in (
                (part.parameters, self.parameters),
                (part.statistics, self.statistics),
            ):
                own.update(
                    (tensor.removeprefix(prefix), array)
                    for tensor, array in mine.items()
                    if tensor.startswith(prefix)
                )
            part.frozen = self.frozen

    def steps_of(self, count: int) -> int:
        """Sequences in a batch of so many pictures.

        Raises
        ------
        ShapeError
            If the batch is no whole number of sequences.
        """
        if count % self.time_steps:
            raise ShapeError(
                f"a batch of {count} is no whole number of sequences of "
                f"time_steps={self.time_steps}; give a multiple of it"
            )
        return count // self.time_steps

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        self._hand_out()
        size = self.steps_of(len(x))
        tape = Tape()
        run = _Runner(self.parts, kernels, tape if training else None)
        state = self.first_state(x[:size])
        outputs, kept = [], []
        for start in range(0, len(x), size or 1):
            y, state, saved = self.step(x[start : start + size], state, run)
            outputs.append(y)
            if training:
                kept.append(saved)
        if training:
            self._saved = tape, kept, x.shape
        return np.concatenate(outputs)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        tape, kept, shape = self._recall()
        size = self.steps_of(shape[0])
        back = _Backer(self.parts, kernels, tape)
        by_x = np.empty(shape, delta.dtype)
        state: dict[str, Array] = {}
        for number in reversed(range(len(kept))):
            part = slice(number * size, (number + 1) * size)
            by_x[part], state = self.step_back(delta[part], state, kept[number], back)
        if not self.frozen:
            self.gradients = {name: back.gradients[name] for name in self.parameters}
        self._saved = None  # the tape has run back
        return (by_x,)


class _Runner:
    """Runs parts forwards and records what they keep."""

    def __init__(
        self, parts: dict[str, Layer], kernels: Kernels, tape: Tape | None
    ) -> None:
        self.parts, self.kernels, self.tape = parts, kernels, tape

    def __call__(self, name: str, x: Array) -> Array:
        part = self.parts[name]
        y = part.forward(x, kernels=self.kernels, training=self.tape is not None)
        if self.tape is not None:
            self.tape.record(name, part._saved)
            part.forget()
        return y


class _Backer:
    """Runs parts backwards and adds up their gradients."""

    def __init__(self, parts: dict[str, Layer], kernels: Kernels, tape: Tape) -> None:
        self.parts, self.kernels, self.tape = parts, kernels, tape
        self.gradients: dict[str, Array] = {}

    def __call__(self, name: str, delta: Array) -> Array:
        part = self.parts[name]
        part._saved = self.tape.replay(name)
        (by_x,) = part.backward(delta, kernels=self.kernels)
        part.forget()
        for tensor, gradient in part.gradients.items():
            known = self.gradients.get(f"{name}_{tensor}")
            self.gradients[f"{name}_{tensor}"] = (
                gradient if known is None else known + gradient
            )
        part.gradients = {}
        return by_x
