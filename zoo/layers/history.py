"""The pictures before, as channels of this one."""

from __future__ import annotations

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.recurrent import STEPS_KEY
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["History"]


class History(Layer):
    """y_t = x_t, x_{t-1}, ... side by side, ``history_size`` of them, zeros at first.

    The gradient of a picture is the sum of its places in those that follow. Batches are
    sequences as in :mod:`zoo.layers.recurrent`.
    """

    summary = "this picture and those before it, as channels"
    mixes_batch = True
    keys = (
        Key("history_size", "int", 4, "pictures side by side", minimum=1),
        STEPS_KEY,
        *COMMON_KEYS,
    )

    history_size: int
    time_steps: int

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a history")
        return shape._replace(channels=shape.channels * self.history_size)

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        if len(x) % self.time_steps:
            raise ShapeError(
                f"a batch of {len(x)} is no whole number of sequences of "
                f"time_steps={self.time_steps}; give a multiple of it"
            )
        size, channels = len(x) // self.time_steps, x.shape[3]
        y = np.zeros((*x.shape[:3], channels * self.history_size), x.dtype)
        for age in range(min(self.history_size, self.time_steps)):
            part = slice(age * channels, (age + 1) * channels)
            y[age * size :, ..., part] = x[: len(x) - age * size]
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        size = len(delta) // self.time_steps
        channels = delta.shape[3] // self.history_size
        gradient = np.zeros((*delta.shape[:3], channels), delta.dtype)
        for age in range(min(self.history_size, self.time_steps)):
            part = slice(age * channels, (age + 1) * channels)
            gradient[: len(delta) - age * size] += delta[age * size :, ..., part]
        return (gradient,)
