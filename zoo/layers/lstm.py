"""Long short-term memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer
from zoo.layers.batchnorm import NORMALIZATION_DIALECTS, NORMALIZATION_KEYS
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.layers.gru import linear_parts
from zoo.layers.recurrent import STEPS_KEY, Recurrent
from zoo.shapes import Shape

__all__ = ["Lstm"]


class Lstm(Recurrent):
    """c_t = f c_{t-1} + i g, h_t = o tanh(c_t), which is the output, from zeros.

    f, i, o = logistic(u(x) + w(h_{t-1})) and g = tanh(ug(x) + wg(h_{t-1})), with two
    parts W x + b for each gate: uf and wf, ui and wi, uo and wo, ug and wg. This is
    PyTorch's LSTM, with its gates in another order. (Hochreiter and Schmidhuber, 1997,
    with the forget gate of Gers, 2000; ``forward_lstm_layer`` of both Darknets.)
    """

    summary = "long short-term memory"
    keys = (
        Key("output", "int", 1, "values of the state, which is the output", minimum=1),
        Key("batch_normalize", "bool", False, "1: batch normalization in all parts"),
        *NORMALIZATION_KEYS,
        STEPS_KEY,
        DIALECT_KEY,
        *COMMON_KEYS,
    )
    dialects = NORMALIZATION_DIALECTS

    output: int
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.parts: dict[str, Layer] = linear_parts(
            self, ("wf", "wi", "wg", "wo", "uf", "ui", "ug", "uo")
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        return Shape(1, 1, self.output)

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        state = Shape(1, 1, self.output)
        return {name: shape if name[0] == "u" else state for name in self.parts}

    def first_state(self, x: Array) -> dict[str, Array]:
        zeros = np.zeros((len(x), 1, 1, self.output), x.dtype)
        return {"h": zeros, "c": zeros}

    def step(
        self, x: Array, state: dict[str, Array], run: Any
    ) -> tuple[Array, dict[str, Array], Any]:
        h, c = state["h"], state["c"]
        gates = {}
        for name in "figo":
            linear = run(f"w{name}", h) + run(f"u{name}", x)
            function = "tanh" if name == "g" else "logistic"
            gates[name] = run.kernels.activate(linear, function)
        new = gates["f"] * c + gates["i"] * gates["g"]
        squashed = run.kernels.activate(new, "tanh")
        y = gates["o"] * squashed
        return y, {"h": y, "c": new}, (c, squashed, gates)

    def step_back(
        self, delta: Array, state: dict[str, Array], kept: Any, back: Any
    ) -> tuple[Array, dict[str, Array]]:
        c, squashed, gates = kept
        f, i, g, o = (gates[name] for name in "figo")
        by_y = delta + state["h"] if state else delta
        by_c = by_y * o * (1 - squashed * squashed)
        if state:
            by_c = by_c + state["c"]
        slopes = {
            "f": by_c * c * f * (1 - f),
            "i": by_c * g * i * (1 - i),
            "g": by_c * i * (1 - g * g),
            "o": by_y * squashed * o * (1 - o),
        }
        by_x: Any = 0
        by_h: Any = 0
        for name in reversed("figo"):
            by_x = by_x + back(f"u{name}", slopes[name])
            by_h = by_h + back(f"w{name}", slopes[name])
        return by_x, {"h": by_h, "c": by_c * f}
