"""Fully connected layer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from zoo.activations import PARAMETER_FREE
from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, kept_for_derivative, one_input
from zoo.layers.batchnorm import NORMALIZATION_KEYS, Normalization, Saved
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Connected"]

_MAXIMUM_WEIGHTS = 2**31


class _Forward(NamedTuple):
    """What backward needs of a training forward."""

    x: Array
    shape: tuple[int, ...]
    normalized: Saved | None
    activated: tuple[Array, Array] | None


class Connected(Layer):
    """y = f(W x + b), every output seeing every input.

    W is outputs x inputs, the inputs flattened in the order height, width, channels
    (Darknet flattens channels first; its reader permutes). With
    ``batch_normalize=1`` the normalization stands between W x and f, and b is its
    beta. Gradients, with D = delta f': b: sum of D over the batch, W: D^T x, x: D W.
    """

    summary = "fully connected: every output sees every input"
    keys = (
        Key("output", "int", 1, "number of outputs", minimum=1),
        Key(
            "activation",
            "str",
            "logistic",
            "applied to the result",
            choices=PARAMETER_FREE,
        ),
        Key("bias", "bool", True, "0: no biases (nor beta of the normalization)"),
        Key("batch_normalize", "bool", False, "1: batch normalization"),
        *NORMALIZATION_KEYS,
        *COMMON_KEYS,
    )

    output: int
    activation: str
    bias: bool
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.output < 1:
            raise ValueError(f"output={self.output} must be at least 1")
        self.normalization = Normalization(self.bn_eps, self.bn_dialect)
        self._saved: _Forward | None = None

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        one_input(inputs, "a connected layer")
        return Shape(1, 1, self.output)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        size = one_input(inputs, "a connected layer").size
        if self.output * size > _MAXIMUM_WEIGHTS:
            raise ShapeError(
                f"{self.output} outputs of {size} inputs need "
                f"{self.output * size} weights, more than 2^31"
            )
        shapes: dict[str, tuple[int, ...]] = {"weights": (self.output, size)}
        if self.bias:
            shapes["biases"] = (self.output,)
        if self.batch_normalize:
            shapes["scales"] = (self.output,)
        return shapes

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if not self.batch_normalize:
            return {}
        return {"rolling_mean": (self.output,), "rolling_variance": (self.output,)}

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
        for name, tensor in self.tensors.items():
            if name != "weights":
                tensor[...] = 1 if name in ("scales", "rolling_variance") else 0

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
            y = kernels.dense(x, weights, biases, self.activation)
            return y.reshape(len(x), 1, 1, -1)
        normalized = None
        if self.batch_normalize:
            linear = kernels.dense(x, weights, None)
            scales = self.parameters["scales"]
            if training:
                linear, normalized = self.normalization.forward(
                    linear, scales, biases, self.statistics, kernels
                )
            else:
                factor, offset = self.normalization.affine(
                    scales,
                    biases,
                    self.statistics["rolling_mean"],
                    self.statistics["rolling_variance"],
                )
                linear = linear * factor + offset
        else:
            linear = kernels.dense(x, weights, biases)
        output = linear
        if self.activation != "linear":
            output = kernels.activate(linear, self.activation)
        if training:
            activated = kept_for_derivative(self.activation, linear, output)
            self._saved = _Forward(x, inputs[0].shape, normalized, activated)
        return output.reshape(len(x), 1, 1, -1)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        assert self._saved is not None, "backward before a training forward"
        x, shape, normalized, activated = self._saved
        delta = delta.reshape(len(x), -1)
        if activated is not None:
            delta, _ = kernels.activation_backward(*activated, delta, self.activation)
        gradients = {}
        if normalized is not None:
            delta, gradients["scales"], gradients["biases"] = (
                self.normalization.backward(
                    delta, self.parameters["scales"], normalized, kernels
                )
            )
        by_x, gradients["weights"], by_biases = kernels.dense_backward(
            x, self.weights, delta
        )
        gradients.setdefault("biases", by_biases)
        self.gradients = {name: gradients[name] for name in self.parameters}
        return (by_x.reshape(shape),)
