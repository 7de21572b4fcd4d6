"""Activation functions: one table of formulas and derivatives.

Back ends and layers look names up in :data:`ACTIVATIONS`; cfg keys take their
choices from :data:`NAMES`. All functions keep the dtype of their argument and
act on the last axis as channels where they look across channels. They are
stable: no finite value overflows on the way to a finite result. NaN passes
through; infinities give what the formula gives in the limit or, where the
formula is infinity times zero, NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zoo.shapes import Array

__all__ = [
    "ACTIVATIONS",
    "NAMES",
    "PARAMETER_FREE",
    "ActivationFunction",
    "activation",
]

Kind = Literal["pointwise", "channels", "slopes"]

_SELU = 1.0507
_SELU_ALPHA = 1.0507 * 1.6732
_GELU = float(np.sqrt(2 / np.pi))
_GELU_CUBE = 0.044715
_EPSILON = 1e-4  # Darknet's, in the denominators of normalize_channels*


@dataclass(frozen=True)
class ActivationFunction:
    """One row of the table.

    Parameters
    ----------
    name : str
        As written in cfg files.
    formula : str
        f(x), for people.
    function : callable
        ``function(x)``; of kind "slopes", ``function(x, slopes)``.
    derivative : callable
        ``derivative(x, f)`` is f'(x), given f = f(x) as well. Of kind
        "slopes", ``derivative(x, f, slopes)``. Of kind "channels" there is no
        derivative per value: ``derivative(x, f, delta)`` is the gradient with
        respect to x of the sum of delta times f.
    kind : {"pointwise", "channels", "slopes"}
        Whether it maps single values, looks across the channels (last axis) of
        a pixel, or has a learned slope per channel.
    from_x : bool
        Whether the derivative reads x. Otherwise f is enough: x need not be kept
        for :meth:`backward`, and f may be given in its place.
    """

    name: str
    formula: str
    function: Callable[..., Array]
    derivative: Callable[..., Array]
    kind: Kind = "pointwise"
    from_x: bool = False

    @property
    def needs_slopes(self) -> bool:
        """Whether it takes a slope per channel."""
        return self.kind == "slopes"

    @property
    def across_channels(self) -> bool:
        """Whether a value depends on the other channels of its pixel."""
        return self.kind == "channels"

    def __call__(self, x: Array, slopes: Array | None = None) -> Array:
        """f(x); may be x itself. ``slopes`` (C) only where they are needed."""
        # Infinity times zero is NaN by the formula; not worth a warning.
        with np.errstate(invalid="ignore"):
            if self.needs_slopes:
                return self.function(x, self._checked(slopes))
            return self.function(x)

    def backward(
        self, x: Array, f: Array, delta: Array, slopes: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Gradients of the sum of delta times f(x), by x and by the slopes.

        Parameters
        ----------
        x, f, delta : ndarray, ... x C
            Input, output, and gradient with respect to the output.
        slopes : ndarray, C, optional

        Returns
        -------
        tuple of ndarray and (ndarray or None)
            The second is None unless the function has slopes.
        """
        with np.errstate(invalid="ignore"):
            if self.across_channels:
                return self.derivative(x, f, delta), None
            if not self.needs_slopes:
                return delta * self.derivative(x, f), None
            slopes = self._checked(slopes)
            by_slope = delta * np.minimum(x, 0)
            return (
                delta * self.derivative(x, f, slopes),
                by_slope.reshape(-1, by_slope.shape[-1]).sum(axis=0),
            )

    def _checked(self, slopes: Array | None) -> Array:
        if slopes is None:
            raise TypeError(f"the activation {self.name} needs slopes")
        return slopes


def activation(name: str) -> ActivationFunction:
    """Return the row of a name.

    Raises
    ------
    ValueError
        If there is no such activation.
    """
    try:
        return ACTIVATIONS[name]
    except KeyError:
        raise ValueError(
            f"there is no activation {name!r}; there are {', '.join(NAMES)}"
        ) from None


# -- pieces ----------------------------------------------------------------


def _either(condition: NDArray[np.bool_], yes: float, no: float, like: Array) -> Array:
    """Two constants by a condition, in the dtype of an array."""
    return np.where(condition, like.dtype.type(yes), like.dtype.type(no))


def _ones(x: Array, f: Array) -> Array:
    return np.ones_like(x)


def logistic(x: Array) -> Array:
    """1 / (1 + e^-x), exact to rounding in both tails."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def softplus(x: Array) -> Array:
    """log(1 + e^x), as max(x, 0) + log(1 + e^-|x|)."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _ramp(x: Array) -> Array:
    return np.where(x > 0, x + 0.1 * x, 0.1 * x)


