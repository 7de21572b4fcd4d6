"""From any program to one in steps that C knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.plugins.base import Kernels
from zoo.plugins.interpret import execute
from zoo.plugins.native import codes
from zoo.program.operations import (
    Activate,
    Add,
    Concat,
    Conv,
    Load,
    Opaque,
    Operation,
    Pad,
    Pool,
    Program,
    Repeat,
    Shuffle,
    Step,
    Store,
)
from zoo.shapes import Shape

__all__ = ["translate"]

_MAX_INPUTS = 8  # ZOO_STEP_INPUTS
_WIDEST_PANEL = 32  # ZOO_WIDEST_PANEL
_SIMPLE = ("linear", "relu")  # what a kernel does before it stores


def translate(program: Program, kernels: Kernels) -> Program:
    """The same program in steps that C knows; others become opaque."""
    shapes = list(program.shapes)
    steps: list[Step] = []
    for step in program.steps:
        operation = step.operation
        if isinstance(operation, Conv) and operation.shuffle != 1:
            conv, shuffle = _split_shuffle(operation)
            if _stores_shuffled(conv, shuffle):
                conv = replace(conv, shuffle=shuffle.scale, order="dcr")
                steps.append(replace(step, operation=conv))
                continue
            height, width, channels = shapes[step.output]
            r = operation.shuffle
            shapes.append(Shape(height // r, width // r, channels * r * r))
            middle = len(shapes) - 1
            steps.append(Step(conv, step.inputs, middle, step.layers))
            steps.append(Step(shuffle, (middle,), step.output, step.layers))
        else:
            steps.append(replace(step, operation=operation))
    for position, step in enumerate(steps):
        if not _is_known(step, shapes):
            steps[position] = replace(step, operation=_opaque(step.operation, kernels))
    return _between_pictures(_renumbered(Program(shapes, steps, program.output)))


def _between_pictures(program: Program) -> Program:
    """The same program from the pixels of a picture to those of the result."""
    moved = [
        replace(
            step,
            inputs=tuple(value + 1 for value in step.inputs),
            output=step.output + 1,
        )
        for step in program.steps
    ]
    shapes = [
        program.shapes[0],
        *program.shapes,
        program.shapes[program.output],
    ]
    result = len(shapes) - 1
    steps = [
        Step(Load(), (0,), 1, ()),
        *moved,
        Step(Store(), (program.output + 1,), result, ()),
    ]
    return Program(shapes, steps, result)


def _renumbered(program: Program) -> Program:
    """The same program without the values that fusion made superfluous."""
    used = {0, program.output}
    for step in program.steps:
        used |= {step.output, *step.inputs}
    number = {value: index for index, value in enumerate(sorted(used))}
    steps = [
        replace(
            step,
            inputs=tuple(number[value] for value in step.inputs),
            output=number[step.output],
        )
        for step in program.steps
    ]
    shapes = [program.shapes[value] for value in sorted(used)]
    return Program(shapes, steps, number[program.output])


def _split_shuffle(conv: Conv) -> tuple[Conv, Shuffle]:
    """A convolution and its shuffle apart, its filters in the order that copies runs."""
    if conv.order == "dcr" or conv.geometry.groups != 1:
        # Filters cannot leave their group, whatever order would be quicker to copy.
        return replace(conv, shuffle=1), Shuffle(conv.shuffle, conv.order)
    shuffle = Shuffle(conv.shuffle, "dcr")
    cells = conv.shuffle * conv.shuffle
    order = np.arange(conv.weights.shape[3]).reshape(-1, cells).T.reshape(-1)
    epilogue = conv.epilogue
    if epilogue.slopes is not None:
        epilogue = replace(epilogue, slopes=epilogue.slopes[order])
    plain = replace(
        conv,
        weights=conv.weights[..., order],
        biases=None if conv.biases is None else conv.biases[order],
        epilogue=epilogue,
        shuffle=1,
    )
    return plain, shuffle


def _stores_shuffled(conv: Conv, shuffle: Shuffle) -> bool:
    """Whether C stores the results where the shuffle would put them."""
    epilogue, filters = conv.epilogue, conv.weights.shape[3]
    return (
        filters // shuffle.scale % _WIDEST_PANEL == 0
        and conv.geometry.groups == 1
        and not epilogue.residual
        and epilogue.activation in _SIMPLE
    )


def _is_known(step: Step, shapes: list[Shape]) -> bool:
    match step.operation:
        case Conv():
            epilogue = step.operation.epilogue
            return {epilogue.activation, epilogue.last} <= codes.ACTIVATION_CODES.keys()
        case Pool() | Shuffle() | Repeat() | Pad():
            return True
        case Activate():
            return step.operation.name in codes.ACTIVATION_CODES
        case Add():
            return step.operation.activation in codes.ACTIVATION_CODES
        case Concat():
            return len(step.inputs) <= _MAX_INPUTS
        case _:
            return False


def _opaque(operation: Operation, kernels: Kernels) -> Opaque:
    if isinstance(operation, Opaque):
        return operation
    return Opaque(lambda *inputs: execute(operation, inputs, kernels), operation.kind)
