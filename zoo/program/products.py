"""Where a network multiplies what it computed by what it computed.

Such a product doubles the relative error of its factors, and a chain of them, one block
after the other, does so again and again. A gate, a factor from 0 to 1, does not: where
it is small so is its error, and elsewhere it lets through what is there.
"""

from __future__ import annotations

from zoo.program.operations import Activate, Add, Conv, Multiply, Operation, Scale
from zoo.program.program import Program, Step

__all__ = ["amplified"]

_GATES = frozenset({"logistic", "elliot"})
_FEW = 2  # products one after the other that are nothing yet


def amplified(program: Program) -> set[int]:
    """Positions of the steps whose output goes into several products in a row.

    Products by a gate do not count. A single product or two do little.
    """
    makers = {step.output: step for step in program.steps}
    ahead: dict[int, int] = {}  # value -> most products on a way to the output
    found = set()
    for position in reversed(range(len(program.steps))):
        step = program.steps[position]
        after = ahead.get(step.output, 0)
        if after > _FEW:
            found.add(position)
        after += _is_product(step, makers)
        for part in (part for value in step.inputs for part in program.made_of(value)):
            ahead[part] = max(ahead.get(part, 0), after)
    return found


def _is_product(step: Step, makers: dict[int, Step]) -> bool:
    operation = step.operation
    if isinstance(operation, (Multiply, Scale)):
        return not any(_is_gate(makers.get(value)) for value in step.inputs)
    if isinstance(operation, Conv) and operation.epilogue.product:
        own = operation.epilogue.activation
        return own not in _GATES and not _is_gate(makers.get(step.inputs[1]))
    return False


def _is_gate(step: Step | None) -> bool:
    return step is not None and _last(step.operation) in _GATES


def _last(operation: Operation) -> str:
    """The activation with which an operation ends."""
    match operation:
        case Activate():
            return operation.name
        case Add():
            return operation.activation
        case Conv():
            epilogue = operation.epilogue
            return epilogue.last if epilogue.residual else epilogue.activation
    return "linear"
