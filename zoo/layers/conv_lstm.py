"""Long short-term memory of convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.activated import activation_keys
from zoo.layers.base import Array, Layer, Window
from zoo.layers.batchnorm import NORMALIZATION_DIALECTS, NORMALIZATION_KEYS
from zoo.layers.crnn import WINDOW_KEYS, convolution, recurrent_window
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY, refuse, unsupported
from zoo.layers.recurrent import STEPS_KEY, Recurrent
from zoo.shapes import Shape

__all__ = ["ConvLstm"]

_UNSUPPORTED = unsupported("shortcut")
_STATES_PER_STEP = 32


class ConvLstm(Recurrent):
    """c_t = f c_{t-1} + i g, h_t = o t(c_t), which is the output, from zeros.

    f, i, o = logistic(u(x) + w(h_{t-1})), g = t(ug(x) + wg(h_{t-1})), all of them
    convolutions, t being ``lstm_activation``. With ``peephole=1`` vf(c_{t-1}) and
    vi(c_{t-1}) are added for f and i, and vo(c_t) for o. With ``bottleneck=1`` one
    convolution wf sees h_{t-1} and x side by side, and what t makes of its result is
    what uf, ui, ug and uo see; there are no others then. c is kept within
    ``state_constrain``.

    (Shi et al., "Convolutional LSTM network", 2015; Liu and Zhu, 2018, for the
    bottleneck; conv_lstm_layer of AlexeyAB's Darknet.)
    """

    summary = "long short-term memory of convolutions"
    keys = (
        Key("output", "int", 1, "channels of the state and the output", minimum=1),
        *WINDOW_KEYS,
        *activation_keys("linear", "of the convolutions"),
        Key("batch_normalize", "bool", False, "1: batch normalization in all parts"),
        *NORMALIZATION_KEYS,
        Key("xnor", "bool", False, "1: binary weights and inputs in all parts"),
        Key("peephole", "bool", False, "1: the gates see the cell"),
        Key("bottleneck", "bool", False, "1: one convolution of x and state together"),
        Key(
            "state_constrain",
            "float",
            0.0,
            "largest value of the cell; 0: 32 times time_steps",
            minimum=0,
        ),
        Key(
            "lstm_activation",
            "str",
            "tanh",
            "of what is new and of the cell",
            choices=("tanh", "linear", "logistic", "relu", "leaky"),
        ),
        Key("time_normalizer", "float", 1.0, "Darknet's, in training", unused=True),
        STEPS_KEY,
        DIALECT_KEY,
        *_UNSUPPORTED,
        *COMMON_KEYS,
    )
    dialects = NORMALIZATION_DIALECTS

    output: int
    peephole: bool
    bottleneck: bool
    state_constrain: float
    lstm_activation: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        refuse(self, _UNSUPPORTED)
        names = ["vf", "vi", "vo"] if self.peephole else []
        names += ["wf"] if self.bottleneck else ["wf", "wi", "wg", "wo"]
        names += ["uf", "ui", "ug", "uo"]
        self.parts: dict[str, Layer] = {
            name: convolution(self, self.output) for name in names
        }
        self._most = self.state_constrain or _STATES_PER_STEP * self.time_steps

    def output_shape(self, *inputs: Shape) -> Shape:
        return self._state(inputs[0])

    def _state(self, shape: Shape) -> Shape:
        if self.bottleneck and shape.channels != self.output:
            raise ShapeError(
                f"bottleneck=1 needs as many channels as output={self.output}, and "
                f"{shape} arrives"
            )
        state = self.parts["uf"].output_shape(shape)
        after = self.parts["uf"].output_shape(state)
        if after != state:
            raise ShapeError(
                f"the state is {state} and its convolution makes {after} of it; both "
                f"must be equal: stride=1, and pad=1 with an odd size"
            )
        return state

    def window(self) -> tuple[Window, Window]:
        """Of as many convolutions in a row as follow one another in a sequence."""
        count = self.time_steps + self.bottleneck + self.peephole
        return recurrent_window(self.parts["uf"], count)

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        state = self._state(shape)
        given = {"u": shape, "w": state, "v": state}
        if self.bottleneck:
            given["u"] = state
            given["w"] = state._replace(channels=2 * self.output)
        return {name: given[name[0]] for name in self.parts}

    def first_state(self, x: Array) -> dict[str, Array]:
        zeros = np.zeros((len(x), *self._state(Shape(*x.shape[1:]))), x.dtype)
        return {"h": zeros, "c": zeros}

    def step(
        self, x: Array, state: dict[str, Array], run: Any
    ) -> tuple[Array, dict[str, Array], Any]:
        h, c = state["h"], state["c"]
        activate, squash = run.kernels.activate, self.lstm_activation
        mixed = narrow = None
        if self.bottleneck:
            mixed = run("wf", np.concatenate([h, x], axis=3))
            narrow = activate(mixed, squash)
        linear: dict[str, Array] = {}
        for name in "figo":
            if narrow is not None:
                linear[name] = run(f"u{name}", narrow)
            else:
                linear[name] = run(f"w{name}", h) + run(f"u{name}", x)
        if self.peephole:
            linear["f"] = linear["f"] + run("vf", c)
            linear["i"] = linear["i"] + run("vi", c)
        gates = {name: activate(linear[name], "logistic") for name in "fi"}
        gates["g"] = activate(linear["g"], squash)
        free = gates["f"] * c + gates["i"] * gates["g"]
        new = np.clip(free, -self._most, self._most)
        if self.peephole:
            linear["o"] = linear["o"] + run("vo", new)
        gates["o"] = activate(linear["o"], "logistic")
        squashed = activate(new, squash)
        y = gates["o"] * squashed
        kept = (c, free, new, squashed, gates, linear["g"], mixed, narrow)
        return y, {"h": y, "c": new}, kept

    def step_back(
        self, delta: Array, state: dict[str, Array], kept: Any, back: Any
    ) -> tuple[Array, dict[str, Array]]:
        c, free, new, squashed, gates, linear_g, mixed, narrow = kept
        f, i, g, o = (gates[name] for name in "figo")

        def through(x: Array, y: Array, slope: Array) -> Array:
            made: Array = back.kernels.activation_backward(
                x, y, slope, self.lstm_activation
            )[0]
            return made

        by_y = delta + state["h"] if state else delta
        slopes = {"o": by_y * squashed * o * (1 - o)}
        by_c = through(new, squashed, by_y * o)
        if state:
            by_c = by_c + state["c"]
        if self.peephole:
            by_c = by_c + back("vo", slopes["o"])
        by_c = by_c * (np.abs(free) <= self._most)
        slopes["f"] = by_c * c * f * (1 - f)
        slopes["i"] = by_c * g * i * (1 - i)
        slopes["g"] = through(linear_g, g, by_c * i)
        before = by_c * f
        if self.peephole:
            before = before + back("vi", slopes["i"])
            before = before + back("vf", slopes["f"])
        by_x: Any = 0
        by_h: Any = 0
        for name in reversed("figo"):
            by_x = by_x + back(f"u{name}", slopes[name])
            if not self.bottleneck:
                by_h = by_h + back(f"w{name}", slopes[name])
        if self.bottleneck:
            both = back("wf", through(mixed, narrow, by_x))
            by_h, by_x = both[..., : self.output], both[..., self.output :]
        return by_x, {"h": by_h, "c": before}
