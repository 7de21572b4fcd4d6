"""A convolution whose weights differ from place to place."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.activated import Activated, activation_keys, kept_for_derivative
from zoo.layers.affine import MAXIMUM_WEIGHTS
from zoo.layers.base import Array, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["Local"]


class Local(Activated):
    """y[i, j, k] = f(b[i, j, k] + sum W[i, j, u, v, c, k] x[s i + u - p, s j + v - p, c]).

    As in a convolution, but with weights and biases of their own for every place of the
    output. With ``pad=1`` p is size/2 rounded down and the output has
    (L - 1) / s + 1 places along each axis, rounded down, without it (L - size) / s + 1.
    Gradients, with D = delta f': b: D summed over the batch; W: D times what it was
    multiplied with; x: W D, added up where windows overlap.
    """

    summary = "convolution with weights of its own for every place"
    keys = (
        Key("filters", "int", 1, "channels of the output", minimum=1),
        Key("size", "int", 1, "height and width of the windows", minimum=1),
        Key("stride", "int", 1, "input pixels per output pixel", minimum=1),
        Key("pad", "bool", False, "1: size/2 zeros on each side"),
        *activation_keys("logistic", "applied to the result"),
        *COMMON_KEYS,
    )

    filters: int
    size: int
    stride: int
    pad: bool

    # -- structure ---------------------------------------------------------

    def output_shape(self, *inputs: Shape) -> Shape:
        shape = one_input(inputs, "a local layer")
        cut = 1 if self.pad else self.size
        if min(shape.height, shape.width) < cut:
            raise ShapeError(
                f"a window of {self.size} does not fit into {shape}; use pad=1"
            )
        height, width = ((side - cut) // self.stride + 1 for side in shape[:2])
        return Shape(height, width, self.filters)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        height, width, filters = self.output_shape(*inputs)
        size, channels = self.size, inputs[0].channels
        weights = (height, width, size, size, channels, filters)
        if math.prod(weights) > MAXIMUM_WEIGHTS:
            raise ShapeError(
                f"a local layer on {inputs[0]} needs {math.prod(weights)} weights, more "
                f"than 2^31"
            )
        return {"weights": weights, "biases": (height, width, filters)}

    def operations(self, *inputs: Shape) -> int:
        """Two for each weight."""
        return 2 * math.prod(self.parameter_shapes(*inputs)["weights"])

    def window(self) -> tuple[Window, Window]:
        return Window(self.size, self.stride), Window(self.size, self.stride)

    # -- parameters --------------------------------------------------------

    def initialize(self, rng: np.random.Generator) -> None:
        """Weights uniform within 1 / sqrt(inputs of a window) of 0, biases 0."""
        weights = self.weights
        bound = 1 / math.sqrt(math.prod(weights.shape[2:5]))
        weights[...] = bound * (2 * rng.random(weights.shape, np.float32) - 1)
        self.biases[...] = 0

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        x = inputs[0]
        windows = self._windows(x)
        height, width = self.weights.shape[:2]
        matrices = self.weights.reshape(height, width, -1, self.filters)
        linear = np.matmul(windows.transpose(1, 2, 0, 3), matrices)
        linear = np.ascontiguousarray(linear.transpose(2, 0, 1, 3))
        linear += self.biases
        output = linear
        if self.activation != "linear":
            output = kernels.activate(linear, self.function)
        if training:
            kept = kept_for_derivative(self.function, linear, output)
            self._saved = x.shape, windows, kept
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        shape, windows, activated = self._recall()
        if activated is not None:
            before, after = activated
            delta, _ = kernels.activation_backward(before, after, delta, self.function)
        height, width = self.weights.shape[:2]
        placed = delta.transpose(1, 2, 0, 3)  # H' x W' x N x K
        columns = windows.transpose(1, 2, 3, 0)  # H' x W' x (size^2 C) x N
        if not self.frozen:
            by_weights = np.matmul(columns, placed)
            self.gradients = {
                "weights": by_weights.reshape(self.weights.shape),
                "biases": delta.sum(axis=0),
            }
        matrices = self.weights.reshape(height, width, -1, self.filters)
        spread = np.matmul(placed, matrices.transpose(0, 1, 3, 2))
        return (self._gather(spread.transpose(2, 0, 1, 3), shape),)

    def _padded(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Zeros before an axis, and its two lengths with all zeros that windows see."""
        before = self.size // 2 if self.pad else 0
        height, width, _ = self.output_shape(Shape(*shape[1:]))
        reach = [(n - 1) * self.stride + self.size for n in (height, width)]
        return (
            before,
            max(reach[0], before + shape[1]),
            max(reach[1], before + shape[2]),
        )

    def _windows(self, x: Array) -> Array:
        """What each place sees: N x H' x W' x (size size C)."""
        before, rows, columns = self._padded(x.shape)
        ends = (
            (0, 0),
            (before, rows - before - x.shape[1]),
            (before, columns - before - x.shape[2]),
            (0, 0),
        )
        padded = np.pad(x, ends)
        view = np.lib.stride_tricks.sliding_window_view(
            padded, (self.size, self.size), axis=(1, 2)
        )
        height, width, _ = self.output_shape(Shape(*x.shape[1:]))
        view = view[:, :: self.stride, :: self.stride][:, :height, :width]
        return np.ascontiguousarray(view.transpose(0, 1, 2, 4, 5, 3)).reshape(
            len(x), height, width, -1
        )

    def _gather(self, spread: Array, shape: tuple[int, ...]) -> Array:
        """Add up what the windows give back to each input pixel."""
        before, rows, columns = self._padded(shape)
        total = np.zeros((shape[0], rows, columns, shape[3]), spread.dtype)
        n, height, width, _ = spread.shape
        cells = spread.reshape(n, height, width, self.size, self.size, shape[3])
        step = self.stride
        for u in range(self.size):
            for v in range(self.size):
                total[
                    :,
                    u : u + (height - 1) * step + 1 : step,
                    v : v + (width - 1) * step + 1 : step,
                ] += cells[:, :, :, u, v]
        inner = total[:, before : before + shape[1], before : before + shape[2]]
        return np.ascontiguousarray(inner)
