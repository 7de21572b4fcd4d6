"""A network in the making: steps on pictures of H x W x C, with their weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.graphs.errors import WrongSize
from zoo.shapes import Shape

__all__ = ["Draft", "Step"]


@dataclass(eq=False)
class Step:
    """One operation on pictures.

    Attributes
    ----------
    kind : str
        ============== ======================================================
        input          the picture
        conv           values: weights kh x kw x C/g x K, biases K or None,
                       strides, dilation, pads (top, bottom, left, right) and what
                       they hold (mode), same, groups
        deconv         weights kh x kw x K/g x C, biases, strides, pads, extra (rows
                       and columns more at the bottom and right), same, groups
        affine         scale C, offset C: x scale + offset
        activation     function, of zoo.activations, with slope, low and high, or slopes C
        unary          function: square, sqrt, reciprocal, exp, erf, abs, ...
        add            alpha, beta: alpha x + beta y
        mul, div, ...  of two pictures; also max, min
        concat         along the channels
        channels       indices K: channel k is the picture's channel indices[k]; -1: 0
        trim, pad      pads; pad has mode: zero, edge, reflect
        shuffle        scale, order: pixel shuffle
        unshuffle      scale, order: its inverse
        resize         mode, and scale, or like, the second input, with
                       align_corners
        pool           mode (max, average), size, strides, padding (before, total)
        mean, maximum  over the whole picture: 1 x 1 x C
        deviation      standard deviation over the whole picture
        mean_rows      over the rows: 1 x W x C; mean_columns: H x 1 x C
        mean_channels  H x W x 1; also max_channels
        groupnorm      groups, eps, scale C, offset C
        layernorm      eps, scale C, offset C: each pixel over its channels
        ============== ======================================================

        Two pictures of an operation have one shape, or one of them has one channel or
        1 x 1 pixels, where it is repeated.
    inputs : list of Step
    shape : Shape
        Of the result, at the size that was traced.
    values : dict of str to object
    origins : set of str
        Constants of the graph that its values were made of.
    name : str
        The node of the graph, for messages.
    readers : list of Step
        Those that read it, once for each time.
    """

    kind: str
    inputs: list[Step]
    shape: Shape
    values: dict[str, Any] = field(default_factory=dict)
    origins: set[str] = field(default_factory=set)
    name: str = ""
    readers: list[Step] = field(default_factory=list, repr=False)

    @property
    def activation(self) -> str:
        """The activation's name; "" for other steps."""
        return str(self.values["function"]) if self.kind == "activation" else ""

    @property
    def only(self) -> Step:
        """The only input."""
        (step,) = self.inputs
        return step


class Draft:
    """Steps in an order in which they can be done.

    Attributes
    ----------
    steps : list of Step
    output : Step
        What the network returns; the input until that is known.
    net : dict of str to object
        Keys of [net] that the ends of the network became.
    hints : dict of str to object
        mean and std as for ``net``, of a picture that goes other ways as well, so that
        they cannot be keys; they tell of range and colours.
    net_origins : set of str
        Constants that the keys were made of.
    is_coarse : bool
        Whether constants are of half precision, so that they tell little.
    """

    def __init__(self, shape: Shape) -> None:
        self.steps: list[Step] = []
        self.net: dict[str, Any] = {}
        self.hints: dict[str, Any] = {}
        self.net_origins: set[str] = set()
        self.is_coarse = False
        self.output: Step = self.add("input", [], shape)

    @property
    def input(self) -> Step:
        """The picture."""
        return self.steps[0]

    def __iter__(self) -> Iterator[Step]:
        return iter(list(self.steps))

    def add(
        self,
        kind: str,
        inputs: Iterable[Step],
        shape: Shape,
        origins: Iterable[str] = (),
        name: str = "",
        **values: Any,
    ) -> Step:
        """Append a step.

        Raises
        ------
        WrongSize
            If its result has no pixels or channels.
        """
        if min(shape) < 1:
            raise WrongSize("nothing is left of the picture")
        step = Step(kind, list(inputs), shape, values, set(origins), name)
        for source in step.inputs:
            source.readers.append(step)
        self.steps.append(step)
        return step

    def affine(
        self,
        x: Step,
        scale: float | NDArray[Any],
        offset: float | NDArray[Any],
        origins: Iterable[str] = (),
    ) -> Step:
        """Append a factor and an offset, each one number or one per channel."""
        size = x.shape.channels
        return self.add(
            "affine",
            [x],
            x.shape,
            origins,
            scale=np.broadcast_to(np.asarray(scale, np.float64), (size,)),
            offset=np.broadcast_to(np.asarray(offset, np.float64), (size,)),
        )

    def function(self, x: Step, name: str, **values: Any) -> Step:
        """Append an activation."""
        return self.add("activation", [x], x.shape, function=name, **values)

    # -- for passes -------------------------------------------------------------

    def is_read_once(self, step: Step) -> bool:
        """Whether one step reads it, once, and it is not the output."""
        return len(step.readers) == 1 and step is not self.output

    def replace(self, old: Step, new: Step) -> None:
        """Let all who read ``old`` read ``new``; ``new`` itself may go on reading it."""
        for reader in set(old.readers) - {new}:
            reader.inputs = [new if x is old else x for x in reader.inputs]
        new.readers += [reader for reader in old.readers if reader is not new]
        old.readers = [reader for reader in old.readers if reader is new]
        if self.output is old:
            self.output = new
        self._release(old)

    def _release(self, step: Step) -> None:
        """Let what nobody reads stop reading."""
        stack = [step]
        while stack:
            dead = stack.pop()
            if dead.readers or dead is self.output:
                continue
            for source in dead.inputs:
                if dead in source.readers:
                    source.readers.remove(dead)
                    stack.append(source)

    def sweep(self) -> None:
        """Drop what nobody reads, and bring the steps into order."""
        done: dict[Step, None] = {self.input: None}
        stack = [self.output]
        while stack:
            step = stack[-1]
            missing = [x for x in step.inputs if x not in done]
            if missing and step not in done:
                stack.extend(reversed(missing))
            else:
                done[stack.pop()] = None
        self.steps = list(done)
        for step in self.steps:
            step.readers = []
        for step in self.steps:
            for source in step.inputs:
                source.readers.append(step)
