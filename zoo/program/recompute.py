"""Cheap values that are read late are computed again rather than kept.

EDSR adds the output of its first convolution to that of its last block. Until then
every row of it would have to be kept: of a wide picture, a quarter of all memory.
Computing it twice costs a thousandth of the work, for it comes from three channels.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

from zoo.program.operations import Concat, Conv
from zoo.program.program import Program, Step

__all__ = ["recompute"]

_FAR = 8  # steps between a value and a reader, not counting those that only join values
_CHEAP = 4  # times as many channels out as in


def recompute(program: Program) -> Program:
    """Return an equivalent program with steps repeated for readers far away."""
    shapes, steps = list(program.shapes), list(program.steps)
    for step in program.steps:
        if not _is_cheap(step, program) or step.output == program.output:
            continue
        begun = next(
            at for at, other in enumerate(steps) if other.output == step.output
        )
        distances = accumulate(
            not isinstance(other.operation, Concat) for other in steps[begun + 1 :]
        )
        readers = [
            (at, distance)
            for at, distance in enumerate(distances, begun + 1)
            if step.output in steps[at].inputs
        ]
        far = [at for at, distance in readers if distance >= _FAR]
        if not far or len(far) == len(readers):
            continue
        # Readers that are far from each other too get a copy each; the last one first,
        # so that places before it stay.
        for some in reversed(_near_each_other(far)):
            shapes.append(shapes[step.output])
            again = len(shapes) - 1
            for at in some:
                inputs = tuple(
                    again if value == step.output else value
                    for value in steps[at].inputs
                )
                steps[at] = replace(steps[at], inputs=inputs)
            steps.insert(some[0], replace(step, output=again))
    return Program(shapes, steps, program.output)


def _near_each_other(positions: list[int]) -> list[list[int]]:
    """Positions in order, in groups that begin less than ``_FAR`` steps ago."""
    groups = [positions[:1]]
    for at in positions[1:]:
        if at - groups[-1][0] >= _FAR:
            groups.append([])
        groups[-1].append(at)
    return groups


def _is_cheap(step: Step, program: Program) -> bool:
    """Whether a step makes much from little: its input is kept with less."""
    operation = step.operation
    return (
        isinstance(operation, Conv)
        and operation.shuffle == 1
        and not operation.epilogue.residual
        and operation.weights.shape[2] * _CHEAP <= operation.weights.shape[3]
        and step.inputs[0] == 0
    )
