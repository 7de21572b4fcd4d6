"""Transposed convolution: a learned enlargement."""

from __future__ import annotations

import itertools

import numpy as np

from zoo.activations import activation
from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.affine import AFFINE_KEYS, GROUPS_KEY, Filters
from zoo.layers.base import Array, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import ConvGeometry, Kernels, Padding
from zoo.program.operations import Conv, Epilogue, Operation
from zoo.shapes import Shape

__all__ = ["Deconvolutional"]

_MOST_ZEROS = 4  # times as many products as the kernel has, and no more


class Deconvolutional(Filters):
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
        GROUPS_KEY,
        *AFFINE_KEYS,
        *COMMON_KEYS,
    )

    stride: int
    pad: bool
    padding: int
    output_padding: int
    same: bool

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
        self._check_filters()

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
        self._check_channels(shape)
        height, width = self._length(shape.height), self._length(shape.width)
        if height < 1 or width < 1:
            raise ShapeError(
                f"padding cuts off all that a kernel of {self.size} makes of {shape}; "
                f"use less padding or a larger image"
            )
        return Shape(height, width, self.filters)

    def weights_shape(self, *inputs: Shape) -> tuple[int, ...]:
        channels = one_input(inputs, "a deconvolutional layer").channels
        return self._kernel(self.filters // self.groups, channels)

    def operations(self, *inputs: Shape) -> int:
        """Two for each multiply-add of the kernel; biases and activation not counted."""
        shape = one_input(inputs, "a deconvolutional layer")
        return 2 * shape.size * self.size * self.size * (self.filters // self.groups)

    def lower(self, *inputs: Shape) -> Operation | None:
        """The convolution and pixel shuffle that it equals, where it has one.

        Output pixel s m + r sees the inputs m + t through W[r + p - s t], for all
        t that stay within the kernel. So each r below s is a convolution of its
        own, and the shuffle puts their results beside each other (Shi et al., Is
        the deconvolution layer the same as a convolutional layer?, 2016).

        None where the output is not s times the input, or where the kernels of
        the r differ so much that most of what they are stored in would be zeros.
        """
        geometry = self.geometry()
        before, stride = geometry.padding.top, self.stride
        first = -((self.size - 1 - before) // stride)  # the smallest t
        last = (stride - 1 + before) // stride
        taps = last - first + 1
        if (
            self._length(1) != stride
            or (taps * stride) ** 2 > _MOST_ZEROS * self.size**2
            or activation(self.function).kind != "pointwise"
        ):
            return None
        kernel, biases = self._folded()
        weights = np.zeros((taps, taps, *kernel.shape[2:], stride, stride), np.float32)
        for (i, u), (j, v) in itertools.product(
            itertools.product(range(taps), range(stride)), repeat=2
        ):
            row = u + before - stride * (first + i)
            column = v + before - stride * (first + j)
            if 0 <= row < self.size and 0 <= column < self.size:
                weights[i, j, :, :, u, v] = kernel[row, column]
        return Conv(
            weights.reshape(taps, taps, kernel.shape[2], -1),
            None if biases is None else np.repeat(biases, stride * stride),
            ConvGeometry(
                padding=Padding(-first, last, -first, last), groups=self.groups
            ),
            Epilogue(activation=self.function),
            shuffle=stride,
        )

    def _folded(self) -> tuple[Array, Array | None]:
        """Weights kh x kw x C/g x K and biases, normalization multiplied in."""
        kh, kw, depth, channels = self.weights.shape
        apart = (kh, kw, depth, self.groups, channels // self.groups)
        kernel = self.weights.reshape(apart).transpose(0, 1, 4, 3, 2)
        return self._fold(kernel.reshape(kh, kw, channels // self.groups, self.filters))

    def window(self) -> tuple[Window, Window]:
        seen = Window(-(-self.size // self.stride), 1, self.stride)
        return seen, seen

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Weights uniform within 1 / sqrt(n) of 0.

        n = (size / stride)^2 C / g is how many inputs an output pixel sees, on
        average. Biases and rolling means 0, scales and rolling variances 1.
        """
        channels = self.weights.shape[3]
        seen = max(self.size / self.stride, 1) ** 2 * channels / self.groups
        self._draw_weights(rng, seen)
        super().initialize(rng)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        height, width, _ = self.output_shape(Shape(*x.shape[1:]))
        linear = kernels.conv2d_transpose(
            x, self.weights, self.geometry(), (height, width)
        )
        biases = self.parameters.get("biases")
        normalized = None
        if self.batch_normalize:
            linear, normalized = self._normalized(linear, kernels, training)
        elif biases is not None:
            linear += biases
        output = self._activated(linear, kernels)
        if training:
            self._keep(x, normalized, linear, output)
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, delta, gradients = self._before_activation(delta, kernels)
        if "biases" not in gradients:
            gradients["biases"] = kernels.channel_sums(delta)
        # The roles of x and delta change places: delta is the convolution's input.
        geometry = self.geometry()
        by_x = kernels.conv2d(delta, self.weights, None, geometry)
        by_weights, _ = kernels.conv2d_backward_weights(
            delta, self.weights, x, geometry
        )
        self._take_gradients(gradients, by_weights, gradients["biases"])
        return (by_x,)
