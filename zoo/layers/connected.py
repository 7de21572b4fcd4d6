"""Fully connected layer."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.affine import AFFINE_KEYS, MAXIMUM_WEIGHTS, Affine
from zoo.layers.base import Array, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Connected"]


class Connected(Affine):
    """y = f(W x + b), every output seeing every input.

    W is outputs x inputs, the inputs flattened in the order height, width, channels
    (Darknet flattens channels first; its reader permutes). With
    ``batch_normalize=1`` the normalization stands between W x and f, and b is its
    beta. Gradients, with D = delta f': b: sum of D over the batch, W: D^T x, x: D W.
    """

    summary = "fully connected: every output sees every input"
    keys = (
        Key("output", "int", 1, "number of outputs", minimum=1),
        *AFFINE_KEYS,
        *COMMON_KEYS,
    )

    output: int

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        one_input(inputs, "a connected layer")
        return Shape(1, 1, self.output)

    @property
    def outputs(self) -> int:
        return self.output

    def weights_shape(self, *inputs: Shape) -> tuple[int, ...]:
        size = one_input(inputs, "a connected layer").size
        if self.output * size > MAXIMUM_WEIGHTS:
            raise ShapeError(
                f"{self.output} outputs of {size} inputs need "
                f"{self.output * size} weights, more than 2^31"
            )
        return self.output, size

    def operations(self, *inputs: Shape) -> int:
        """Two for each weight; biases and activation not counted."""
        return 2 * self.output * one_input(inputs, "a connected layer").size

    def window(self) -> tuple[Window, Window]:
        """Everything: infinite."""
        return Window(math.inf), Window(math.inf)

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Weights normal with variance 2 / inputs (He et al., 2015).

        Biases and rolling means 0, scales and rolling variances 1.
        """
        weights = self.weights
        deviation = math.sqrt(2 / weights.shape[1])
        weights[...] = deviation * rng.standard_normal(weights.shape, np.float32)
        super().initialize(rng)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0].reshape(len(inputs[0]), -1)
        weights, biases = self.weights, self.parameters.get("biases")
        if x.shape[1] != weights.shape[1]:
            raise ShapeError(
                f"a connected layer for {weights.shape[1]} inputs got {x.shape[1]}"
            )
        if not training and not self.batch_normalize:
            y = kernels.dense(x, weights, biases, self.function)
            return y.reshape(len(x), 1, 1, -1)
        normalized = None
        if self.batch_normalize:
            linear = kernels.dense(x, weights, None)
            linear, normalized = self._normalized(linear, kernels, training)
        else:
            linear = kernels.dense(x, weights, biases)
        output = self._activated(linear, kernels)
        if training:
            self._keep(inputs[0], normalized, linear, output)
        return output.reshape(len(x), 1, 1, -1)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        delta = delta.reshape(len(delta), -1)
        x, delta, gradients = self._before_activation(delta, kernels)
        by_x, *others = kernels.dense_backward(
            x.reshape(len(x), -1), self.weights, delta
        )
        self._take_gradients(gradients, *others)
        return (by_x.reshape(x.shape),)
