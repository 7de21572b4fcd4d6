"""Convolution, with everything that Darknet and super-resolution ask of it."""

from __future__ import annotations

import math

import numpy as np

from zoo.activations import activation
from zoo.errors import ShapeError, UsageError
from zoo.keys import Key
from zoo.layers.affine import AFFINE_KEYS, GROUPS_KEY, Filters
from zoo.layers.base import Array, Window, one_input, window_output
from zoo.layers.blur import ANTIALIASING_KEY, Blur
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY, refuse, unsupported
from zoo.plugins.base import ConvGeometry, Kernels, Padding, PadMode
from zoo.program.geometry import PAD_MODES
from zoo.program.operations import Conv, Epilogue, Operation
from zoo.shapes import Shape

__all__ = ["Convolutional"]

_UNSUPPORTED = unsupported("coordconv", "rotate", "stretch", "stretch_sway", "sway")

_TRAINING_ONLY = tuple(
    Key(name, "float", 0.0, "Darknet's, in training", unused=True)
    for name in ("assisted_excitation", "dot", "grad_centr", "reverse")
)


_OWN = -1_000_000_000
"""Darknet's default of share_index, for 0 and -1 name layers."""


class Convolutional(Filters):
    """y = f(b + W * x), where * is a cross-correlation.

    With weights W of kh x kw x C/g x K, g groups, stride s and dilation d,

        y[i, j, k] = f(b[k] + sum over u, v, c of
                       W[u, v, c, k] x[s i + d u - top, s j + d v - left, c0 + c])

    where c0 is the first input channel of the group of filter k. Output size per
    axis: floor((L + before + after - d (size - 1) - 1) / s) + 1. Gradients, with
    D = delta f': b: the sum of D; W: x correlated with D; x: the full convolution
    of D with the flipped W.

    **Padding** is ``padding`` on each side or, with ``pad=1``, size/2 rounded
    down; both are multiplied by the dilation, as Darknet does, so that an odd
    size with ``pad=1`` keeps the image's size. ``same=1`` is TensorFlow's SAME
    instead: ceil(L / s) outputs, the odd pixel at the bottom and right. What is
    padded says ``pad_mode``: zeros, the mirrored border (``symmetric`` abc|cba,
    ``reflect`` abc|ba) or its last pixel.

    **Batch normalization** (``batch_normalize=1``) stands between W * x and f;
    ``biases`` is its beta, ``scales`` its gamma. Inference folds it into W and b.
    See :class:`zoo.layers.batchnorm.Normalization`.

    **Binary** layers of Darknet multiply by +m or -m, the sign of the weight times the
    mean(abs(W)) of its filter; with ``xnor=1`` the input becomes 1 where it is above 0 and
    -1 elsewhere, and what is padded stays 0. They run here and are not trained.
    (Rastegari et al., "XNOR-Net", 2016; ``binarize_weights``, ``binarize_cpu``.)
    """

    summary = "convolution, with bias or batch normalization, and activation"
    keys = (
        Key("filters", "int", 1, "channels of the output", minimum=1),
        Key("size", "int", 1, "height and width of the kernel", minimum=1),
        Key("stride", "int", 1, "input pixels per output pixel", minimum=1),
        Key("stride_x", "int", 0, "stride along the width; 0: stride", minimum=0),
        Key("stride_y", "int", 0, "stride along the height; 0: stride", minimum=0),
        Key("pad", "bool", False, "1: padding is size/2, whatever padding says"),
        Key(
            "padding",
            "int",
            0,
            "pixels added on each side, times dilation (as in Darknet)",
            minimum=0,
        ),
        Key(
            "same",
            "bool",
            False,
            "1: TensorFlow's SAME padding, odd pixel at the bottom and right",
        ),
        Key(
            "pad_mode",
            "str",
            "zero",
            "what is added: zeros, the mirrored border with its last pixel (symmetric) or "
            "without (reflect), or its last pixel",
            choices=PAD_MODES,
        ),
        GROUPS_KEY,
        Key("dilation", "int", 1, "input pixels from tap to tap", minimum=1),
        *AFFINE_KEYS,
        Key(
            "flipped",
            "bool",
            False,
            "1: a .weights file holds the weight matrix transposed",
        ),
        Key(
            "share_index",
            "int",
            _OWN,
            "layer whose weights are used, biases and statistics too; negative "
            "counts back",
        ),
        DIALECT_KEY,
        ANTIALIASING_KEY,
        Key("binary", "bool", False, "1: weights are +m or -m, see below"),
        Key("xnor", "bool", False, "1: binary, and the input is +1 or -1"),
        Key("cbn", "bool", False, "Darknet's other batch_normalize=1"),
        Key(
            "bin_output",
            "bool",
            False,
            "Darknet's, where an xnor layer follows, which takes signs anyway",
            unused=True,
        ),
        *_TRAINING_ONLY,
        Key("angle", "float", 15.0, "Darknet's, for rotate", unused=True),
        Key("stream", "int", -1, "Darknet's, for GPUs", unused=True),
        Key("wait_stream", "int", -1, "Darknet's, for GPUs", unused=True),
        *_UNSUPPORTED,
        *COMMON_KEYS,
    )

    stride: int
    stride_x: int
    stride_y: int
    pad: bool
    padding: int
    same: bool
    pad_mode: PadMode
    dilation: int
    flipped: bool
    share_index: int
    dialect: str
    antialiasing: int
    binary: bool
    xnor: bool
    cbn: bool

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        refuse(self, _UNSUPPORTED)
        if self.cbn:
            self.batch_normalize = True
        if self.same and (self.pad or self.padding):
            raise ValueError("has same=1 beside pad or padding; use one of them")
        self._check_filters()

    # -- structure ---------------------------------------------------------

    @property
    def strides(self) -> tuple[int, int]:
        """Stride along height and width; 1 where a blur follows that has them."""
        return (1, 1) if self.antialiasing else self._strides

    @property
    def _strides(self) -> tuple[int, int]:
        return (
            self.stride_y if self.stride_y > 0 else self.stride,
            self.stride_x if self.stride_x > 0 else self.stride,
        )

    @property
    def _blur(self) -> Blur | None:
        return Blur(self.antialiasing, self._strides) if self.antialiasing else None

    @property
    def _step(self) -> int:
        """The dilation; a 1x1 kernel has none."""
        return self.dilation if self.size > 1 else 1

    def owner(self, index: int) -> int | None:
        if self.share_index == _OWN:
            return None
        return self.share_index if self.share_index >= 0 else index + self.share_index

    def geometry(self, shape: Shape) -> ConvGeometry:
        """How the kernel moves over an input of a shape."""
        sides: list[int] = []
        for length, stride in zip(shape[:2], self.strides, strict=True):
            if self.same:
                span = self._step * (self.size - 1) + 1
                total = max(
                    (math.ceil(length / stride) - 1) * stride + span - length, 0
                )
                sides += (total // 2, total - total // 2)
            else:
                one = (self.size // 2 if self.pad else self.padding) * self._step
                sides += (one, one)
        return ConvGeometry(
            self.strides,
            (self._step, self._step),
            Padding(*sides),
            self.pad_mode,
            self.groups,
        )

    @property
    def is_special(self) -> bool:
        return self.binary or self.xnor or self.antialiasing > 0

    def output_shape(self, *inputs: Shape) -> Shape:
        dense = self._dense_shape(*inputs)
        return self._blur.output_shape(dense) if self._blur else dense

    def _dense_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output before a blur."""
        shape = one_input(inputs, "a convolutional layer")
        self._check_channels(shape)
        stride, dilation, pad, _, _ = self.geometry(shape)
        height = window_output(
            shape.height, self.size, stride[0], pad.top, pad.bottom, dilation[0]
        )
        width = window_output(
            shape.width, self.size, stride[1], pad.left, pad.right, dilation[1]
        )
        if height < 1 or width < 1:
            raise ShapeError(
                f"a {self.size}x{self.size} kernel (dilation {self._step}) does not "
                f"fit into {shape}; use pad=1 or a larger image"
            )
        if self.dialect == "alexeyab":
            self._require_same_dilated(shape, height, width)
        return Shape(height, width, self.filters)

    def _require_same_dilated(self, shape: Shape, *size: int) -> None:
        """Refuse what AlexeyAB's Darknet computes beyond the ends of its arrays."""
        once = 2 * (self.size // 2 if self.pad else self.padding)
        for length, stride, found in zip(shape[:2], self.strides, size, strict=True):
            darknets = (length + once - self.size) // stride + 1
            if self.dilation > 1 and not self.same and darknets != found:
                raise ShapeError(
                    f"with dilation={self.dilation} the size of the output is {found}, "
                    f"and {darknets} in AlexeyAB's Darknet, whose formula leaves "
                    f"dilation out; use pad=1 and an odd size, or another dialect"
                )

    def weights_shape(self, *inputs: Shape) -> tuple[int, ...]:
        depth = one_input(inputs, "a convolutional layer").channels // self.groups
        return self._kernel(depth, self.filters)

    def operations(self, *inputs: Shape) -> int:
        """Two for each multiply-add of the kernel; biases and activation not counted."""
        height, width, filters = self._dense_shape(*inputs)
        depth = inputs[0].channels // self.groups
        return 2 * height * width * filters * self.size * self.size * depth

    def lower(self, *inputs: Shape) -> Operation | None:
        if activation(self.function).kind != "pointwise" or self.xnor or self._blur:
            return None
        weights, biases = self.folded()
        epilogue = Epilogue(activation=self.function)
        return Conv(weights, biases, self.geometry(inputs[0]), epilogue)

    def window(self) -> tuple[Window, Window]:
        span = self._step * (self.size - 1) + 1
        if self._blur:
            span += len(self._blur.weights) - 1
        return Window(span, self._strides[0]), Window(span, self._strides[1])

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Weights uniform within 1 / sqrt(n) of 0, with n = kh kw C / g inputs.

        Biases and rolling means 0, scales and rolling variances 1.

        That is PyTorch's choice, from which the published EDSR and WDSR were
        trained. He's variance of 2 / n, six times larger, suits a plain chain of
        relu layers; here each residual block would triple the variance, and 16
        blocks start training from outputs thousands of times too large.
        """
        self._draw_weights(rng, math.prod(self.weights.shape[:3]))
        super().initialize(rng)

    def folded(self) -> tuple[Array, Array | None]:
        """Weights and biases with the batch normalization multiplied in."""
        return self._fold(self._used_weights())

    def _used_weights(self) -> Array:
        """W, or what a binary layer multiplies by in its place."""
        if not (self.binary or self.xnor):
            return self.weights
        mean = np.abs(self.weights).mean(axis=(0, 1, 2), dtype=np.float64)
        signs = np.where(self.weights > 0, 1, -1)
        return np.ascontiguousarray(signs * mean, self.weights.dtype)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        geometry = self.geometry(Shape(*x.shape[1:]))
        if not training:
            if self.xnor:
                x = np.where(x > 0, x.dtype.type(1), x.dtype.type(-1))
            weights, biases = self.folded()
            y = kernels.conv2d(x, weights, biases, geometry, self.function)
            return self._blur.forward(y, kernels) if self._blur else y
        if self.binary or self.xnor:
            raise UsageError(
                "a convolutional layer with xnor=1 or binary=1 runs here; it is trained "
                "in Darknet"
            )
        biases = self.parameters.get("biases")
        normalized = None
        if self.batch_normalize:
            linear = kernels.conv2d(x, self.weights, None, geometry)
            linear, normalized = self._normalized(linear, kernels, training)
            output = self._activated(linear, kernels)
        elif activation(self.function).from_x:
            linear = kernels.conv2d(x, self.weights, biases, geometry)
            output = self._activated(linear, kernels)
        else:
            linear = output = kernels.conv2d(
                x, self.weights, biases, geometry, self.function
            )
        self._keep(x, normalized, linear, output)
        return self._blur.forward(output, kernels) if self._blur else output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x, delta, gradients = self._before_blur(delta, kernels)
        geometry = self.geometry(Shape(*x.shape[1:]))
        by_x, *others = kernels.conv2d_backward(x, self.weights, delta, geometry)
        self._take_gradients(gradients, *others)
        return (by_x,)

    def _before_blur(
        self, delta: Array, kernels: Kernels
    ) -> tuple[Array, Array, dict[str, Array]]:
        """As ``_before_activation``, from the gradient by what the layer gives."""
        if self._blur:
            dense = self._dense_shape(Shape(*self._recall().x.shape[1:]))
            delta = self._blur.backward(delta, dense[:2], kernels)
        return self._before_activation(delta, kernels)

    def backward_parameters(self, delta: Array, *, kernels: Kernels) -> None:
        x, delta, gradients = self._before_blur(delta, kernels)
        geometry = self.geometry(Shape(*x.shape[1:]))
        self._take_gradients(
            gradients,
            *kernels.conv2d_backward_weights(x, self.weights, delta, geometry),
        )
