"""From any program to one in steps that C knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.plugins.base import Kernels
from zoo.plugins.interpret import execute
from zoo.plugins.native import codes
from zoo.plugins.native.moments import normalized, pooled
from zoo.program.join import join
from zoo.program.operations import (
    Activate,
    Add,
    Affine,
    Attend,
    BlockMoments,
    Concat,
    Conv,
    Epilogue,
    Load,
    Multiply,
    Normalize,
    NormalizeGroups,
    Opaque,
    Operation,
    Pad,
    Pool,
    Repeat,
    Resize,
    Scale,
    Shuffle,
    Store,
    Unshuffle,
)
from zoo.program.program import Program, Step
from zoo.shapes import Shape

__all__ = ["joined", "translate"]

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
            steps += _in_known_steps(
                Step(conv, step.inputs, middle, step.layers), shapes
            )
            steps.append(Step(shuffle, (middle,), step.output, step.layers))
        else:
            steps += _in_known_steps(step, shapes)
    for position, step in enumerate(steps):
        if not _is_known(step, shapes):
            steps[position] = replace(step, operation=_opaque(step.operation, kernels))
    steps = _needed(steps, program.output)
    whole = _between_pictures(_renumbered(Program(shapes, steps, program.output)))
    return whole


def joined(program: Program) -> Program:
    """The same program with values where their concatenations put them."""
    return join(program, _reads_apart, _writes_apart)


def _reads_apart(operation: Operation) -> bool:
    """Whether C reads pixels that are further apart than they have channels."""
    return isinstance(operation, (Conv, Add, Activate, Concat))


def _writes_apart(operation: Operation) -> bool:
    """Whether C writes such pixels."""
    if isinstance(operation, Conv) and operation.shuffle != 1:
        return False
    return _reads_apart(operation)


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


def _needed(steps: list[Step], output: int) -> list[Step]:
    """The steps without those whose output nobody needs."""
    wanted, kept = {output}, []
    for step in reversed(steps):
        if step.output in wanted:
            wanted.update(step.inputs)
            kept.append(step)
    return kept[::-1]


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


def _in_known_steps(step: Step, shapes: list[Shape]) -> list[Step]:
    """A step, activations apart that C does not apply to results one by one."""
    operation = step.operation
    if isinstance(operation, (Add, Multiply, Scale)) and not _applies(
        operation.activation
    ):
        plain_sum = Step(
            replace(operation, activation="linear"),
            step.inputs,
            _another(step.output, shapes),
            step.layers,
        )
        last = Activate(operation.activation)
        return [plain_sum, Step(last, (plain_sum.output,), step.output, step.layers)]
    if isinstance(operation, Pool):
        return pooled(step, operation, shapes)
    if isinstance(operation, NormalizeGroups):
        return normalized(step, operation, shapes)
    if not isinstance(operation, Conv):
        return [step]
    epilogue = operation.epilogue
    if _applies(epilogue.activation) and _applies(epilogue.last):
        return [step]
    plain = Step(
        replace(operation, epilogue=Epilogue()),
        step.inputs[:1],
        _another(step.output, shapes),
        step.layers,
    )
    output = _another(step.output, shapes) if epilogue.residual else step.output
    steps = [
        plain,
        Step(
            Activate(epilogue.activation, epilogue.slopes),
            (plain.output,),
            output,
            step.layers,
        ),
    ]
    if epilogue.residual:
        total: Operation = Add(epilogue.alpha, epilogue.beta, epilogue.last)
        if epilogue.product:
            total = Multiply(epilogue.last)
        joined = Step(total, (output, step.inputs[1]), step.output, step.layers)
        steps += _in_known_steps(joined, shapes)
    return steps


def _applies(activation: str) -> bool:
    return codes.activation_code(activation) is not None


def _another(value: int, shapes: list[Shape]) -> int:
    """A new value of the shape of another."""
    shapes.append(shapes[value])
    return len(shapes) - 1


def _is_known(step: Step, shapes: list[Shape]) -> bool:
    match step.operation:
        case Conv():
            return True
        case (
            Pool()
            | BlockMoments()
            | Shuffle()
            | Unshuffle()
            | Repeat()
            | Pad()
            | Resize()
            | Normalize()
            | Attend()
            | Affine()
        ):
            return True
        case Activate():
            return bool(codes.activation_steps(step.operation.name))
        case Add() | Multiply() | Scale():
            return codes.activation_code(step.operation.activation) is not None
        case Concat():
            return len(step.inputs) <= _MAX_INPUTS
        case _:
            return False


def _opaque(operation: Operation, kernels: Kernels) -> Opaque:
    if isinstance(operation, Opaque):
        return operation
    return Opaque(lambda *inputs: execute(operation, inputs, kernels), operation.kind)
