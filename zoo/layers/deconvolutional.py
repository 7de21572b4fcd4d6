"""Transposed convolution: a learned enlargement."""

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
from zoo.plugins.base import ConvGeometry, Kernels, Padding
from zoo.shapes import Shape

__all__ = ["Deconvolutional"]

_MAXIMUM_WEIGHTS = 2**31


class _Forward(NamedTuple):
    """What backward needs of a training forward."""

    x: Array
    geometry: ConvGeometry
    normalized: Saved | None
    activated: tuple[Array, Array] | None


class Deconvolutional(Layer):
    """y = f(b + T(x)), T being the transpose of a convolution with weights W.

    The convolution has a kernel of size x size, stride s and padding p, and goes
    from K = filters channels to the C of x, with weights kh x kw x K/g x C. Its
    transpose spreads each input value over the kernel and adds up what overlaps,

        y[s i + u - p, s j + v - p, k] += W[u, v, k, c] x[i, j, c],

    so that L input pixels become (L - 1) s + size - 2 p + output_padding along
    each axis: with size=4, stride=2, padding=1 twice as many. With ``same=1``,
    TensorFlow's rule, they become L s; what is cut off is size - s, the odd
    pixel at the bottom and right. Gradients, with D = delta f': b: the sum of D;
    x: the convolution of D with W; W: D correlated with x.

    ``batch_normalize=1`` normalizes between T and f, as in [convolutional].
    """

    summary = "transposed convolution: enlarges by its stride with learned weights"
    keys = (
        Key("filters", "int", 1, "channels of the output", minimum=1),
        Key("size", "int", 1, "height and width of the kernel", minimum=1),
        Key("stride", "int", 1, "output pixels per input pixel", minimum=1),
        Key("pad", "bool", False, "1: padding is size/2, whatever padding says"),
        Key("padding", "int", 0, "output pixels cut off on each side", minimum=0),
        Key(
            "output_padding",
            "int",
            0,
            "output pixels fewer cut off at the bottom and right; below stride",
            minimum=0,
        ),
        Key("same", "bool", False, "1: exactly stride times as many pixels"),
        Key(
            "groups",
            "int",
            1,
            "parts of the channels that do not mix; filters must divide by it",
            minimum=1,
        ),
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

    filters: int
    size: int
    stride: int
    pad: bool
    padding: int
    output_padding: int
    same: bool
    groups: int
    activation: str
    bias: bool
    batch_normalize: bool
    bn_eps: float
    bn_dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.same and (self.pad or self.padding or self.output_padding):
            raise ValueError(
                "has same=1 beside pad, padding or output_padding; use one of them"
            )
        if self.output_padding >= self.stride:
            raise ValueError(
                f"output_padding={self.output_padding} must be below "
                f"stride={self.stride}"
            )
        if self.filters % self.groups:
            raise ValueError(
                f"filters={self.filters} does not divide by groups={self.groups}"
            )
        self.normalization = Normalization(self.bn_eps, self.bn_dialect)
        self._saved: _Forward | None = None

    # -- structure ---------------------------------------------------------

    def geometry(self) -> ConvGeometry:
        """How the convolution moves whose transpose this is."""
        if self.same:
            cut = max(self.size - self.stride, 0)
            before, after = cut // 2, cut - cut // 2
        else:
            before = after = self.size // 2 if self.pad else self.padding
        return ConvGeometry(
            (self.stride, self.stride),
            padding=Padding(before, after, before, after),
            groups=self.groups,
        )

    def _length(self, length: int) -> int:
        """Output pixels along one axis."""
        if self.same:
            return length * self.stride
        cut = 2 * (self.size // 2 if self.pad else self.padding)
        return (length - 1) * self.stride + self.size - cut + self.output_padding

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a deconvolutional layer")
        if shape.channels % self.groups:
            raise ShapeError(
                f"{shape.channels} channels do not divide into groups={self.groups}"
            )
        height, width = self._length(shape.height), self._length(shape.width)
        if height < 1 or width < 1:
            raise ShapeError(
                f"padding cuts off all that a kernel of {self.size} makes of {shape}; "
                f"use less padding or a larger image"
            )
        return Shape(height, width, self.filters)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        channels = one_input(inputs, "a deconvolutional layer").channels
        weights = (self.size, self.size, self.filters // self.groups, channels)
        if math.prod(weights) > _MAXIMUM_WEIGHTS:
            raise ShapeError(
                f"the kernel would have {math.prod(weights)} weights, more than 2^31; "
                f"check size and filters"
            )
        shapes: dict[str, tuple[int, ...]] = {"weights": weights}
        if self.bias:
            shapes["biases"] = (self.filters,)
        if self.batch_normalize:
            shapes["scales"] = (self.filters,)
        return shapes

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        if not self.batch_normalize:
            return {}
        return {"rolling_mean": (self.filters,), "rolling_variance": (self.filters,)}

    def operations(self, *inputs: Shape) -> int:
        """Two for each multiply-add of the kernel; biases and activation not counted."""
        shape = one_input(inputs, "a deconvolutional layer")
        return 2 * shape.size * self.size * self.size * (self.filters // self.groups)

    def window(self) -> tuple[Window, Window]:
        seen = Window(-(-self.size // self.stride), 1, self.stride)
        return seen, seen

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Weights uniform within 1 / sqrt(n) of 0.

        n = (size / stride)^2 C / g is how many inputs an output pixel sees, on
        average. Biases and rolling means 0, scales and rolling variances 1.
        """
        weights = self.weights
        seen = max(self.size / self.stride, 1) ** 2 * weights.shape[3] / self.groups
        bound = 1 / math.sqrt(seen)
        weights[...] = bound * (2 * rng.random(weights.shape, np.float32) - 1)
        for name, tensor in self.tensors.items():
            if name != "weights":
                tensor[...] = 1 if name in ("scales", "rolling_variance") else 0

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        geometry = self.geometry()
        height, width, _ = self.output_shape(Shape(*x.shape[1:]))
        linear = kernels.conv2d_transpose(x, self.weights, geometry, (height, width))
        biases = self.parameters.get("biases")
        normalized = None
        if self.batch_normalize and training:
            linear, normalized = self.normalization.forward(
                linear, self.parameters["scales"], biases, self.statistics, kernels
            )
        elif self.batch_normalize:
            factor, offset = self.normalization.affine(
                self.parameters["scales"],
                biases,
                self.statistics["rolling_mean"],
                self.statistics["rolling_variance"],
            )
            linear *= factor
            linear += offset
        elif biases is not None:
            linear += biases
        output = linear
        if self.activation != "linear":
            output = kernels.activate(linear, self.activation)
        if training:
            activated = kept_for_derivative(self.activation, linear, output)
            self._saved = _Forward(x, geometry, normalized, activated)
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        assert self._saved is not None, "backward before a training forward"
        x, geometry, normalized, activated = self._saved
        if activated is not None:
            delta, _ = kernels.activation_backward(*activated, delta, self.activation)
        gradients = {}
        if normalized is not None:
            delta, gradients["scales"], gradients["biases"] = (
                self.normalization.backward(
                    delta, self.parameters["scales"], normalized, kernels
                )
            )
        else:
            gradients["biases"] = kernels.channel_sums(delta)
        # The roles of x and delta change places: delta is the convolution's input.
        by_x = kernels.conv2d(delta, self.weights, None, geometry)
        gradients["weights"], _ = kernels.conv2d_backward_weights(
            delta, self.weights, x, geometry
        )
        self.gradients = {name: gradients[name] for name in self.parameters}
        return (by_x,)
