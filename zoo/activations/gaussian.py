"""The Gaussian error linear unit by the error function (Hendrycks and Gimpel, 2016).

With the normal distribution P, x P(x) = max(x, 0) - t P(-t) for t = |x|: its tail
P(-t) = erfc(t / sqrt 2) / 2 is small and positive, so nothing cancels. NumPy has no
erfc. Here P(-t) = e^(-t^2 / 2) m(t), and the smooth m is a Chebyshev series in
(t - k) / (t + k) (Schonfelder, "Chebyshev expansions for the error and related
functions", 1978), interpolated from Python's own erfc when it is first needed.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.polynomial import chebyshev

from zoo.shapes import Array

__all__ = ["gelu_erf", "gelu_erf_derivative"]

_MIDDLE = 3.0  # the k above
_FAR = 38.0  # beyond, P(-t) is not a number that float64 holds
_DEGREE = 26


def gelu_erf(x: Array) -> Array:
    """x P(x)."""
    t = np.minimum(np.abs(x), _FAR)
    return np.maximum(x, 0) - t * _tail(t)


def gelu_erf_derivative(x: Array, f: Array) -> Array:
    """P(x) + x e^(-x^2 / 2) / sqrt(2 pi)."""
    x = np.clip(x, -_FAR, _FAR)
    tail = _tail(np.abs(x))
    density = np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return np.where(x > 0, 1 - tail, tail) + x * density


def _tail(t: Array) -> Array:
    """P(-t) for 0 <= t <= 38."""
    r = (t - _MIDDLE) / (t + _MIDDLE)
    twice = 2 * r
    above, more = np.zeros_like(t), np.zeros_like(t)
    first, *rest = _coefficients()
    for coefficient in reversed(rest):  # Clenshaw's recurrence
        above, more = twice * above - more + coefficient, above
    return np.exp(-0.5 * t * t) * (r * above - more + first)


@cache
def _coefficients() -> tuple[float, ...]:
    def m(r: float) -> float:
        t = _MIDDLE * (1 + r) / (1 - r)
        if t > 26:  # asymptotically; erfc loses its digits there
            return (1 - 1 / t**2 + 3 / t**4 - 15 / t**6) / (t * math.sqrt(2 * math.pi))
        return 0.5 * math.erfc(t / math.sqrt(2)) * math.exp(0.5 * t * t)

    nodes = chebyshev.chebpts1(_DEGREE + 1)
    values = np.array([m(float(r)) for r in nodes])
    series = chebyshev.chebfit(nodes, values, _DEGREE)
    return tuple(float(value) for value in series)
