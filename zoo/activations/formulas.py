"""Formulas of activations and their derivatives.

Arguments keep their dtype. They are stable: no finite value overflows on the way
to a finite result. A derivative takes x and f = f(x), and reads one of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zoo.shapes import Array

SELU = 1.0507
SELU_ALPHA = 1.0507 * 1.6732
GELU = float(np.sqrt(2 / np.pi))
GELU_CUBE = 0.044715
EPSILON = 1e-4  # Darknet's, in the denominators of normalize_channels*


def either(condition: NDArray[np.bool_], yes: float, no: float, like: Array) -> Array:
    """Two constants by a condition, in the dtype of an array."""
    return np.where(condition, like.dtype.type(yes), like.dtype.type(no))


def ones(x: Array, f: Array) -> Array:
    return np.ones_like(x)


def logistic(x: Array) -> Array:
    """1 / (1 + e^-x), exact to rounding in both tails."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Array) -> Array:
    """log(1 + e^x), as max(x, 0) + log(1 + e^-|x|)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def ramp(x: Array) -> Array:
    return np.where(x > 0, x + 0.1 * x, 0.1 * x)


def plse(x: Array) -> Array:
    outer = np.where(x < 0, 0.01 * (x + 4), 0.01 * (x - 4) + 1)
    return np.where(np.abs(x) > 4, outer, 0.125 * x + 0.5)


def stair(x: Array) -> Array:
    whole = np.floor(x)
    half = np.floor(x / 2)
    return np.where(np.mod(whole, 2) == 0, half, (x - whole) + half)


def lhtan(x: Array) -> Array:
    return np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x))


def expm1_below(x: Array) -> Array:
    """e^x - 1 for negative x, else 0: never overflows."""
    return np.expm1(np.minimum(x, 0))


def elliot(x: Array) -> Array:
    return 0.5 * x / (1 + np.abs(x)) + 0.5


def swish_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -200, 200)  # constant beyond, and infinity would give NaN
    s = logistic(x)
    return s + x * s * (1 - s)


def mish_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -200, 200)
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * logistic(x)


def gelu(x: Array) -> Array:
    with np.errstate(over="ignore"):  # tanh of infinity is 1, as it should be
        inner = GELU * x * (1 + GELU_CUBE * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


def gelu_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -50, 50)
    t = np.tanh(GELU * x * (1 + GELU_CUBE * x * x))
    slope = GELU * (1 + 3 * GELU_CUBE * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope


def hard_mish(x: Array) -> Array:
    curved = np.clip(x, -2, 0)
    return np.where(x > 0, x, (0.5 * curved + 1) * curved)


def hard_mish_derivative(x: Array, f: Array) -> Array:
    return np.clip(x, -2, 0) * (x > -2) + (x > -2)


def normalize_channels(x: Array) -> Array:
    positive = np.maximum(x, 0)
    return positive / (EPSILON + positive.sum(axis=-1, keepdims=True))


def normalize_channels_gradient(x: Array, f: Array, delta: Array) -> Array:
    total = EPSILON + np.maximum(x, 0).sum(axis=-1, keepdims=True)
    inner = (delta * f).sum(axis=-1, keepdims=True)
    return (delta - inner) / total * (x > 0)


def channel_softmax(x: Array) -> Array:
    """e^x / (eps + sum of e^x), multiplied through by e^-m against overflow."""
    m = np.maximum(x.max(axis=-1, keepdims=True), 0)
    small = np.exp(x - m)
    return small / (EPSILON * np.exp(-m) + small.sum(axis=-1, keepdims=True))


def channel_softmax_maximum(x: Array) -> Array:
    """e^(x-m) / (eps + sum of e^(x-m)) for the largest value m of the pixel."""
    small = np.exp(x - x.max(axis=-1, keepdims=True))
    return small / (EPSILON + small.sum(axis=-1, keepdims=True))


def channel_softmax_gradient(x: Array, f: Array, delta: Array) -> Array:
    return f * (delta - (delta * f).sum(axis=-1, keepdims=True))


def channel_softmax_maximum_gradient(x: Array, f: Array, delta: Array) -> Array:
    # f also depends on the maximum m, because of epsilon: with f = e/(eps+S),
    # df/dm = -e/(eps+S) + e S/(eps+S)^2 = -f (1 - sum f). m is the first maximum.
    inner = (delta * f).sum(axis=-1, keepdims=True)
    gradient = f * (delta - inner)
    first = np.expand_dims(x.argmax(axis=-1), -1)
    rest = 1 - f.sum(axis=-1, keepdims=True)
    at_first = np.take_along_axis(gradient, first, axis=-1)
    np.put_along_axis(gradient, first, at_first - inner * rest, axis=-1)
    return gradient


def prelu(x: Array, slopes: Array) -> Array:
    return np.where(x > 0, x, slopes * x)


def prelu_derivative(x: Array, f: Array, slopes: Array) -> Array:
    return np.where(x > 0, x.dtype.type(1), slopes.astype(x.dtype, copy=False))


def leaky(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, x.dtype.type(slope) * x)


def leaky_derivative(x: Array, f: Array, slope: float) -> Array:
    # f has the sign of x unless the slope is negative, and x is given then.
    return either((x if slope < 0 else f) > 0, 1, slope, f)


def clip_derivative(x: Array, f: Array, low: float, high: float) -> Array:
    return either((f > low) & (f < high), 1, 0, f)
