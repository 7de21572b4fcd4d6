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

    Backward, with P the softmax and D = delta: dv = P^T D, dP = D v^T, through the
    softmax to dL; da = t dL b, db = t dL^T a, dt = sum dL (a b^T), and through a norm
    dq = (da - a sum(a da)) / |q|. (El-Nouby et al., "XCiT", 2021; Zamir et al.,
    "Restormer", 2022.)
    """

    summary = "self-attention between channels, of q, k and v beside each other"
    keys = (
        Key("heads", "int", 1, "parts of the channels that attend apart", minimum=1),
        *COMMON_KEYS,
    )

    heads: int

    def output_shape(self, *inputs: Shape) -> Shape:
        height, width, channels = shape = one_input(inputs, "a transposed_attention")
        if channels % (3 * self.heads):
            raise ShapeError(
                f"the {channels} channels of {shape} are not q, k and v of "
                f"{self.heads} heads each"
            )
        return Shape(height, width, channels // 3)

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        return {"temperatures": (self.heads,)}

    def operations(self, *inputs: Shape) -> int:
        shape = self.output_shape(*inputs)
        return 4 * shape.size * shape.channels // self.heads

    def window(self) -> tuple[Window, Window]:
        return Window(math.inf), Window(math.inf)

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
        pixels = delta.shape[1] * delta.shape[2]
        d = delta.reshape(len(delta), pixels, self.heads, -1).transpose(0, 2, 3, 1)
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
        """a, b, v and the norms of q and k; N x heads x d x pixels."""
        count, height, width, channels = x.shape
        depth = channels // (3 * self.heads)
        apart = x.reshape(count, height * width, 3, self.heads, depth)
        q, k, v = apart.transpose(2, 0, 3, 4, 1)
        norms = [
            np.maximum(
                np.sqrt(np.square(part).sum(-1, dtype=np.float64, keepdims=True)), _TINY
            ).astype(x.dtype)
            for part in (q, k)
        ]
        return q / norms[0], k / norms[1], v, norms[0], norms[1]

    @staticmethod
    def _joined(parts: list[Array], shape: tuple[int, ...]) -> Array:
        """N x heads x d x pixels each to N x H x W x channels."""
        flat = [part.transpose(0, 3, 1, 2).reshape(*shape[:3], -1) for part in parts]
        return np.ascontiguousarray(np.concatenate(flat, axis=3))
