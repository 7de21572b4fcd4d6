"""What layers of the form f(W x + b) share: bias, normalization and activation."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.activated import Activated, activation_keys, kept_for_derivative
from zoo.layers.base import Array
from zoo.layers.batchnorm import (
    NORMALIZATION_DIALECTS,
    NORMALIZATION_KEYS,
    Normalization,
    Saved,
)
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["AFFINE_KEYS", "GROUPS_KEY", "MAXIMUM_WEIGHTS", "Affine", "Filters"]

MAXIMUM_WEIGHTS = 2**31
"""A cfg that asks for more in one layer is a mistake; it is refused."""

AFFINE_KEYS: tuple[Key, ...] = (
    *activation_keys("logistic", "applied to the result"),
    Key("bias", "bool", True, "0: no biases (nor beta of the normalization)"),
    Key("batch_normalize", "bool", False, "1: batch normalization"),
    *NORMALIZATION_KEYS,
)
"""The keys that :class:`Affine` understands, for ``keys`` of its subclasses."""

GROUPS_KEY = Key(
    "groups",
    "int",
    1,
    "parts of the channels that do not mix; filters must divide by it",
    minimum=1,
)
"""The key that :class:`Filters` understands beside ``filters`` and ``size``."""


class _Forward(NamedTuple):
    """What backward needs of a training forward.

    ``activated`` is what went into the activation and what came out; where the
    derivative follows from the output, that twice, and None for linear.
    """

    x: Array
    normalized: Saved | None
    activated: tuple[Array, Array] | None


class Affine(Activated):
    """y = f(N(W x) + b): a linear map, batch normalization N if asked for, and f.

    A subclass says what W x is and how many channels it has (:attr:`outputs`,
    :meth:`weights_shape`), puts :data:`AFFINE_KEYS` among its keys, and builds its
    forward and backward of the parts here, so that it may leave biases and
    activation to a kernel that does them along with the product.
    """

    dialects = NORMALIZATION_DIALECTS

    bias: bool
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.normalization = Normalization(self.bn_eps, self.bn_dialect)

    # -- structure ---------------------------------------------------------

    @property
    def outputs(self) -> int:
        """Channels of W x, which is how many biases and scales there are."""
        raise NotImplementedError

    def weights_shape(self, *inputs: Shape) -> tuple[int, ...]:
        """Shape of W.

        Raises
        ------
        ShapeError
            If it would have more than :data:`MAXIMUM_WEIGHTS` elements.
        """
        raise NotImplementedError

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        shapes = {"weights": self.weights_shape(*inputs)}
        if self.bias:
            shapes["biases"] = (self.outputs,)
        if self.batch_normalize:
            shapes["scales"] = (self.outputs,)
        return shapes

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if not self.batch_normalize:
            return {}
        return {"rolling_mean": (self.outputs,), "rolling_variance": (self.outputs,)}

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Biases and rolling means 0, scales and rolling variances 1; W is left."""
        for name, tensor in self.tensors.items():
            if name != "weights":
                tensor[...] = 1 if name in ("scales", "rolling_variance") else 0

    def normalization_of_inference(self) -> tuple[Array, Array]:
        """Factor and offset per channel, which stand for the batch normalization."""
        return self.normalization.affine(
            self.parameters["scales"],
            self.parameters.get("biases"),
            self.statistics["rolling_mean"],
            self.statistics["rolling_variance"],
        )

    def _fold(self, weights: Array) -> tuple[Array, Array | None]:
        """Weights ... x K and biases, with the batch normalization multiplied in."""
        if not self.batch_normalize:
            return weights, self.parameters.get("biases")
        factor, offset = self.normalization_of_inference()
        return weights * factor, offset

    # -- computation -------------------------------------------------------

    def _normalized(
        self, linear: Array, kernels: Kernels, training: bool
    ) -> tuple[Array, Saved | None]:
        """N(W x) + b of a W x that may be overwritten, and what backward needs.

        That is None where the rolling statistics were used.
        """
        if training and not self.frozen:
            return self.normalization.forward(
                linear,
                self.parameters["scales"],
                self.parameters.get("biases"),
                self.statistics,
                kernels,
            )
        factor, offset = self.normalization_of_inference()
        linear *= factor
        linear += offset
        return linear, None

    def _activated(self, linear: Array, kernels: Kernels) -> Array:
        if self.function == "linear":
            return linear
        return kernels.activate(linear, self.function)

    def _keep(
        self, x: Array, normalized: Saved | None, linear: Array, output: Array
    ) -> None:
        """Keep what backward needs of a training forward."""
        activated = kept_for_derivative(self.function, linear, output)
        self._saved = _Forward(x, normalized, activated)

    def _before_activation(
        self, delta: Array, kernels: Kernels
    ) -> tuple[Array, Array, dict[str, Array]]:
        """The input, and the gradients by W x and by the normalization's parameters."""
        saved: _Forward = self._recall()
        x, normalized, activated = saved
        if activated is not None:
            delta, _ = kernels.activation_backward(*activated, delta, self.function)
        gradients: dict[str, Array] = {}
        if normalized is not None:
            delta, gradients["scales"], gradients["biases"] = (
                self.normalization.backward(
                    delta, self.parameters["scales"], normalized, kernels
                )
            )
        elif self.batch_normalize:
            delta = delta * self.normalization_of_inference()[0]
        return x, delta, gradients

    def _take_gradients(
        self, gradients: dict[str, Array], weights: Array, biases: Array
    ) -> None:
        """Set ``gradients``; b's is the normalization's where there is one."""
        if self.frozen:
            return
        found = {"weights": weights, "biases": biases, **gradients}
        self.gradients = {name: found[name] for name in self.parameters}


class Filters(Affine):
    """An affine layer whose W is a bank of filters, in groups of channels."""

    filters: int
    size: int
    groups: int

    @property
    def outputs(self) -> int:
        return self.filters

    def _check_filters(self) -> None:
        """Raise ValueError unless the filters divide into the groups."""
        if self.filters % self.groups:
            raise ValueError(
                f"filters={self.filters} does not divide by groups={self.groups}"
            )

    def _check_channels(self, shape: Shape) -> None:
        """Raise ShapeError unless an input's channels divide into the groups."""
        if shape.channels % self.groups:
            raise ShapeError(
                f"{shape.channels} channels do not divide into groups={self.groups}"
            )

    def _kernel(self, *depths: int) -> tuple[int, ...]:
        """size x size x depths, if that is not too much."""
        shape = (self.size, self.size, *depths)
        if math.prod(shape) > MAXIMUM_WEIGHTS:
            raise ShapeError(
                f"the kernel would have {math.prod(shape)} weights, more than 2^31; "
                f"check size and filters"
            )
        return shape

    def _draw_weights(self, rng: np.random.Generator, seen: float) -> None:
        """Fill W uniformly within 1 / sqrt(seen) of 0."""
        weights = self.weights
        bound = 1 / math.sqrt(seen)
        weights[...] = bound * (2 * rng.random(weights.shape, np.float32) - 1)
