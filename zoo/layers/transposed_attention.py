"""Self-attention between channels, over all pixels."""

from __future__ import annotations

import math

import numpy as np

from zoo.errors import ShapeError
from zoo.keys import Key
from zoo.layers.base import Array, Layer, Window, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.layers.window_attention import softmax_backward, softmax_in_place
from zoo.plugins.base import Kernels
from zoo.shapes import Shape

__all__ = ["TransposedAttention"]

_TINY = 1e-12  # PyTorch's, of a norm that is divided by


class TransposedAttention(Layer):
    """y = softmax(t a b^T) v: channels attend to channels.

    The input has 3 C channels, q, k and v one after the other, each in ``heads``
    parts; the output has C. a and b are q and k, every channel divided by its
    Euclidean norm over the picture, and t is learned, one ``temperatures`` per head.
    Since the whole picture has a part in every pixel, pictures in tiles differ.
    ``window`` does it inside each window of so many rows and columns; with ``grid=1``
    what belongs together is the pixels at the same place of every window.

    Backward, with P the softmax and D = delta: dv = P^T D, dP = D v^T, through the
    softmax to dL; da = t dL b, db = t dL^T a, dt = sum dL (a b^T), and through a norm
    dq = ``(da - a sum(a da)) / |q|``. (El-Nouby et al., "XCiT", 2021; Zamir et al.,
    "Restormer", 2022.)
    """

    summary = "self-attention between channels, of q, k and v beside each other"
    keys = (
        Key("heads", "int", 1, "parts of the channels that attend apart", minimum=1),
        Key(
            "window",
            "int",
            0,
            "rows and columns of windows; 0: the whole picture",
            minimum=0,
            maximum=512,
            attribute="size",
        ),
        Key("grid", "bool", False, "1: over the pixels at one place of all windows"),
        *COMMON_KEYS,
    )

    heads: int
    size: int
    grid: bool

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.grid and not self.size:
            raise ValueError("has grid=1 without a window")

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = shape = one_input(inputs, "a transposed_attention")
        if channels % (3 * self.heads):
            raise ShapeError(
                f"the {channels} channels of {shape} are not q, k and v of "
                f"{self.heads} heads each"
            )
        if self.size and (height % self.size or width % self.size):
            raise ShapeError(
                f"{shape} cannot be cut into windows of {self.size}x{self.size}; a "
                f"[pad] with multiple={self.size} makes it fit"
            )
        return Shape(height, width, channels // 3)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        return {"temperatures": (self.heads,)}

    def operations(self, *inputs: Shape) -> int:
        shape = self.output_shape(*inputs)
        return 4 * shape.size * shape.channels // self.heads

    def window(self) -> tuple[Window, Window]:
        whole = self.grid or not self.size
        seen = Window(math.inf if whole else self.size)
        return seen, seen

    def initialize(self, rng: np.random.Generator) -> None:
        self.parameters["temperatures"][...] = 1

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        if training:
            self._saved = x
        a, b, v, _, _ = self._parted(x)
        p = softmax_in_place(self._temperatures() * (a @ b.swapaxes(-1, -2)))
        return self._joined([p @ v], x.shape)

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        x: Array = self._recall()
        a, b, v, norm_q, norm_k = self._parted(x)
        t = self._temperatures()
        products = a @ b.swapaxes(-1, -2)
        p = softmax_in_place(t * products)
        (d,) = self._grouped(delta, 1)
        by_logits = softmax_backward(p, d @ v.swapaxes(-1, -2))
        by_t = (by_logits * products).sum(axis=(0, 2, 3))
        self.gradients = {"temperatures": by_t.astype(x.dtype)}
        by_a, by_b = t * by_logits @ b, (t * by_logits).swapaxes(-1, -2) @ a
        parts = [
            (by_a - a * (a * by_a).sum(axis=-1, keepdims=True)) / norm_q,
            (by_b - b * (b * by_b).sum(axis=-1, keepdims=True)) / norm_k,
            p.swapaxes(-1, -2) @ d,
        ]
        return (self._joined(parts, x.shape),)

    def _temperatures(self) -> Array:
        return self._parameter("temperatures")[:, None, None]

    def _parted(self, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """a, b, v and the norms of q and k; groups x heads x d x pixels."""
        q, k, v = self._grouped(x, 3)
        norms = [
            np.maximum(
                np.sqrt(np.square(part).sum(-1, dtype=np.float64, keepdims=True)), _TINY
            ).astype(x.dtype)
            for part in (q, k)
        ]
        return q / norms[0], k / norms[1], v, norms[0], norms[1]

    def _grouped(self, x: Array, parts: int) -> Array:
        """N x H x W x (parts heads d) to parts x groups x heads x d x pixels."""
        count, height, width, _ = x.shape
        rows, columns = self._extent(height, width)
        apart = x.reshape(
            *(count, height // rows, rows, width // columns, columns),
            *(parts, self.heads, -1),
        )
        order = _GRID if self.grid else _BLOCKS
        ordered = apart.transpose(order)
        groups = count * ordered.shape[2] * ordered.shape[3]
        depth = apart.shape[-1]
        return ordered.reshape(parts, groups, self.heads, depth, -1)

    def _joined(self, parts: list[Array], shape: tuple[int, ...]) -> Array:
        """groups x heads x d x pixels each to N x H x W x channels."""
        count, height, width, _ = shape
        rows, columns = self._extent(height, width)
        windows, inside = (height // rows, width // columns), (rows, columns)
        outer, inner = (inside, windows) if self.grid else (windows, inside)
        order = _FROM_GRID if self.grid else _FROM_BLOCKS
        flat = [
            part.reshape(count, *outer, self.heads, -1, *inner)
            .transpose(order)
            .reshape(count, height, width, -1)
            for part in parts
        ]
        return np.ascontiguousarray(np.concatenate(flat, axis=3))

    def _extent(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of a window."""
        return (self.size, self.size) if self.size else (height, width)


# From N, windows down, rows, windows right, columns, parts, heads, d.
_BLOCKS = (5, 0, 1, 3, 6, 7, 2, 4)
_GRID = (5, 0, 2, 4, 6, 7, 1, 3)
# To N, windows down, rows, windows right, columns, heads, d.
_FROM_BLOCKS = (0, 1, 5, 2, 6, 3, 4)
_FROM_GRID = (0, 5, 1, 6, 2, 3, 4)
