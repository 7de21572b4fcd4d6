"""A picture in several passes, where all of it must be seen before it is done.

A mean over the whole picture (squeeze and excitation, channel attention) is needed by
rows from which it was made. Either these are kept, all of them, or they are computed
again: one pass over the bands for the mean, the next one with it. Every pass begins
with the picture, so that no pass keeps more than its bands.
"""

from __future__ import annotations

from dataclasses import replace

from zoo.program.operations import Program, Step

__all__ = ["in_passes"]

_MOST_STEPS = 2000


def in_passes(program: Program) -> Program | None:
    """Return an equivalent program that computes values again for every pass.

    None where the program needs a single pass, or so many that it would become long:
    each pass does again what those before it did.
    """
    small = _small_values(program)
    makers = {step.output: step for step in program.steps}
    seen_whole = [
        step
        for step in program.steps
        if step.output in small and not small.issuperset(step.inputs)
    ]
    if not seen_whole:
        return None
    passes = _Passes(program, makers, small)
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
        self, program: Program, makers: dict[int, Step], small: set[int]
    ) -> None:
        self.program = program
        self.makers = makers
        self.small = small
        self.shapes = list(program.shapes)
        self.steps: list[Step] = []
        self.known: dict[int, int] = {0: 0}
        """What the values of the program are in this pass."""
        self._used: set[int] = {0}

    def add(self, values: list[int], before: int | None) -> bool:
        """A pass that makes values; False if the program becomes too long."""
        kept = {value: now for value, now in self.known.items() if value in self.small}
        self.known = {0: 0} | kept
        wanted, needed = set(values), []
        for step in reversed(self.program.steps):
            if step.output in wanted and step.output not in self.known:
                wanted.update(step.inputs)
                needed.append(step)
        for step in reversed(needed):
            self._add(step, before)
        return len(self.steps) <= _MOST_STEPS

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
