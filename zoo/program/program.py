"""A network as operations in order, and the values between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from zoo.program.operations import Operation
from zoo.shapes import Shape

__all__ = ["Place", "Program", "Step"]


@dataclass(frozen=True)
class Step:
    """One operation, the values it reads and makes, and the layers it stands for.

    It does not begin before the value ``after`` is there as a whole, if there is one.
    """

    operation: Operation
    inputs: tuple[int, ...]
    output: int
    layers: tuple[int, ...]
    after: int | None = None


class Place(NamedTuple):
    """Channels of ``base``, from ``channel`` on, are another value."""

    base: int
    channel: int


@dataclass
class Program:
    """Operations in order.

    Attributes
    ----------
    shapes : list of Shape
        Of the values; value 0 is the input.
    steps : list of Step
        In an order in which every value is made before it is read.
    output : int
        The value that is the network's output.
    places : dict of int to Place
        Of values that stand among the channels of another one (:mod:`zoo.program.join`).
    parts : dict of int to tuple of int
        Of values that no step makes: those that are joined in them.
    """

    shapes: list[Shape]
    steps: list[Step] = field(default_factory=list)
    output: int = 0
    places: dict[int, Place] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)

    def made_of(self, value: int) -> tuple[int, ...]:
        """The values that steps make, of which a value is joined; else itself."""
        return self.parts.get(value, (value,))

    def place(self, value: int) -> Place:
        """Where a value stands: in itself, if nowhere else."""
        return self.places.get(value, Place(value, 0))

    def joined(self) -> dict[int, list[int]]:
        """For every value that holds others among its channels, these and itself."""
        found: dict[int, list[int]] = {}
        for value, place in self.places.items():
            found.setdefault(place.base, []).append(value)
        return found

    def consumers(self) -> dict[int, list[int]]:
        """For every value, the positions of the steps that read it."""
        found: dict[int, list[int]] = {}
        for position, step in enumerate(self.steps):
            for value in step.inputs:
                found.setdefault(value, []).append(position)
        return found