def _plse(x: Array) -> Array:
    outer = np.where(x < 0, 0.01 * (x + 4), 0.01 * (x - 4) + 1)
    return np.where(np.abs(x) > 4, outer, 0.125 * x + 0.5)


def _stair(x: Array) -> Array:
    whole = np.floor(x)
    half = np.floor(x / 2)
    return np.where(np.mod(whole, 2) == 0, half, (x - whole) + half)


def _lhtan(x: Array) -> Array:
    return np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x))


def _expm1_below(x: Array) -> Array:
    """e^x - 1 for negative x, else 0: never overflows."""
    return np.expm1(np.minimum(x, 0))


def _elliot(x: Array) -> Array:
    return 0.5 * x / (1 + np.abs(x)) + 0.5


def _swish_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -200, 200)  # constant beyond, and infinity would give NaN
    s = logistic(x)
    return s + x * s * (1 - s)


def _mish_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -200, 200)
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * logistic(x)


def _gelu(x: Array) -> Array:
    with np.errstate(over="ignore"):  # tanh of infinity is 1, as it should be
        inner = _GELU * x * (1 + _GELU_CUBE * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


def _gelu_derivative(x: Array, f: Array) -> Array:
    x = np.clip(x, -50, 50)
    t = np.tanh(_GELU * x * (1 + _GELU_CUBE * x * x))
    slope = _GELU * (1 + 3 * _GELU_CUBE * x * x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope


def _hard_mish(x: Array) -> Array:
    curved = np.clip(x, -2, 0)
    return np.where(x > 0, x, (0.5 * curved + 1) * curved)


def _hard_mish_derivative(x: Array, f: Array) -> Array:
    return np.clip(x, -2, 0) * (x > -2) + (x > -2)


def _normalize_channels(x: Array) -> Array:
    positive = np.maximum(x, 0)
    return positive / (_EPSILON + positive.sum(axis=-1, keepdims=True))


def _normalize_channels_gradient(x: Array, f: Array, delta: Array) -> Array:
    total = _EPSILON + np.maximum(x, 0).sum(axis=-1, keepdims=True)
    inner = (delta * f).sum(axis=-1, keepdims=True)
    return (delta - inner) / total * (x > 0)


def _channel_softmax(x: Array) -> Array:
    """e^x / (eps + sum of e^x), multiplied through by e^-m against overflow."""
    m = np.maximum(x.max(axis=-1, keepdims=True), 0)
    small = np.exp(x - m)
    return small / (_EPSILON * np.exp(-m) + small.sum(axis=-1, keepdims=True))


def _channel_softmax_maximum(x: Array) -> Array:
    """e^(x-m) / (eps + sum of e^(x-m)) for the largest value m of the pixel."""
    small = np.exp(x - x.max(axis=-1, keepdims=True))
    return small / (_EPSILON + small.sum(axis=-1, keepdims=True))


def _channel_softmax_gradient(x: Array, f: Array, delta: Array) -> Array:
    return f * (delta - (delta * f).sum(axis=-1, keepdims=True))


def _channel_softmax_maximum_gradient(x: Array, f: Array, delta: Array) -> Array:
    # f also depends on the maximum m, because of epsilon: with f = e/(eps+S),
    # df/dm = -e/(eps+S) + e S/(eps+S)^2 = -f (1 - sum f). m is the first maximum.
    inner = (delta * f).sum(axis=-1, keepdims=True)
    gradient = f * (delta - inner)
    first = np.expand_dims(x.argmax(axis=-1), -1)
    rest = 1 - f.sum(axis=-1, keepdims=True)
    at_first = np.take_along_axis(gradient, first, axis=-1)
    np.put_along_axis(gradient, first, at_first - inner * rest, axis=-1)
    return gradient


def _prelu(x: Array, slopes: Array) -> Array:
    return np.where(x > 0, x, slopes * x)


def _prelu_derivative(x: Array, f: Array, slopes: Array) -> Array:
    return np.where(x > 0, x.dtype.type(1), slopes.astype(x.dtype, copy=False))


def _leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


def _leaky_derivative(x: Array, f: Array) -> Array:
    return _either(f > 0, 1, 0.1, f)


_ROWS = (
    ActivationFunction("linear", "x", lambda x: x, _ones),
    ActivationFunction("logistic", "1/(1+e^-x)", logistic, lambda x, f: f * (1 - f)),
    ActivationFunction(
        "loggy",
        "2/(1+e^-x) - 1",
        lambda x: np.tanh(0.5 * x),
        lambda x, f: 0.5 * (1 - f * f),
    ),
    ActivationFunction(
        "relu",
        "max(0, x)",
        lambda x: np.maximum(x, 0),
        lambda x, f: _either(f > 0, 1, 0, f),
    ),
    ActivationFunction(
        "relu6",
        "min(max(0, x), 6)",
        lambda x: np.clip(x, 0, 6),
        lambda x, f: _either((f > 0) & (f < 6), 1, 0, f),
    ),
    ActivationFunction(
        "elu",
        "x if x>=0 else e^x - 1",
        lambda x: np.where(x >= 0, x, _expm1_below(x)),
        lambda x, f: np.where(f >= 0, f.dtype.type(1), f + 1),
    ),
    ActivationFunction(
        "relie",
        "x if x>0 else 0.01 x",
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x, f: _either(f > 0, 1, 0.01, f),
    ),
    ActivationFunction(
        "ramp", "x [x>0] + 0.1 x", _ramp, lambda x, f: _either(f > 0, 1.1, 0.1, f)
    ),
    ActivationFunction("tanh", "tanh x", np.tanh, lambda x, f: 1 - f * f),
    ActivationFunction(
        "plse",
        "0.01(x+4) if x<-4; 0.01(x-4)+1 if x>4; else 0.125 x + 0.5",
        _plse,
        lambda x, f: _either((f >= 0) & (f <= 1), 0.125, 0.01, f),
    ),
    ActivationFunction("leaky", "x if x>0 else 0.1 x", _leaky, _leaky_derivative),
    ActivationFunction("revleaky", "x if x>0 else 0.1 x", _leaky, _leaky_derivative),
    ActivationFunction(
        "stair",
        "n = floor x; floor(x/2) if n even, else (x-n) + floor(x/2)",
        _stair,
        lambda x, f: _either(np.floor(f) == f, 0, 1, f),
    ),
    ActivationFunction(
        "hardtan",
        "min(max(-1, x), 1)",
        lambda x: np.clip(x, -1, 1),
        lambda x, f: _either((f > -1) & (f < 1), 1, 0, f),
    ),
    ActivationFunction(
        "lhtan",
        "0.001 x if x<0; 0.001(x-1)+1 if x>1; else x",
        _lhtan,
        lambda x, f: _either((f > 0) & (f < 1), 1, 0.001, f),
    ),
    ActivationFunction(
        "selu",
        "1.0507 x if x>=0 else 1.0507 * 1.6732 (e^x - 1)",
        lambda x: np.where(x >= 0, _SELU * x, _SELU_ALPHA * _expm1_below(x)),
        lambda x, f: np.where(f >= 0, f.dtype.type(_SELU), f + _SELU_ALPHA),
    ),
    ActivationFunction(
        "softplus", "log(1 + e^x)", softplus, lambda x, f: -np.expm1(-f)
    ),
    ActivationFunction(
        "softsign",
        "x/(1 + |x|)",
        lambda x: x / (1 + np.abs(x)),
        lambda x, f: (1 - np.abs(f)) ** 2,
    ),
    ActivationFunction(
        "elliot",
        "0.5 x/(1 + |x|) + 0.5",
        _elliot,
        lambda x, f: 0.5 * (1 - np.abs(2 * f - 1)) ** 2,
    ),
    ActivationFunction(
        "symmelliot",
        "x/(1 + |x|)",
        lambda x: x / (1 + np.abs(x)),
        lambda x, f: (1 - np.abs(f)) ** 2,
    ),
    ActivationFunction(
        "swish",
        "x logistic(x)",
        lambda x: x * logistic(x),
        _swish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "mish",
        "x tanh(log(1 + e^x))",
        lambda x: x * np.tanh(softplus(x)),
        _mish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "gelu",
        "0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
        _gelu,
        _gelu_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "hard_mish",
        "x if x>0; x^2/2 + x if x>-2; else 0",
        _hard_mish,
        _hard_mish_derivative,
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels",
        "max(0, x_c) / (0.0001 + sum over channels of max(0, x))",
        _normalize_channels,
        _normalize_channels_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels_softmax",
        "e^x_c / (0.0001 + sum over channels of e^x)",
        _channel_softmax,
        _channel_softmax_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "normalize_channels_softmax_maxval",
        "m = max over channels of x; e^(x_c-m) / (0.0001 + sum of e^(x-m))",
        _channel_softmax_maximum,
        _channel_softmax_maximum_gradient,
        "channels",
        from_x=True,
    ),
    ActivationFunction(
        "prelu",
        "x if x>0 else a_c x, a learned per channel",
        _prelu,
        _prelu_derivative,
        "slopes",
        from_x=True,
    ),
)

ACTIVATIONS: dict[str, ActivationFunction] = {row.name: row for row in _ROWS}
"""Every activation by name."""

NAMES: tuple[str, ...] = tuple(ACTIVATIONS)
"""All names, for the choices of a key."""

PARAMETER_FREE: tuple[str, ...] = tuple(
    row.name for row in _ROWS if not row.needs_slopes
)
"""Names that need no slopes: what a convolution can apply."""
