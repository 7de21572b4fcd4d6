"""Residual sum: the previous layer plus earlier ones."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoo.errors import ShapeError
from zoo.keys import REQUIRED, Key
from zoo.layers.activated import Activated, activation_keys, kept_for_derivative
from zoo.layers.base import Array
from zoo.layers.darknet_keys import COMMON_KEYS, DIALECT_KEY
from zoo.plugins.base import Kernels
from zoo.program.operations import Add, Operation
from zoo.shapes import Shape

__all__ = ["RELU_FLOOR", "SUM_FLOOR", "Shortcut", "overlap"]

# Darknet's constants of normalised weights.
RELU_FLOOR = 1e-3
SUM_FLOOR = 1e-4


class Shortcut(Activated):
    """H = f(alpha x_prev + beta sum_i x_i).

    x_prev is the layer before and fixes the output's shape, x_i are the layers
    of ``from``, f is the activation. Gradients: alpha d for x_prev and beta d for
    each x_i, where d = delta * f'. (He et al., "Deep residual learning", 2015;
    alpha and beta as in pjreddie's Darknet; AlexeyAB's ignores them, and so
    does ``dialect=alexeyab``.)

    **Unequal shapes** follow pjreddie's Darknet. With the sizes (h, w, c) of x_prev
    and (h', w', c') of x_i, stride = max(1, w' div w) and sample = max(1, w div w'):
    x_i at (stride r, stride q, k) is added at (sample r, sample q, k) for all r, q, k
    below the smaller height, width and number of channels. What no x_i reaches stays
    as it is in x_prev, not multiplied by alpha. The quotients are rounded down and
    must be the same for height and width; sizes need not be multiples of one another.
    So 96 x 96 pixels are added to the upper left corner of 98 x 98, and from 5 x 5
    pixels 2 x 2 take those of rows and columns 0 and 2, without a warning, because
    Darknet does so too.

    **Learned weights** (AlexeyAB's Darknet), ``weights_type`` other than none:
    H = f(p_0 x_prev + sum_i p_i x_i) everywhere, with one p for each input
    (``per_feature``, also called ``per_layer``) or for each input and channel
    (``per_channel``). With the stored weights w and ``weights_normalization``

    * none: p_i = w_i;
    * relu (also avg_relu): p_i = r_i / (1e-4 + sum r), r_i = max(w_i, 1e-3);
    * softmax: p_i = e_i / (1e-4 + sum e), e_i = exp(w_i - max w).
    """

    summary = "alpha times the previous layer plus beta times earlier ones"
    keys = (
        Key(
            "from",
            "ints",
            REQUIRED,
            "layers to add; negative counts back from this layer",
            aliases=("index",),
            attribute="origins",
        ),
        Key("alpha", "float", 1.0, "factor of the previous layer"),
        Key("beta", "float", 1.0, "factor of the layers of from"),
        *activation_keys("linear", "applied to the sum"),
        Key(
            "weights_type",
            "str",
            "none",
            "learned weights of the sum",
            choices=("none", "per_feature", "per_layer", "per_channel"),
        ),
        Key(
            "weights_normalization",
            "str",
            "none",
            "how the learned weights are made to sum to one",
            choices=("none", "relu", "avg_relu", "softmax"),
        ),
        DIALECT_KEY,
        *COMMON_KEYS,
    )

    origins: tuple[int, ...]
    alpha: float
    beta: float
    dialect: str
    weights_type: str
    weights_normalization: str

    def __init__(self, **values: object) -> None:
        super().__init__(**values)
        if self.dialect == "alexeyab" and (self.alpha != 1 or self.beta != 1):
            warnings.warn(
                f"[shortcut] alpha={self.alpha:g} and beta={self.beta:g} mean nothing "
                f"in dialect=alexeyab; 1 is taken for both",
                UserWarning,
                stacklevel=2,
            )
            self.alpha = self.beta = 1.0
        if self.weighted and (self.alpha != 1 or self.beta != 1):
            raise ValueError(
                "has alpha or beta beside weights_type; use one or the other"
            )
        if not self.weighted and self.weights_normalization != "none":
            raise ValueError(
                "has weights_normalization but no weights; give weights_type"
            )

    @property
    def weighted(self) -> bool:
        """Whether the sum has learned weights."""
        return self.weights_type != "none"

    # -- structure ---------------------------------------------------------

    def sources(self, index: int) -> tuple[int, ...]:
        # Relative references may reach -1, the network's input.
        return (
            index - 1,
            *(origin if origin >= 0 else index + origin for origin in self.origins),
        )

    def output_shape(self, *inputs: Shape) -> Shape:
        if len(inputs) != len(self.origins) + 1:
            raise ShapeError(
                f"a shortcut from {len(self.origins)} layers takes "
                f"{len(self.origins) + 1} inputs, not {len(inputs)}"
            )
        previous, *others = inputs
        for other in others:
            overlap(previous, other)
        return previous

    def parameter_shapes(self, *inputs: Shape) -> dict[str, tuple[int, ...]]:
        count = len(self.origins) + 1
        match self.weights_type:
            case "none":
                return {}
            case "per_channel":
                return {"weights": (count, inputs[0].channels)}
        return {"weights": (count,)}

    def lower(self, *inputs: Shape) -> Operation | None:
        if self.weighted or len(inputs) != 2 or inputs[0] != inputs[1]:
            return None
        return Add(self.alpha, self.beta, self.function)

    def initialize(self, rng: np.random.Generator) -> None:
        for weights in self.parameters.values():
            weights.fill(1)

    # -- computation -------------------------------------------------------

    def forward(
        self, *inputs: Array, kernels: Kernels, training: bool = False
    ) -> Array:
        plain = not self.weighted and all(x.shape == inputs[0].shape for x in inputs)
        if plain and not training:
            return self._plain_sum(inputs, kernels, self.function)
        if plain:
            total = self._plain_sum(inputs, kernels, "linear")
        elif self.weighted:
            total = self._weighted_sum(inputs)
        else:
            total = self._partial_sum(inputs)
        output = total
        if self.function != "linear":
            output = kernels.activate(total, self.function)
        if training:
            self._saved = _Saved(
                tuple(_shape(x) for x in inputs),
                inputs if self.weighted else (),
                kept_for_derivative(self.function, total, output),
            )
        return output

    def backward(self, delta: Array, *, kernels: Kernels) -> tuple[Array, ...]:
        saved: _Saved = self._recall()
        shapes, inputs, activated = saved
        if activated is not None:
            delta, _ = kernels.activation_backward(*activated, delta, self.function)
        if self.weighted:
            return self._weighted_backward(delta, shapes, inputs)
        previous = _times(delta, self.alpha)
        if self.alpha != 1 and any(shape != shapes[0] for shape in shapes):
            untouched = ~self.reached(shapes)
            previous[:, untouched] = delta[:, untouched]
        others = _times(delta, self.beta)
        return previous, *(_scatter(others, shapes[0], shape) for shape in shapes[1:])

    def _plain_sum(
        self, inputs: tuple[Array, ...], kernels: Kernels, activation: str
    ) -> Array:
        """The sum of inputs of one shape, activated."""
        total = inputs[0]
        alpha = self.alpha
        for number, other in enumerate(inputs[1:], 2):
            last = number == len(inputs)
            total = kernels.add(
                total, other, alpha, self.beta, activation if last else "linear"
            )
            alpha = 1.0
        return total

    def _partial_sum(self, inputs: tuple[Array, ...]) -> Array:
        """The sum of inputs of several shapes, by Darknet's rule."""
        shapes = tuple(_shape(x) for x in inputs)
        kind = inputs[0].dtype.type
        total = inputs[0].copy()
        if self.alpha != 1:
            total[:, self.reached(shapes)] *= kind(self.alpha)
        for x, shape in zip(inputs[1:], shapes[1:], strict=True):
            target, source = overlap(shapes[0], shape)
            total[target] += kind(self.beta) * x[source]
        return total

    def reached(self, shapes: tuple[Shape, ...]) -> NDArray[np.bool_]:
        """Which values of x_prev some x_i is added to; boolean H x W x C."""
        reached = np.zeros(shapes[0], bool)
        for shape in shapes[1:]:
            target, _ = overlap(shapes[0], shape)
            reached[target[1:]] = True
        return reached

    def _weighted_sum(self, inputs: tuple[Array, ...]) -> Array:
        factors = self.factors()
        total = inputs[0] * factors[0]
        previous = _shape(inputs[0])
        for x, factor in zip(inputs[1:], factors[1:], strict=True):
            target, source = overlap(previous, _shape(x))
            if self.weights_type == "per_channel":
                factor = factor[target[3]]
            total[target] += x[source] * factor
        return total

    def _weighted_backward(
        self, delta: Array, shapes: tuple[Shape, ...], inputs: tuple[Array, ...]
    ) -> tuple[Array, ...]:
        factors = self.factors()
        slopes = np.zeros_like(factors)  # derivatives of the cost by p
        gradients = []
        for number, (x, shape) in enumerate(zip(inputs, shapes, strict=True)):
            target, source = overlap(shapes[0], shape)
            products = np.einsum("nhwc,nhwc->c", delta[target], x[source])
            if self.weights_type == "per_channel":
                slopes[number, : len(products)] = products
            else:
                slopes[number] = products.sum()
            gradients.append(_scatter(delta * factors[number], shapes[0], shape))
        self.gradients = {"weights": self._through_normalization(factors, slopes)}
        return tuple(gradients)

    def factors(self) -> Array:
        """The p of the class's description: inputs, or inputs x C."""
        raw = self._normalizer()
        if raw is None:
            return self.weights
        return raw / (raw.sum(axis=0) + raw.dtype.type(SUM_FLOOR))

    def _normalizer(self) -> Array | None:
        """The r or e of the class's description; None without normalisation."""
        weights = self.weights
        match self.weights_normalization:
            case "none":
                return None
            case "softmax":
                return np.exp(weights - weights.max(axis=0))
        return np.maximum(weights, weights.dtype.type(RELU_FLOOR))

    def _through_normalization(self, factors: Array, slopes: Array) -> Array:
        """Derivatives of the cost by w, from those by p.

        With s the normaliser's sum, dC/dr_j = (g_j - sum_i g_i p_i) / s for the
        derivatives g by p. For softmax dr_j/dw_j = r_j, and because of the 1e-4 the
        largest weight, which all exponents contain, has a share of its own.
        """
        raw = self._normalizer()
        if raw is None:
            return slopes
        total = raw.sum(axis=0) + raw.dtype.type(SUM_FLOOR)
        by_raw = (slopes - (slopes * factors).sum(axis=0)) / total
        if self.weights_normalization != "softmax":
            return by_raw * (self.weights > RELU_FLOOR)
        by_exponent = by_raw * raw
        largest = self.weights.argmax(axis=0)
        first = np.arange(len(raw)).reshape((-1,) + (1,) * (raw.ndim - 1)) == largest
        return by_exponent - first * by_exponent.sum(axis=0)


class _Saved(NamedTuple):
    """What backward needs of the training forward."""

    shapes: tuple[Shape, ...]
    inputs: tuple[Array, ...]
    activated: tuple[Array, Array] | None


_Slices = tuple[slice, slice, slice, slice]


def overlap(previous: Shape, other: Shape) -> tuple[_Slices, _Slices]:
    """Where x_i is added: slices of N x H x W x C arrays, x_prev's and x_i's.

    Raises
    ------
    ShapeError
        If height and width do not shrink or grow by one factor, rounded down.
    """
    strides = (other.height // previous.height, other.width // previous.width)
    samples = (previous.height // other.height, previous.width // other.width)
    if strides[0] != strides[1] or samples[0] != samples[1]:
        raise ShapeError(
            f"a shortcut cannot add {other} to {previous}: height and width must "
            f"differ by the same factor"
        )
    stride, sample = max(strides[0], 1), max(samples[0], 1)
    channels = slice(min(previous.channels, other.channels))
    rows = min(previous.height, other.height)
    columns = min(previous.width, other.width)
    batch = slice(None)
    target = (batch, _every(sample, rows), _every(sample, columns), channels)
    source = (batch, _every(stride, rows), _every(stride, columns), channels)
    return target, source


def _every(step: int, count: int) -> slice:
    """The first ``count`` places 0, step, 2 step, ..."""
    return slice(0, (count - 1) * step + 1, step)


def _scatter(delta: Array, previous: Shape, other: Shape) -> Array:
    """Gradient of x_i: the part of delta that it was added to, zero elsewhere."""
    if other == previous:
        return delta
    target, source = overlap(previous, other)
    result = np.zeros((len(delta), *other), delta.dtype)
    result[source] = delta[target]
    return result


def _times(x: Array, factor: float) -> Array:
    """The product in the dtype of x; x itself for 1."""
    return x if factor == 1 else x * x.dtype.type(factor)


def _shape(x: Array) -> Shape:
    return Shape(*x.shape[1:])
