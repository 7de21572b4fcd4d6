"""A picture in several passes, where all of it must be seen before it is done.

A mean over the whole picture (squeeze and excitation, channel attention) is needed by
rows from which it was made. Either these are kept, all of them, or they are computed
again: one pass over the bands for the mean, the next one with it. A pass begins with
the picture, so that no pass keeps more than its bands, or with values that are kept
whole, so that no pass does again what those before the last one did.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from zoo.program.operations import Load
from zoo.program.program import Program, Step

__all__ = ["checkpoints", "in_passes", "large_values"]

_MOST_STEPS = 2000


def in_passes(program: Program, kept: Collection[int] = ()) -> Program | None:
    """Return an equivalent program that computes values again for every pass.

    None where the program needs a single pass, or so many that it would become long:
    each pass does again what those before it did, but for the values in ``kept``.
    """
    small = _small_values(program)
    seen_whole = _seen_whole(program, small)
    if not seen_whole:
        return None
    passes = _Passes(program, small.union(kept), kept)
    before = None
    for step in seen_whole:
        if not passes.add(
            [value for value in step.inputs if value not in small], before
        ):
            return None
        passes.finish(step)
        before = passes.known[step.output]
    if not passes.add([program.output], before):
        return None
    output = passes.known[program.output]
    return Program(passes.shapes, passes.steps, output)


def checkpoints(program: Program) -> set[int]:
    """Values to keep whole from pass to pass, so that no step is done three times.

    These are the ones that later passes read, without those that only the next pass
    does and that can be made again by steps of their own pass, from what is kept.
    """
    small = _small_values(program)
    first = _passes_of(program, small)
    last = _last_passes(program, small, first)
    small |= _pictures(program)
    kept: set[int] = set()
    again: set[int] = set()

    def is_there(value: int, number: int) -> bool:
        """Whether the pass after ``number`` has a value, or makes it as that one did."""
        return (
            value == 0
            or value in small
            or (value in again and first[value] == number)
            or (value in kept and last[value] > number)
        )

    for step in program.steps:
        value = step.output
        if value not in first or value in small:
            continue
        number = first[value]
        if all(is_there(source, number) for source in step.inputs):
            again.add(value)
        if last[value] > number + (value in again):
            kept.add(value)
    return kept


def large_values(program: Program) -> set[int]:
    """All values but the picture's: with these kept no pass does anything again."""
    return {step.output for step in program.steps} - _pictures(program)


def _pictures(program: Program) -> set[int]:
    """The picture's values: nothing is to be kept of what can be loaded again."""
    return {step.output for step in program.steps if isinstance(step.operation, Load)}


def _seen_whole(program: Program, small: set[int]) -> list[Step]:
    """Steps that make small values of large ones; each ends a pass."""
    return [
        step
        for step in program.steps
        if step.output in small and not small.issuperset(step.inputs)
    ]


def _passes_of(program: Program, small: set[int]) -> dict[int, int]:
    """The pass that first makes each value that is not small."""
    makers = {step.output: step for step in program.steps}
    first: dict[int, int] = {}
    ends = [step.inputs for step in _seen_whole(program, small)]
    for number, values in enumerate([*ends, (program.output,)]):
        wanted = list(values)
        while wanted:
            value = wanted.pop()
            if value and value not in small and value not in first:
                first[value] = number
                wanted += makers[value].inputs
    return first


def _last_passes(
    program: Program, small: set[int], first: dict[int, int]
) -> dict[int, int]:
    """The last pass that reads each of these values."""
    last = dict(first)
    ends = {
        step.output: number for number, step in enumerate(_seen_whole(program, small))
    }
    for step in program.steps:
        reads = first.get(step.output, ends.get(step.output, 0))
        for value in step.inputs:
            if value in last:
                last[value] = max(last[value], reads)
    return last


def _small_values(program: Program) -> set[int]:
    """Values of one pixel that come from such values, or from whole images."""
    small: set[int] = set()
    for step in program.steps:
        height, width, _ = program.shapes[step.output]
        whole = not step.operation.streams
        if height * width == 1 and (whole or small.issuperset(step.inputs)):
            small.add(step.output)
    return small


class _Passes:
    """The program that grows pass by pass."""

    def __init__(
        self, program: Program, lasting: set[int], kept: Collection[int]
    ) -> None:
        self.program = program
        self.lasting = lasting
        self.most = max(_MOST_STEPS, 3 * len(program.steps) if kept else 0)
        self.shapes = list(program.shapes)
        self.steps: list[Step] = []
        self.known: dict[int, int] = {0: 0}
        """What the values of the program are in this pass."""
        self._used: set[int] = {0}

    def add(self, values: list[int], before: int | None) -> bool:
        """A pass that makes values; False if the program becomes too long."""
        lasting = {v: now for v, now in self.known.items() if v in self.lasting}
        self.known = {0: 0} | lasting
        wanted, needed = set(values), []
        for step in reversed(self.program.steps):
            if step.output in wanted and step.output not in self.known:
                wanted.update(step.inputs)
                needed.append(step)
        for step in reversed(needed):
            self._add(step, before)
        return len(self.steps) <= self.most

    def finish(self, step: Step) -> None:
        """What is made of whole values at the end of a pass."""
        self._add(step, None)

    def _add(self, step: Step, before: int | None) -> None:
        output = step.output
        if output in self._used:
            self.shapes.append(self.shapes[output])
            output = len(self.shapes) - 1
        self._used.add(output)
        self.known[step.output] = output
        inputs = tuple(self.known[value] for value in step.inputs)
        self.steps.append(replace(step, inputs=inputs, output=output, after=before))
