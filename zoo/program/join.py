"""Values that are concatenated are made where the concatenation would put them.

A value may stand among the channels of a larger one: its pixels are as far apart as
those of the larger one, and its rows are kept in the same ring. Where all inputs of a
concatenation can, nobody has to copy them, and the concatenation is no step any more.
In a dense block each concatenation is a part of the next one, so that one value holds
them all. Likewise some channels of a value are read where they are.
"""

from __future__ import annotations

from collections.abc import Callable

from zoo.program.operations import Concat, Operation
from zoo.program.program import Place, Program, Step

__all__ = ["join"]

Test = Callable[[Operation], bool]


def join(program: Program, reads_apart: Test, writes_apart: Test) -> Program:
    """Return an equivalent program with fewer copies.

    Parameters
    ----------
    program : Program
    reads_apart, writes_apart : callable
        Whether a back end's step can read, or write, pixels that are further apart than
        they have channels.
    """
    return _Joiner(program, reads_apart, writes_apart).run()


class _Joiner:
    """The last concatenations first: they are the largest."""

    def __init__(self, program: Program, reads: Test, writes: Test) -> None:
        self.program = program
        self.shapes = list(program.shapes)
        self.places: dict[int, Place] = {}
        self.parts: dict[int, tuple[int, ...]] = {}
        maker = {step.output: step.operation for step in program.steps}
        readers = program.consumers()
        self.read_apart = {
            value
            for value, positions in readers.items()
            if all(reads(program.steps[at].operation) for at in positions)
        }
        self.made_apart = {
            value for value, operation in maker.items() if writes(operation)
        }

    def run(self) -> Program:
        steps: list[Step] = []
        for step in reversed(self.program.steps):
            joint = isinstance(step.operation, Concat) and (
                self._is_view(step) or self._places(step)
            )
            if not joint:
                steps.append(step)
                continue
            inputs = []
            place = self.places[step.output]
            slices = step.operation.slices  # type: ignore[attr-defined]
            at = place.channel
            for value, (first, last) in zip(step.inputs, slices, strict=True):
                wanted = Place(place.base, at - first)
                if self.places.get(value) != wanted:
                    value = self._copied(step, value, (first, last), steps)
                    self.places[value] = Place(place.base, at)
                inputs.append(value)
                at += last - first
            self.parts[step.output] = tuple(inputs)
        steps.reverse()
        parts = {value: self._leaves(value) for value in self.parts}
        return Program(self.shapes, steps, self.program.output, self.places, parts)

    def _is_view(self, step: Step) -> bool:
        """Whether all inputs stand side by side already; then the output is there."""
        if step.output not in self.read_apart:
            return False
        assert isinstance(step.operation, Concat)
        if len(step.inputs) == 1 and step.output not in self.places:
            # Some channels of one value, read where it stands, if only in itself.
            (value,) = step.inputs
            if value not in self.places and value in self.made_apart:
                self.places[value] = Place(value, 0)
        found = set()
        at = 0
        for value, (first, last) in zip(
            step.inputs, step.operation.slices, strict=True
        ):
            if value not in self.places:
                return False
            base, channel = self.places[value]
            found.add(Place(base, channel + first - at))
            at += last - first
        if len(found) > 1:
            return False
        (place,) = found
        return self.places.setdefault(step.output, place) == place

    def _places(self, step: Step) -> bool:
        """Give inputs their places in the output; False if none can be there."""
        assert isinstance(step.operation, Concat)
        place = self.places.get(step.output, Place(step.output, 0))
        any_placed = False
        at = place.channel
        for value, (first, last) in zip(
            step.inputs, step.operation.slices, strict=True
        ):
            wanted = Place(place.base, at - first)
            at += last - first
            is_whole = last - first == self.shapes[value].channels
            if (
                is_whole
                and value not in self.places
                and value in self.read_apart & self.made_apart
                and value != self.program.output
            ):
                self.places[value] = wanted
            any_placed = any_placed or self.places.get(value) == wanted
        if any_placed:
            self.places[step.output] = place
        return any_placed

    def _copied(
        self, step: Step, value: int, part: tuple[int, int], steps: list[Step]
    ) -> int:
        """A copy of some channels of a value, made where the concatenation was."""
        first, last = part
        self.shapes.append(self.shapes[value]._replace(channels=last - first))
        copy = len(self.shapes) - 1
        steps.append(Step(Concat((part,)), (value,), copy, step.layers))
        return copy

    def _leaves(self, value: int) -> tuple[int, ...]:
        if value not in self.parts:
            return (value,)
        found = [leaf for part in self.parts[value] for leaf in self._leaves(part)]
        return tuple(dict.fromkeys(found))
