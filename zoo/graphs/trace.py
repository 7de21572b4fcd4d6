"""A graph at one size of picture: constants are computed, the rest becomes steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.graphs.arrange import MIXED, arrange
from zoo.graphs.arrays import FUNCTIONS
from zoo.graphs.axes import axes_of
from zoo.graphs.check import in_order
from zoo.graphs.draft import Draft, Step
from zoo.graphs.errors import Damaged, Refused, Untranslatable, WrongSize
from zoo.graphs.graph import Graph, Node
from zoo.graphs.values import Const, PictureView, Unknown, Value
from zoo.shapes import Shape

__all__ = ["Operator", "Tracer", "trace"]

Operator = Callable[["Tracer", Node, list[Any]], "Value | Sequence[Value]"]

_WRONG = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


class Tracer:
    """Goes through a graph at one size of picture.

    Attributes
    ----------
    draft : Draft
        The steps so far.
    problems : Counter of str
        What has no translation, and how often.
    stated : set of str
        Constants that only told shapes and arguments.
    branches : dict of str to object
        For every If, the numbers that chose the branch.
    """

    def __init__(
        self, graph: Graph, shape: Shape, operators: Mapping[str, Operator]
    ) -> None:
        self.graph = graph
        self.draft = Draft(shape)
        self.problems: Counter[str] = Counter()
        self.stated: set[str] = set()
        self._operators = operators
        self._values: dict[str, Value] = {}
        self._makers: dict[str, Node] = {}
        self.branches: dict[str, Any] = {}
        self._depth = 0

    def run(
        self,
        layout: str,
        fed: str,
        others: Mapping[str, Any],
        nodes: Sequence[Node],
        output: str,
    ) -> Value:
        """Trace nodes that are in order, and return the value of an output."""
        self._values[fed] = PictureView(
            self.draft.input, axes_of(self.draft.input.shape, layout)
        )
        for name, value in others.items():
            self._values[name] = Const(np.asarray(value))
        for node in nodes:
            self._makers.update(dict.fromkeys(node.outputs, node))
            self._node(node)
        return self.value(output)

    def value(self, name: str) -> Value:
        """The value of a name."""
        known = self._values.get(name)
        if known is not None:
            return known
        if name not in self.graph.constants:
            raise Damaged(f"{name[:80]!r} is read, but nothing makes it")
        array = self.graph.constants[name]
        if array.dtype == np.float16:
            array = array.astype(np.float32)  # float32 holds all that is computed
            self.draft.is_coarse = True
        made = Const(array, frozenset((name,)))
        self._values[name] = made
        return made

    # -- nodes ------------------------------------------------------------------

    def _node(self, node: Node) -> None:
        inputs = [self.value(name) if name else None for name in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        try:
            results = self._apply(node, inputs)
        except Untranslatable as error:
            self.problems[str(error)] += 1
            results = [Unknown()] * len(node.outputs)
        except _WRONG as error:
            raise WrongSize(f"{node} does not fit what it gets ({error})") from None
        except Damaged as error:
            raise Damaged(f"{node}: {error}") from None
        except WrongSize as error:
            raise WrongSize(f"{node}: {error}") from None
        for name, value in zip(node.outputs, results, strict=False):
            if name:
                self._values[name] = value

    def _apply(self, node: Node, inputs: list[Any]) -> Sequence[Value]:
        if (
            node.op == "Shape"
            and isinstance(inputs[0], PictureView)
            or node.op == "Size"
            and isinstance(inputs[0], PictureView)
        ):
            inputs = [Const(inputs[0].like)]
        if node.op == "If" and not node.domain:
            return self._branch(node, inputs)
        if node.op == "Constant" and not node.domain:
            return [Const(_constant(node))]
        if all(x is None or isinstance(x, Const) for x in inputs) and not node.domain:
            done = self._compute(node, inputs)
            if done is not None:
                return done
        operator = None
        if node.domain in ("", "zoo"):
            operator = self._operators.get(f"zoo.{node.op}" if node.domain else node.op)
        if operator is None:
            raise Untranslatable(_unknown(node))
        if any(isinstance(x, Unknown) for x in inputs):
            if node.op in ("MatMul", "Einsum") and not any(
                isinstance(x, Const) for x in inputs
            ):
                raise Untranslatable(f"{node.op} of two values")
            return [Unknown()] * len(node.outputs)
        made = operator(self, node, inputs)
        return made if isinstance(made, (list, tuple)) else [made]  # type: ignore[list-item]

    def _compute(self, node: Node, inputs: list[Any]) -> Sequence[Value] | None:
        """Compute a node all of whose inputs are constants; None if it cannot be."""
        function = FUNCTIONS.get(node.op)
        if function is None:
            return None
        origins: frozenset[str] = frozenset().union(
            *(x.origins for x in inputs if x is not None)
        )
        attributes = node.attributes
        if node.op == "Split":
            attributes = {**attributes, "outputs": len(node.outputs)}
        arrays = [None if x is None else x.array for x in inputs]
        return [Const(array, origins) for array in function(attributes, arrays)]

    def _compared(self, node: Node) -> None:
        """Note the numbers that a branch is chosen by; equality may be relied on."""
        stack, seen = [node.inputs[0]], 0
        while stack and seen < 64:
            maker = self._makers.get(stack.pop())
            seen += 1
            if maker is None:
                continue
            if maker.op in ("Greater", "GreaterOrEqual", "Less", "LessOrEqual"):
                numbers = tuple(
                    tuple(value.array.reshape(-1)[:16].tolist())
                    for name in maker.inputs
                    if isinstance(value := self.value(name), Const)
                )
                self.branches[str(node)] = numbers
            elif maker.op != "Equal":
                stack += [name for name in maker.inputs if name]

    def _branch(self, node: Node, inputs: list[Any]) -> Sequence[Value]:
        """If: take the branch that a constant condition names."""
        if not isinstance(inputs[0], Const):
            raise Refused(f"it branches on the picture (node {node})")
        self._compared(node)
        taken = "then_branch" if bool(inputs[0].array.reshape(-1)[0]) else "else_branch"
        branch: Graph = node.attributes[taken]
        self._depth += 1
        if self._depth > 16:
            raise Damaged("branches lie within branches more than 16 deep")
        before = self._values
        self._values = dict(before)
        outer = self.graph
        inner_constants = {**outer.constants, **branch.constants}
        self.graph = Graph(outer.source, constants=inner_constants, opset=outer.opset)
        for inner in in_order(branch, None):
            self._node(inner)
        results = [self.value(name) for name in branch.outputs]
        self._values, self.graph = before, outer
        self._depth -= 1
        return results

    # -- for operators -------------------------------------------------------------

    def const(self, value: Value | None, what: str) -> Const:
        """An input that must be a constant; its origins count as stated.

        Raises
        ------
        Untranslatable
            If it depends on the picture.
        """
        if not isinstance(value, Const):
            raise Untranslatable(f"{what} made from the picture")
        self.stated |= value.origins
        return value

    def picture(self, view: PictureView) -> Step:
        """The picture that a view of N, C, H, W shows."""
        if view.rank != 4:
            raise Untranslatable(f"a picture of {view.rank} axes where 4 are needed")
        batch, depth, rows, columns = view.axes
        if batch:
            raise Untranslatable(MIXED)
        return arrange(self.draft, view.step, depth, rows, columns)

    def shown(self, step: Step) -> PictureView:
        """The view N, C, H, W of a picture."""
        return PictureView(step, axes_of(step.shape, "NCHW"))


_QUANTIZED = (
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearAdd",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
)


def _unknown(node: Node) -> str:
    if node.op in _QUANTIZED:
        return f"{node.op} (it computes with quantised numbers)"
    if node.domain:
        return f"the operator {node.title}, which is not known here"
    return node.op


def _constant(node: Node) -> Any:
    for name, value in node.attributes.items():
        if name == "value":
            return np.asarray(value)
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise Untranslatable("a Constant of texts or sparse values")


def trace(
    graph: Graph,
    shape: Shape,
    *,
    layout: str,
    fed: str,
    others: Mapping[str, Any],
    output: str,
) -> Tracer:
    """Trace a graph at one size of picture.

    Parameters
    ----------
    graph : Graph
        Checked (:func:`zoo.graphs.check.check`).
    shape : Shape
        Of the picture.
    layout : str
        Axes of the input: "NCHW", "NHWC", "CHW", "HWC".
    fed : str
        The input that takes the picture.
    others : mapping of str to array_like
        Values for all other inputs.
    output : str
        Name of the value that is wanted.

    Returns
    -------
    Tracer
        Whose draft ends in the output, in its own order, if there are no problems.

    Raises
    ------
    WrongSize
        If the graph does not take this size.
    Damaged
        If it contradicts itself.
    """
    from zoo.graphs.operators import OPERATORS

    tracer = Tracer(graph, shape, OPERATORS)
    value = tracer.run(layout, fed, others, in_order(graph, output), output)
    if tracer.problems:
        return tracer
    if isinstance(value, PictureView):
        try:
            tracer.draft.output = _output(tracer, value, layout)
        except Untranslatable as error:
            tracer.problems[str(error)] += 1
            return tracer
        tracer.draft.sweep()
    else:
        tracer.problems["an output that does not depend on the picture"] += 1
    return tracer


def _output(tracer: Tracer, view: PictureView, layout: str) -> Step:
    """The picture that the output shows, whichever order its axes have."""
    axes = view.axes
    if view.rank == 3:
        axes = ((), *axes)
    if len(axes) != 4 or axes[0]:
        raise Untranslatable(f"an output of {view.rank} axes, which is no picture")

    def holds(axis: int, letter: str) -> bool:
        return any(atom.axis == letter for atom in axes[axis])

    last = holds(1, "h") and holds(2, "w")
    if last or (layout.endswith("C") and not (holds(2, "h") and holds(3, "w"))):
        _, rows, columns, depth = axes
    else:
        _, depth, rows, columns = axes
    return arrange(tracer.draft, view.step, depth, rows, columns)
