"""Batch normalization, as a layer and as a part of others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.keys import Key
from zoo.layers.base import Array, Layer, one_input
from zoo.layers.darknet_keys import COMMON_KEYS
from zoo.plugins.base import ConvGeometry, Kernels
from zoo.program.operations import Conv, Operation
from zoo.shapes import Shape

__all__ = ["NORMALIZATION_DIALECTS", "NORMALIZATION_KEYS", "BatchNorm", "Normalization"]

_PJREDDIE_EPSILON = 1e-6

NORMALIZATION_KEYS: tuple[Key, ...] = (
    Key(
        "bn_eps",
        "float",
        1e-5,
        "added to the variance inside the root; dialect alexeyab only",
        minimum=0,
    ),
    Key(
        "bn_dialect",
        "str",
        "alexeyab",
        "alexeyab: root of variance + bn_eps, running averages keep 0.9; "
        "pjreddie: root of variance, plus 1e-6, running averages keep 0.99",
        choices=("alexeyab", "pjreddie"),
    ),
)

NORMALIZATION_DIALECTS = {"pjreddie": {"bn_dialect": "pjreddie"}}
"""``dialects`` of layers with :data:`NORMALIZATION_KEYS`."""


class Saved(NamedTuple):
    """What backward needs of a training forward."""

    x: Array
    mean: Array
    divisor: Array
    root: Array


class Normalization:
    """The mathematics of batch normalization, per channel (last axis).

    Training: with the mean m and the biased variance v of the M values of each
    channel in the batch, over all images and pixels,

        y = gamma (x - m) / d(v) + beta,  d(v) = sqrt(v + eps)       (alexeyab)
                                          d(v) = sqrt(v) + 1e-6      (pjreddie)

    Inference uses the rolling mean and variance in place of m and v. Training
    moves them, r = k r + (1 - k) s, with k = 0.9 (alexeyab) or 0.99 (pjreddie)
    and s the mean or the unbiased variance v M / (M - 1), as both Darknets store.

    Backward, with c = x - m and delta = dC/dy:

        dC/dbeta = sum delta,   dC/dgamma = sum delta c / d
        dC/dv = -gamma d'(v) / d^2 sum delta c,   d'(v) = 1 / (2 root)
        dC/dx = gamma (delta - mean delta) / d + 2 c / M dC/dv

    where root is sqrt(v + eps) or sqrt(v). (Ioffe and Szegedy, 2015.)

    Parameters
    ----------
    epsilon : float
        See ``bn_eps``.
    dialect : str
        See ``bn_dialect``.
    """

    def __init__(self, epsilon: float, dialect: str) -> None:
        self.epsilon = epsilon
        self.pjreddie = dialect == "pjreddie"
        self.keep = 0.99 if self.pjreddie else 0.9

    def divisor(self, variance: Array) -> tuple[Array, Array]:
        """d(v) and the root in it."""
        if self.pjreddie:
            root = np.sqrt(variance)
            return root + _PJREDDIE_EPSILON, root
        root = np.sqrt(variance + self.epsilon)
        return root, root

    def affine(
        self, scales: Array, biases: Array | None, mean: Array, variance: Array
    ) -> tuple[Array, Array]:
        """The factor and the offset per channel that inference applies.

        A variance below zero, which damaged weights may hold, gives NaN.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = scales / self.divisor(variance)[0]
            offset = -mean * factor
        return factor, offset if biases is None else offset + biases

    def forward(
        self,
        x: Array,
        scales: Array,
        biases: Array | None,
        statistics: dict[str, Array],
        kernels: Kernels,
    ) -> tuple[Array, Saved]:
        """Normalize by the batch and move the rolling statistics, in place."""
        count = x.size // x.shape[-1]
        mean, variance = kernels.channel_moments(x)
        divisor, root = self.divisor(variance)
        unbiased = variance * (count / max(count - 1, 1))
        for name, value in (("rolling_mean", mean), ("rolling_variance", unbiased)):
            statistics[name] *= self.keep
            statistics[name] += (1 - self.keep) * value
        offset = np.zeros_like(mean) if biases is None else biases
        y = kernels.normalize(x, mean, scales / divisor, offset)
        return y, Saved(x, mean, divisor, root)

    def backward(
        self, delta: Array, scales: Array, saved: Saved, kernels: Kernels
    ) -> tuple[Array, Array, Array]:
        """Gradients with respect to x, scales and biases."""
        x, mean, divisor, root = saved
        count = delta.size // delta.shape[-1]
        total, product = kernels.channel_products(delta, x, mean)
        # A constant channel has root 0 in pjreddie's form, and centered 0 as well.
        safe = np.where(root > 0, root, 1).astype(root.dtype)
        by_variance = -scales * product / (2 * safe * divisor * divisor)
        factor = scales / divisor
        by_x = kernels.normalize(
            x, mean, 2 / count * by_variance, -total / count * factor, delta, factor
        )
        return by_x, product / divisor, total


class BatchNorm(Layer):
    """y = gamma (x - mean) / sqrt(variance + eps) + beta, per channel.

    ``scales`` is gamma and ``biases`` beta; see :class:`Normalization`.
    """

    summary = "batch normalization: zero mean and unit variance per channel"
    keys = (*NORMALIZATION_KEYS, *COMMON_KEYS)
    dialects = NORMALIZATION_DIALECTS

    bn_eps: float
    bn_dialect: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        self.normalization = Normalization(self.bn_eps, self.bn_dialect)

    def output_shape(self, *inputs: Shape) -> Shape:
        return one_input(inputs, "a batchnorm layer")

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        channels = one_input(inputs, "a batchnorm layer").channels
        return {"biases": (channels,), "scales": (channels,)}

    def statistics_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        channels = one_input(inputs, "a batchnorm layer").channels
        return {"rolling_mean": (channels,), "rolling_variance": (channels,)}

    def initialize(self, rng: np.random.Generator) -> None:
        self.parameters["biases"][...] = 0
        self.parameters["scales"][...] = 1
        self.statistics["rolling_mean"][...] = 0
        self.statistics["rolling_variance"][...] = 1

    def lower(self, *inputs: Shape) -> Operation | None:
        """A 1x1 convolution of each channel on its own: y = factor x + offset."""
        factor, offset = self._factor_and_offset()
        geometry = ConvGeometry(groups=inputs[0].channels)
        return Conv(factor.reshape(1, 1, 1, -1), offset, geometry)

    def _factor_and_offset(self) -> tuple[Array, Array]:
        """What inference multiplies by and adds, per channel."""
        return self.normalization.affine(
            self._parameter("scales"),
            self.biases,
            self.statistics["rolling_mean"],
            self.statistics["rolling_variance"],
        )

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        (x,) = inputs
        if training and not self.frozen:
            y, self._saved = self.normalization.forward(
                x, self._parameter("scales"), self.biases, self.statistics, kernels
            )
            return y
        factor, offset = self._factor_and_offset()
        if training:
            self._saved = factor
        y = x * factor
        y += offset
        return y

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        if self.frozen:
            return (delta * self._recall(),)
        by_x, by_scales, by_biases = self.normalization.backward(
            delta, self._parameter("scales"), self._recall(), kernels
        )
        self.gradients = {"biases": by_biases, "scales": by_scales}
        return (by_x,)
