"""Operations that can be done in one pass over the pixels become one.

A convolution takes on what follows it when nobody else reads its output: an
activation, a shortcut or a product with another layer (with its activation), a pixel
shuffle. Each rule only
moves arithmetic to where the value still is in a register; it changes no
formula, so results stay those of the unfused program to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from zoo.program.operations import (
    Activate,
    Add,
    Conv,
    Epilogue,
    Identity,
    Multiply,
    Shuffle,
)
from zoo.program.program import Program, Step
from zoo.shapes import Shape

__all__ = ["fuse"]


def fuse(program: Program) -> Program:
    """Return an equivalent program with fewer steps."""
    program = _without_identities(program)
    steps: list[Step] = []
    maker: dict[int, int] = {}  # value -> position in steps
    readers = program.consumers()
    for step in program.steps:
        fused = None
        for place, value in enumerate(step.inputs):
            position = maker.get(value)
            is_only_reader = len(readers.get(value, ())) == 1
            if position is None or not is_only_reader or value == program.output:
                continue
            fused = _join(steps[position], step, place, program.shapes)
            if fused is not None:
                # The joint step goes where the later one stood: what else it
                # reads exists by then.
                del steps[position]
                maker = {
                    made: at - (at > position)
                    for made, at in maker.items()
                    if at != position
                }
                break
        maker[step.output] = len(steps)
        steps.append(fused or step)
    return Program(program.shapes, steps, program.output)


def _without_identities(program: Program) -> Program:
    same: dict[int, int] = {}
    steps = []
    for step in program.steps:
        read = step.inputs[: step.operation.reads]
        inputs = tuple(same.get(value, value) for value in read)
        if isinstance(step.operation, Identity):
            same[step.output] = inputs[0]
        else:
            steps.append(replace(step, inputs=inputs))
    return Program(program.shapes, steps, same.get(program.output, program.output))


def _join(
    first: Step, second: Step, place: int, shapes: Sequence[Shape]
) -> Step | None:
    """One step in place of two, ``second`` reading ``first`` as input ``place``."""
    conv, operation = first.operation, second.operation
    if not isinstance(conv, Conv) or conv.shuffle != 1:
        return None
    epilogue = conv.epilogue
    inputs = first.inputs
    match operation:
        case Activate() if epilogue == Epilogue():
            epilogue = Epilogue(activation=operation.name, slopes=operation.slopes)
        case Add() if not epilogue.residual and second.inputs[0] != second.inputs[1]:
            alpha, beta = operation.alpha, operation.beta
            if place == 1:
                alpha, beta = beta, alpha
            epilogue = replace(
                epilogue,
                residual=True,
                alpha=alpha,
                beta=beta,
                last=operation.activation,
            )
            inputs = (*inputs, second.inputs[1 - place])
        case Multiply() if (
            not epilogue.residual
            and second.inputs[0] != second.inputs[1]
            and shapes[second.inputs[0]] == shapes[second.inputs[1]]
        ):
            epilogue = replace(
                epilogue, residual=True, product=True, last=operation.activation
            )
            inputs = (*inputs, second.inputs[1 - place])
        case Shuffle() if not epilogue.residual:
            conv = replace(conv, shuffle=operation.scale, order=operation.order)
        case _:
            return None
    return Step(
        replace(conv, epilogue=epilogue),
        inputs,
        second.output,
        first.layers + second.layers,
    )
