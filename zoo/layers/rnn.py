"""Recurrent layers of Elman's kind: fully connected, and convolutional."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.keys import Key
from zoo.layers.activated import activation_keys
from zoo.layers.base import Array, Layer
from zoo.layers.batchnorm import NORMALIZATION_DIALECTS, NORMALIZATION_KEYS
from zoo.layers.connected import Connected
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.layers.recurrent import STEPS_KEY, Recurrent
from zoo.shapes import Shape

__all__ = ["Rnn", "SimpleRecurrent"]


class SimpleRecurrent(Recurrent):
    """h_t = input(x_t) + self(h_{t-1}), y_t = output(h_t), from h_0 = 0.

    ``input``, ``self`` and ``output`` are f(W x + b), with batch normalization if asked
    for, which works on one step at a time. With ``shortcut=1`` h_{t-1} is added to h_t.
    The activation of self may be another one, see ``logistic``.
    """

    shortcut: bool

    def first_state(self, x: Array) -> dict[str, Array]:
        shape = self.parts["input"].output_shape(Shape(*x.shape[1:]))
        return {"h": np.zeros((len(x), *shape), x.dtype)}

    def step(
        self, x: Array, state: dict[str, Array], run: Any
    ) -> tuple[Array, dict[str, Array], Any]:
        h = run("input", x) + run("self", state["h"])
        if self.shortcut:
            h += state["h"]
        return run("output", h), {"h": h}, None

    def step_back(
        self, delta: Array, state: dict[str, Array], kept: Any, back: Any
    ) -> tuple[Array, dict[str, Array]]:
        by_h = back("output", delta)
        if "h" in state:
            by_h = by_h + state["h"]
        before = back("self", by_h)
        if self.shortcut:
            before = before + by_h
        return back("input", by_h), {"h": before}


class Rnn(SimpleRecurrent):
    """Fully connected: see :class:`SimpleRecurrent`.

    input has ``hidden`` outputs of the inputs, self as many of the state, output makes
    ``output`` of the state. (Elman, "Finding structure in time", 1990;
    ``forward_rnn_layer`` of both Darknets.)
    """

    summary = "recurrent: what it gives depends on the pictures before"
    keys = (
        Key("output", "int", 1, "number of outputs", minimum=1),
        Key("hidden", "int", 1, "values of the state", minimum=1),
        *activation_keys("logistic", "of input, self and output"),
        Key("batch_normalize", "bool", False, "1: batch normalization in all parts"),
        *NORMALIZATION_KEYS,
        Key(
            "logistic",
            "int",
            0,
            "another activation of self: 1 logistic, 2 loggy",
            minimum=0,
            maximum=2,
        ),
        Key("shortcut", "bool", False, "1: the state is added to the next one"),
        STEPS_KEY,
        DIALECT_KEY,
        *COMMON_KEYS,
    )
    dialects = NORMALIZATION_DIALECTS

    output: int
    hidden: int
    activation: str
    slope: float
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str
    logistic: int

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        own = (None, "logistic", "loggy")[self.logistic]
        self.parts: dict[str, Layer] = {
            "input": self._part(self.hidden),
            "self": self._part(self.hidden, own),
            "output": self._part(self.output),
        }

    def _part(self, output: int, activation: str | None = None) -> Connected:
        function = activation or self.activation
        return Connected(
            output=output,
            activation=function,
            batch_normalize=self.batch_normalize,
            bn_eps=self.bn_eps,
            bn_dialect=self.bn_dialect,
            **({"slope": self.slope} if function == "leaky" else {}),
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        return Shape(1, 1, self.output)

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        state = Shape(1, 1, self.hidden)
        return {"input": shape, "self": state, "output": state}
