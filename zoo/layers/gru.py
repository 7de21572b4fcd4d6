"""Gated recurrent unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer
from zoo.layers.batchnorm import NORMALIZATION_DIALECTS, NORMALIZATION_KEYS
from zoo.layers.connected import Connected
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.layers.recurrent import STEPS_KEY, Recurrent
from zoo.shapes import Shape

__all__ = ["Gru", "linear_parts"]


class Gru(Recurrent):
    """s_t = z s_{t-1} + (1 - z) h, which is the output too, from s_0 = 0.

    z = logistic(input_z(x) + state_z(s)), r = logistic(input_r(x) + state_r(s)) and
    h = f(input_h(x) + state_h(r s)), each of them W x + b, all products but those of
    the parts going value by value. f is logistic, as Darknet is built, or tanh with
    ``tanh=1``. PyTorch's GRU multiplies by r after state_h, and by z where 1 - z stands
    here. (Cho et al., 2014; ``forward_gru_layer`` of both Darknets.)
    """

    summary = "gated recurrent unit"
    keys = (
        Key("output", "int", 1, "values of the state, which is the output", minimum=1),
        Key("batch_normalize", "bool", False, "1: batch normalization in all parts"),
        *NORMALIZATION_KEYS,
        Key("tanh", "bool", False, "1: tanh in place of logistic for what is new"),
        STEPS_KEY,
        DIALECT_KEY,
        *COMMON_KEYS,
    )
    dialects = NORMALIZATION_DIALECTS

    output: int
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str
    tanh: bool

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.parts: dict[str, Layer] = linear_parts(
            self,
            ("input_z", "input_r", "input_h", "state_z", "state_r", "state_h"),
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        return Shape(1, 1, self.output)

    def part_inputs(self, shape: Shape) -> dict[str, Shape]:
        state = Shape(1, 1, self.output)
        return {
            name: shape if name.startswith("input") else state for name in self.parts
        }

    def first_state(self, x: Array) -> dict[str, Array]:
        return {"s": np.zeros((len(x), 1, 1, self.output), x.dtype)}

    def step(
        self, x: Array, state: dict[str, Array], run: Any
    ) -> tuple[Array, dict[str, Array], Any]:
        s = state["s"]
        f = "tanh" if self.tanh else "logistic"
        z = run.kernels.activate(run("input_z", x) + run("state_z", s), "logistic")
        r = run.kernels.activate(run("input_r", x) + run("state_r", s), "logistic")
        h = run.kernels.activate(run("input_h", x) + run("state_h", r * s), f)
        y = z * s + (1 - z) * h
        return y, {"s": y}, (s, z, r, h)

    def step_back(
        self, delta: Array, state: dict[str, Array], kept: Any, back: Any
    ) -> tuple[Array, dict[str, Array]]:
        s, z, r, h = kept
        by_y = delta + state["s"] if "s" in state else delta
        by_h = by_y * (1 - z) * (1 - h * h if self.tanh else h * (1 - h))
        by_rs = back("state_h", by_h)
        by_x = back("input_h", by_h)
        by_r = by_rs * s * r * (1 - r)
        by_s = by_y * z + by_rs * r + back("state_r", by_r)
        by_x = by_x + back("input_r", by_r)
        by_z = by_y * (s - h) * z * (1 - z)
        by_s = by_s + back("state_z", by_z)
        return by_x + back("input_z", by_z), {"s": by_s}


def linear_parts(layer: Any, names: tuple[str, ...]) -> dict[str, Layer]:
    """Connected layers W x + b with the layer's outputs and normalization."""
    return {
        name: Connected(
            output=layer.output,
            activation="linear",
            batch_normalize=layer.batch_normalize,
            bn_eps=layer.bn_eps,
            bn_dialect=layer.bn_dialect,
        )
        for name in names
    }
